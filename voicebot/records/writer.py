"""The one thread that writes the database, and falls back on the spool.

Writes are taken in order, in batches of one transaction. While the database cannot
take them they go to the spool, in the same order; what is in the spool is written
first as soon as the database is back (DESIGN.md, When things fail). While neither can take
them, because the disk is full, they are held in memory: nobody was told that they are safe.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Engine
from sqlalchemy import exc as sql_errors
from sqlalchemy.orm import Session

from voicebot.records.database import reason
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.operations import OPERATIONS
from voicebot.records.spool import Operation, Spool, read_operations

log = structlog.get_logger()

MAX_QUEUED = 10_000
"""Writes; a busy call makes about ten a second, so this is minutes of many calls."""
MAX_BATCH = 64
RETRY_S = 1.0
_NOT_THE_WRITES = frozenset({"42501", "42P01"})
"""PostgreSQL: no right to write, no such table; for whoever runs the server to mend."""


@dataclass(slots=True)
class Write:
    """An operation on its way; `confirmed` becomes True once it is safe on a disk."""

    operation: Operation
    confirmed: Future[bool] = field(default_factory=Future)


class Writer:
    """Owns the writing connection.

    Parameters:
        engine: made by `open_engine(url, writes=True)`.
        prepare: brings the tables up to date; called before the first write, and again
            until it succeeds. Raises RecordsUnavailable.
        written: called after each transaction, in the writer's thread.
    """

    def __init__(
        self,
        engine: Engine,
        spool: Spool,
        prepare: Callable[[], None],
        written: Callable[[], None] = lambda: None,
        *,
        retry_s: float = RETRY_S,
        max_queued: int = MAX_QUEUED,
    ) -> None:
        self._engine, self._spool = engine, spool
        self._prepare, self._written, self._retry_s = prepare, written, retry_s
        self._queue: queue.Queue[Write | None] = queue.Queue(max_queued)
        self._held: list[Operation] = []
        self._most_held = max_queued
        self._spool_at = 0.0
        self._prepared = False
        self._retry_at = 0.0
        self.first_attempt = threading.Event()
        """Set once the database has been opened, or has failed to."""
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)

    @property
    def available(self) -> bool:
        """The database took the last write that was tried, and none is held."""
        return self._prepared and self._retry_at == 0.0 and not self._held

    def start(self) -> None:
        self._thread.start()

    def submit(self, write: Write) -> bool:
        """Queue a write; False when the queue is full."""
        try:
            self._queue.put_nowait(write)
        except queue.Full:
            return False
        return True

    def stop(self) -> None:
        """Write what is queued, then end; safe to call twice."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        self._ready()
        self.first_attempt.set()
        going = True
        while going:
            batch, going = self._take()
            try:
                self._write(batch)
            except Exception:
                # Whatever it was, the next write must find a writer.
                log.exception("records_writer_failed")
                confirm(batch, False)
        self._engine.dispose()

    def _take(self) -> tuple[list[Write], bool]:
        """The next writes, or none after a while in which the spool is to be replayed."""
        batch: list[Write] = []
        pending = self._spool.waiting or bool(self._held) or not self._prepared
        try:
            item = self._queue.get(timeout=self._retry_s if pending else None)
            while True:
                if item is None:
                    return batch, False
                batch.append(item)
                if len(batch) == MAX_BATCH:
                    break
                item = self._queue.get_nowait()
        except queue.Empty:
            pass
        return batch, True

    def _write(self, batch: list[Write]) -> None:
        if self._ready():
            if not batch:
                return
            try:
                results = self._apply([write.operation for write in batch])
            except Exception as error:
                self._down(error)
            else:
                for write, result in zip(batch, results, strict=True):
                    confirm([write], result)
                self._written()
                return
        if batch or self._held:
            confirm(batch, self._keep([write.operation for write in batch]))

    def _keep(self, operations: list[Operation]) -> bool:
        """In the spool, after what is held already; else held. A full one is tried again in a
        while: all that is held would be packed for it each time.
        """
        self._held += operations
        if time.monotonic() >= self._spool_at:
            if self._spool.append(self._held):
                self._held = []
                return True
            self._spool_at = time.monotonic() + self._retry_s
        if len(self._held) > self._most_held:
            log.error("writes_lost", count=len(self._held) - self._most_held)
            del self._held[self._most_held :]
        return False

    def _ready(self) -> bool:
        """The database is up to date and has everything that was spooled."""
        if time.monotonic() < self._retry_at:
            return False
        try:
            if not self._prepared:
                self._prepare()
                self._prepared = True
            if self._spool.waiting:
                self._replay()
            if self._held:
                self._apply_all(self._held)
                log.info("held_writes_written", writes=len(self._held))
                self._held = []
        except Exception as error:
            self._down(error)
            return False
        self._retry_at = 0.0
        return True

    def _replay(self) -> None:
        for file in self._spool.rotate():
            operations = read_operations(file)
            self._apply_all(operations)
            self._spool.done(file)
            log.info("spool_replayed", writes=len(operations))
        self._written()

    def _apply_all(self, operations: list[Operation]) -> None:
        for start in range(0, len(operations), MAX_BATCH):
            self._apply(operations[start : start + MAX_BATCH])

    def _down(self, error: Exception) -> None:
        if not _unavailable(error):
            log.error("records_failed", exc_info=error)
        elif self._retry_at == 0.0:
            log.error("database_unavailable", reason=reason(error))
        self._retry_at = time.monotonic() + self._retry_s

    def _apply(self, operations: list[Operation], *, again: bool = True) -> list[bool]:
        """One transaction; where one write spoils it, each by itself.

        Raises the driver's error when the database cannot take anything.
        """
        try:
            with Session(self._engine) as session, session.begin():
                for operation in operations:
                    _perform(session, operation)
                    session.flush()
        except Exception as error:
            if _unavailable(error):
                raise
            if len(operations) == 1:
                if again and isinstance(error, sql_errors.IntegrityError):
                    # Another process wrote the same row at this moment; now it is found.
                    return self._apply(operations, again=False)
                kind = operations[0]["op"]
                log.error("write_rejected", operation=kind, reason=type(error).__name__)
                self._spool.reject(operations)
                return [False]
            return [self._apply([operation])[0] for operation in operations]
        return [True] * len(operations)


def _perform(session: Session, operation: Operation) -> None:
    OPERATIONS[operation["op"]](session, **operation["args"])


def confirm(batch: list[Write], result: bool) -> None:
    """Tells whoever waits for these writes whether they are safe."""
    for write in batch:
        if not write.confirmed.done():
            write.confirmed.set_result(result)


def _unavailable(error: Exception) -> bool:
    """The fault is the database's, not the write's: worth trying again later."""
    return (
        isinstance(
            error,
            RecordsUnavailable
            | sql_errors.OperationalError
            | sql_errors.InterfaceError
            | sql_errors.InternalError
            | sql_errors.TimeoutError
            | OSError,
        )
        # Exactly this class is a damaged file or no database at all.
        or type(error) is sql_errors.DatabaseError
        or getattr(getattr(error, "orig", None), "sqlstate", None) in _NOT_THE_WRITES
    )
