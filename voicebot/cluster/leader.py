"""One of several processes on a PostgreSQL database does what an installation needs once.

The lock is PostgreSQL's own (advisory), held by one connection: it ends with the process, whatever
becomes of it, and another takes over within `LOOK_S`. For a process that is frozen its kernel goes
on answering, so PostgreSQL ends a connection that has said nothing for `IDLE_S`: between two looks
at the lock (14 and newer), and within one, whose transaction is open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from voicebot.records.database import open_engine, reason

log = structlog.get_logger()

LOOK_S = 2.0
IDLE_S = 10.0
_IDLE_SINCE = (14,)
"""The PostgreSQL that knows idle_session_timeout."""
WORKER = 12345777
"""The advisory lock of who does the jobs of the role `worker`."""


class Leader:
    """Parameters:
    url: of the database; any but PostgreSQL's is one process's alone.
    lock: number of the advisory lock.
    """

    def __init__(self, url: str, lock: int = WORKER) -> None:
        self._url, self._lock = url, lock
        self.leads = False

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does `work` while this process is the one, until cancelled; `work` ends only when it is
        cancelled, which happens as soon as the lock may be another's.
        """
        if not self._url.startswith("postgresql"):
            self.leads = True
            await work()
            return
        engine = await asyncio.to_thread(_engine, self._url)
        try:
            while True:
                connection = await asyncio.to_thread(_taken, engine, self._lock)
                if connection is not None:
                    await self._lead(connection, work)
                await asyncio.sleep(LOOK_S)
        finally:
            await asyncio.to_thread(engine.dispose)

    async def _lead(self, connection: Connection, work: Callable[[], Awaitable[None]]) -> None:
        log.info("jobs_begin")
        self.leads = True
        working = asyncio.ensure_future(work())
        try:
            while not working.done() and await asyncio.to_thread(_held, connection):
                await asyncio.wait((working,), timeout=LOOK_S)
        finally:
            self.leads = False
            working.cancel()
            (ended,) = await asyncio.gather(working, return_exceptions=True)
            if isinstance(ended, Exception):
                log.error("jobs_failed", exc_info=ended)
            connection.invalidate()  # its end is the lock's
            connection.close()
            log.info("jobs_end")


def _engine(url: str) -> Engine:
    """Whose connections PostgreSQL ends also where they fall silent within a transaction."""
    return open_engine(url, writes=True, idle_s=IDLE_S)


def _taken(engine: Engine, lock: int) -> Connection | None:
    """The connection that holds the lock; None: another has it, or the database is away."""
    connection = None
    try:
        connection = engine.connect()
        if connection.scalar(select(func.pg_try_advisory_lock(lock))):
            if (connection.dialect.server_version_info or ()) >= _IDLE_SINCE:
                connection.execute(text(f"SET idle_session_timeout = {round(IDLE_S * 1000)}"))
            connection.commit()
            return connection
    except SQLAlchemyError as error:
        log.warning("jobs_not_begun", reason=reason(error))
    if connection is not None:
        connection.invalidate()
        connection.close()
    return None


def _held(connection: Connection) -> bool:
    """The connection is still there, and the lock with it."""
    try:
        connection.scalar(select(1))
        connection.commit()
    except SQLAlchemyError as error:
        log.warning("jobs_lock_lost", reason=reason(error))
        return False
    return True
