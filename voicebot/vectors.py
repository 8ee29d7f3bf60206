"""Vectors of known texts, kept between starts in one SQLite file.

Only texts that are ours are put here (questions of the knowledge base, training
lines); what callers say is never written. Texts are kept as digests.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voicebot.errors import ModelUnavailable

Vector = NDArray[np.float32]


class VectorStore:
    """float32 vectors by text, for one model. Thread-safe.

    Parameters:
        path: the SQLite file; made with its folder if it is not there.
        model: names the model and its version; vectors of another are not found.

    Raises:
        ModelUnavailable: the file cannot be opened.
    """

    def __init__(self, path: Path, model: str) -> None:
        self._model = model
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, check_same_thread=False, timeout=10)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS vector"
                " (digest BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as error:
            raise ModelUnavailable(
                f"The store of sentence vectors {path} cannot be used ({error}); "
                "delete it, it is made anew."
            ) from error

    def get(self, texts: Iterable[str]) -> dict[str, Vector]:
        """The vectors that are known, by text."""
        found: dict[str, Vector] = {}
        with self._lock:
            for text in texts:
                row = self._database.execute(
                    "SELECT vector FROM vector WHERE digest = ?", (self._digest(text),)
                ).fetchone()
                if row is not None:
                    found[text] = np.frombuffer(row[0], np.float32)
        return found

    def put(self, vectors: Mapping[str, Vector]) -> None:
        rows = [
            (self._digest(text), np.asarray(vector, np.float32).tobytes())
            for text, vector in vectors.items()
        ]
        with self._lock, self._database:
            self._database.executemany("INSERT OR REPLACE INTO vector VALUES (?, ?)", rows)

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _digest(self, text: str) -> bytes:
        return hashlib.sha256(f"{self._model}\0{text}".encode()).digest()
