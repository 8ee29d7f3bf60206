"""Where writes wait on local disk while the database cannot take them.

    <folder>/records.jsonl         one write a line, fsynced before it counts as kept
    <folder>/replay-<n>.jsonl      rotated, being written to the database, in order
    <folder>/rejected.jsonl        writes that the database refused for good; for people

A write may come twice, here and in the database: every operation is idempotent.
Processes that meet here (a service that is being replaced) take turns by a lock file.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger()

Operation = dict[str, Any]
"""``{"op": name, "args": {…}}``, plain JSON values."""


class Spool:
    """The spool folder; thread-safe. Makes the folder when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._current = folder / "records.jsonl"
        self._lock = threading.Lock()
        self._waiting = self._current.exists() or any(self._rotated())

    @property
    def waiting(self) -> bool:
        """Something is kept that the database does not have yet."""
        return self._waiting

    def append(self, operations: list[Operation]) -> bool:
        """Keep writes; True once they are on the disk. Never raises."""
        handle = self.write(operations)
        return handle is not None and self.sync(handle)

    def write(self, operations: list[Operation]) -> int | None:
        """The first half of `append`: they outlive this process, for `sync` to bring to the disk.
        None when they could not be written. Never raises.
        """
        try:
            with self._alone():
                self._waiting = True
                return _append(self._current, operations)
        except (OSError, ValueError) as error:
            log.error("spool_failed", reason=str(error))
            return None

    def sync(self, handle: int) -> bool:
        """The second half, also of a file that is being replayed meanwhile. Never raises."""
        try:
            os.fsync(handle)
        except OSError as error:
            log.error("spool_failed", reason=str(error))
            return False
        finally:
            os.close(handle)
        return True

    def rotate(self) -> list[Path]:
        """Close the current file and return the files to replay, oldest first."""
        with self._alone():
            files = list(self._rotated())
            if self._current.exists():
                last = int(files[-1].stem.removeprefix("replay-")) if files else 0
                rotated = self.folder / f"replay-{last + 1:06}.jsonl"
                self._current.replace(rotated)
                files.append(rotated)
            return files

    def done(self, file: Path) -> None:
        """A rotated file is in the database."""
        with self._alone():
            file.unlink(missing_ok=True)
            self._waiting = self._current.exists() or any(self._rotated())

    def reject(self, operations: list[Operation]) -> None:
        """Keep for people what the database will never take."""
        try:
            with self._alone():
                self.sync(_append(self.folder / "rejected.jsonl", operations))
        except (OSError, ValueError) as error:
            log.error("spool_failed", reason=str(error))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread or process is in the folder."""
        with self._lock:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield
            finally:
                os.close(handle)

    def _rotated(self) -> Iterator[Path]:
        return iter(sorted(self.folder.glob("replay-*.jsonl")))


def read_operations(file: Path) -> list[Operation]:
    """The writes in a spool file; a last line cut off by a crash was never confirmed."""
    operations = []
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        try:
            operation = json.loads(line)
            operations.append({"op": str(operation["op"]), "args": dict(operation["args"])})
        except (ValueError, TypeError, KeyError, RecursionError):
            log.warning("spool_line_unreadable", file=file.name, line=number)
    return operations


def _append(file: Path, operations: list[Operation]) -> int:
    """The file they were written to, open and not synced."""
    text = "".join(json.dumps(each, ensure_ascii=True) + "\n" for each in operations)
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.lseek(handle, 0, os.SEEK_END)
        if size and os.pread(handle, 1, size - 1) != b"\n":
            text = "\n" + text  # after a torn line, so that it spoils nothing but itself
        _write_all(handle, text.encode())
    except BaseException:
        os.close(handle)
        raise
    return handle


def _write_all(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
