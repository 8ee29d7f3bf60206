"""Opening the database: engines, SQLite's settings, and bringing the tables up to date."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from voicebot.records.errors import RecordsUnavailable

MIGRATIONS = Path(__file__).with_name("migrations")

WRITE_PATIENCE_S = 0.03
"""How long the writer waits for another process's lock before it uses the spool."""
READ_PATIENCE_S = 2.0


def open_engine(url: str, *, writes: bool = False, patience_s: float | None = None) -> Engine:
    """An engine for the writer (`writes`) or for readers.

    Raises:
        RecordsUnavailable: if the URL cannot be understood or its driver is missing.
    """
    if patience_s is None:
        patience_s = WRITE_PATIENCE_S if writes else READ_PATIENCE_S
    try:
        if make_url(url).get_backend_name() != "sqlite":
            return create_engine(url, pool_pre_ping=True)
        engine = create_engine(
            url, connect_args={"timeout": patience_s, "check_same_thread": False}
        )
    except (SQLAlchemyError, ImportError) as error:
        raise RecordsUnavailable(f"database.url cannot be used: {error}") from None
    if writes:
        _make_private(make_url(url).database)
    _tune_sqlite(engine, writes)
    return engine


def _make_private(database: str | None) -> None:
    """The file is full of personal data: its owner's alone, like what SQLite puts beside it."""
    if not database or database == ":memory:" or database.startswith("file:"):
        return
    # Where this cannot be done, opening the database says why.
    with contextlib.suppress(OSError):
        Path(database).parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(database, os.O_RDWR | os.O_CREAT, 0o600))


def _tune_sqlite(engine: Engine, writes: bool) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: Any) -> None:
        # The driver must not open transactions by itself: `begin` below does, at once
        # with the write lock, so that a busy database shows before any work is done.
        connection.isolation_level = None
        cursor = connection.cursor()
        if writes:
            cursor.execute("PRAGMA journal_mode=WAL")
            # Written means on the disk: the caller is told so.
            cursor.execute("PRAGMA synchronous=FULL")
        else:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def migrate(url: str) -> str:
    """Bring the tables up to date; the revision reached.

    Raises:
        RecordsUnavailable: the database cannot be opened or written.
    """
    # Alembic takes 0.2 s to import, and only a start and `voicebot db migrate` need it.
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.util.exc import CommandError

    engine = open_engine(url, writes=True, patience_s=5.0)
    try:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            reached = MigrationContext.configure(connection).get_current_revision()
    except (SQLAlchemyError, CommandError, OSError) as error:
        raise RecordsUnavailable(
            f"The database cannot be brought up to date: {reason(error)}."
        ) from None
    finally:
        engine.dispose()
    return reached or ""


def reason(error: BaseException) -> str:
    """The driver's own words, without SQL and parameters: those may hold personal data."""
    original = getattr(error, "orig", None) or error
    return str(original).splitlines()[0].rstrip(".") if str(original) else type(original).__name__
