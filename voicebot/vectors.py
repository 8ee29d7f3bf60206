"""Vectors of known texts, kept between starts in one SQLite file.

A cache and nothing else: a damaged file is made anew, and what cannot be read is a miss.

Only texts that are ours are put here (questions of the knowledge base, training
lines); what callers say is never written. Texts are kept as digests.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from voicebot.errors import ModelUnavailable
from voicebot.state_folder import make_private

log = structlog.get_logger()

Vector = NDArray[np.float32]


class VectorStore:
    """float32 vectors by text, for one model. Thread-safe.

    Parameters:
        path: the SQLite file; made with its folder if it is not there.
        model: names the model and its version; vectors of another are not found.

    Raises:
        ModelUnavailable: the file cannot be opened, nor made anew.
    """

    def __init__(self, path: Path, model: str) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._path = path
        try:
            make_private(path.parent)
            try:
                self._database = _open(path)
            except sqlite3.DatabaseError as error:
                if not _damaged(error):
                    raise
                self._database = self._renewed(error)
        except (OSError, sqlite3.Error) as error:
            raise ModelUnavailable(
                f"The store of sentence vectors {path} cannot be used ({error}); "
                "delete it, it is made anew."
            ) from error

    def get(self, texts: Iterable[str]) -> dict[str, Vector]:
        """The vectors that are known, by text; never raises."""
        found: dict[str, Vector] = {}
        with self._lock:
            try:
                for text in texts:
                    row = self._database.execute(
                        "SELECT vector FROM vector WHERE digest = ?", (self._digest(text),)
                    ).fetchone()
                    if row is not None:
                        found[text] = np.frombuffer(row[0], np.float32)
            except (sqlite3.Error, ValueError, TypeError) as error:
                self._failed(error)
        return found

    def put(self, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors, if they can be kept; never raises."""
        rows = [
            (self._digest(text), np.asarray(vector, np.float32).tobytes())
            for text, vector in vectors.items()
        ]
        with self._lock:
            try:
                with self._database:
                    self._database.executemany("INSERT OR REPLACE INTO vector VALUES (?, ?)", rows)
            except sqlite3.Error as error:
                self._failed(error)

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _digest(self, text: str) -> bytes:
        return hashlib.sha256(f"{self._model}\0{text}".encode("utf-8", "surrogatepass")).digest()

    def _failed(self, error: Exception) -> None:
        log.warning("vector_store_failed", reason=str(error))
        if _damaged(error):
            with contextlib.suppress(OSError, sqlite3.Error):
                self._database = self._renewed(error)

    def _renewed(self, error: Exception) -> sqlite3.Connection:
        log.warning("vector_store_made_anew", path=str(self._path), reason=str(error))
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        return _open(self._path)


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, timeout=10)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(
            "CREATE TABLE IF NOT EXISTS vector"
            " (digest BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"
        )
    except sqlite3.Error:
        database.close()
        raise
    return database


def _damaged(error: Exception) -> bool:
    """The file is no database, or no longer one; not merely locked or unwritable."""
    return type(error) is sqlite3.DatabaseError
