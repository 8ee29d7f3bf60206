"""Opening the database: engines, SQLite's settings, and bringing the tables up to date."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

import voicebot.auditing.keeping  # links the audit rows of every session
import voicebot.webhooks.publications  # noqa: F401 - tells what every session has published
from voicebot.records.errors import RecordsUnavailable
from voicebot.state_folder import make_private

MIGRATIONS = Path(__file__).with_name("migrations")

_LOCKED = "55P03"
"""PostgreSQL's code of a lock that was waited for long enough."""
_MIGRATING = 12345110
"""PostgreSQL's advisory lock of who brings the tables up to date."""
_one_at_a_time = threading.Lock()
"""Alembic keeps what it works on in globals of its modules."""

WRITE_PATIENCE_S = 0.03
"""How long the writer waits for another process's lock before it uses the spool."""
READ_PATIENCE_S = 2.0
SERVER_LOCK_PATIENCE_S = 1.0
"""PostgreSQL locks rows, for as long as one act; the writer waits at least this long."""
SERVER_IDLE_S = 10.0
"""After so long without a word of a transaction that writes, PostgreSQL ends it: a process that
was frozen while it held `audit_head` would stop the writes of every machine."""
LONG_WORK_S = 60.0
"""The same where something is worked out within the transaction."""
TABLES_LOCKED_S = 2.0
"""So long a migration waits for a table that another transaction uses; meanwhile everybody who
comes for that table waits behind it."""
SERVER_CONNECT_S = 3
"""A server that does not answer is away; libpq takes whole seconds, 2 or more."""


def open_engine(
    url: str,
    *,
    writes: bool = False,
    patience_s: float | None = None,
    idle_s: float = SERVER_IDLE_S,
) -> Engine:
    """An engine for the writer (`writes`) or for readers.

    Parameters:
        patience_s: how long a transaction waits for another's lock.
        idle_s: how long one that writes may leave PostgreSQL without a statement.

    Raises:
        RecordsUnavailable: if the URL cannot be understood or its driver is missing.
    """
    if patience_s is None:
        patience_s = WRITE_PATIENCE_S if writes else READ_PATIENCE_S
    try:
        if make_url(url).get_backend_name() != "sqlite":
            return _server_engine(url, patience_s, idle_s if writes else 0.0)
        arguments: dict[str, Any] = {"timeout": patience_s, "check_same_thread": False}
        file = sqlite_file(url)
        if file is not None and not writes:
            # A reader that finds no database must not leave an empty one behind.
            engine = create_engine(
                url,
                creator=lambda: sqlite3.connect(
                    f"file:{quote(str(file))}?mode=rw", uri=True, **arguments
                ),
            )
        else:
            engine = create_engine(url, connect_args=arguments)
    except (SQLAlchemyError, ImportError) as error:
        raise RecordsUnavailable(f"database.url cannot be used: {_advice(error)}") from None
    if writes and file is not None:
        _make_private(file)
    _tune_sqlite(engine, writes)
    return engine


def _server_engine(url: str, patience_s: float, idle_s: float) -> Engine:
    """What the URL says itself goes before what is set here. `idle_s` 0: for ever."""
    target = make_url(url)
    arguments: dict[str, Any] = {}
    if target.get_driver_name() == "psycopg":
        milliseconds = round(max(patience_s, SERVER_LOCK_PATIENCE_S) * 1000)
        ours = {
            "connect_timeout": SERVER_CONNECT_S,
            "options": " ".join(
                (
                    f"-c lock_timeout={milliseconds}",
                    f"-c idle_in_transaction_session_timeout={round(idle_s * 1000)}",
                    # Of a machine that is cut off, the server lets go of the locks as soon.
                    "-c tcp_keepalives_idle=5",
                    "-c tcp_keepalives_interval=2",
                    "-c tcp_keepalives_count=3",
                )
            ),
            # A cable that is cut shows within seconds, not after a quarter of an hour.
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        }
        arguments = {name: value for name, value in ours.items() if name not in target.query}
    engine = create_engine(url, pool_pre_ping=True, connect_args=arguments)
    event.listen(engine, "before_cursor_execute", _without_nul, retval=True)
    return engine


def _without_nul(
    _: Any, __: Any, statement: str, parameters: Any, ___: Any, many: bool
) -> tuple[str, Any]:
    """What is asked for in the form in which it is stored (`voicebot.records.texts`).

    PostgreSQL takes no NUL, and refuses the whole statement because of one in an id.
    """
    rows = parameters if many else [parameters]
    if not any(isinstance(v, str) and "\0" in v for row in rows for v in _values(row)):
        return statement, parameters
    clean = [_clean(row) for row in rows]
    return statement, clean if many else clean[0]


def _values(row: Any) -> Any:
    return row.values() if isinstance(row, dict) else row or ()


def _clean(row: Any) -> Any:
    def clean(value: Any) -> Any:
        return value.replace("\0", "\ufffd") if isinstance(value, str) else value

    if isinstance(row, dict):
        return {name: clean(value) for name, value in row.items()}
    return tuple(map(clean, row))


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None for a server, memory or an SQLite URI.

    Raises:
        SQLAlchemyError: the URL cannot be understood.
    """
    target = make_url(url)
    name = target.database or ""
    if target.get_backend_name() != "sqlite" or name in ("", ":memory:"):
        return None
    return None if name.startswith("file:") else Path(name)


def _advice(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name in ("psycopg", "psycopg2"):
        return (
            "its driver is not installed; pip install 'voicebot[postgres]' and write the URL "
            "as postgresql+psycopg://user@host/voicebot"
        )
    return str(error)


def _make_private(file: Path) -> None:
    """The file is full of personal data: its owner's alone, like what SQLite puts beside it.

    One that is there is never opened here: POSIX takes a process's locks on a file with the
    first of its descriptors that is closed, SQLite's as well. The next process to leave the
    database would believe itself alone, and remove the log that this one goes on writing.
    """
    # Where this cannot be done, opening the database says why.
    with contextlib.suppress(OSError):
        make_private(file.parent)
        try:
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            mode = file.stat().st_mode
            if mode & 0o077:
                file.chmod(stat.S_IMODE(mode) & 0o700)


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
    from alembic.script import ScriptDirectory
    from alembic.util.exc import CommandError

    engine = open_engine(url, writes=True, patience_s=5.0, idle_s=LONG_WORK_S)
    try:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        head = ScriptDirectory.from_config(config).get_current_head()
        if _revision(url) == head:
            return head or ""  # nothing to write, so nobody's lock to wait for
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":  # one process at a time
                connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
                milliseconds = round(TABLES_LOCKED_S * 1000)
                connection.execute(text(f"SET LOCAL lock_timeout = {milliseconds}"))
            config.attributes["connection"] = connection
            with _one_at_a_time:
                command.upgrade(config, "head")
            reached = MigrationContext.configure(connection).get_current_revision()
    except (SQLAlchemyError, CommandError, OSError) as error:
        raise RecordsUnavailable(
            f"The database cannot be brought up to date: {reason(error)}.{_remedy(error)}"
        ) from None
    finally:
        engine.dispose()
    return reached or ""


def _remedy(error: Exception) -> str:
    if getattr(getattr(error, "orig", None), "sqlstate", None) != _LOCKED:
        return ""
    return (
        " Another transaction holds what has to change, and nothing was changed. A service tries"
        " again by itself, you by `voicebot db migrate`. What takes long, such as a backup or a"
        " report, is shown by SELECT pid, xact_start, query FROM pg_stat_activity."
    )


def _revision(url: str) -> str | None:
    """Where the tables are; None for none, or where that cannot be read."""
    from alembic.runtime.migration import MigrationContext

    reader = open_engine(url)
    try:
        with reader.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError:
        return None
    finally:
        reader.dispose()


def reason(error: BaseException) -> str:
    """The driver's own words, without SQL and parameters: those may hold personal data."""
    original = getattr(error, "orig", None) or error
    return str(original).splitlines()[0].rstrip(".") if str(original) else type(original).__name__
