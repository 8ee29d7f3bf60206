"""A real PostgreSQL for tests. How to use it:

    pytestmark = pytest.mark.usefixtures("database_url")

at the top of a test module, and every test in it runs twice, on SQLite and on PostgreSQL:
the fixtures `settings` and `records` follow. A test may also ask for `database_url` itself
(a fresh database that holds all tables), for an `engine` that writes into it, for
`empty_database_url` (without any), or for `postgresql_url` (PostgreSQL alone). A test of such a
module that is about SQLite's file is marked `@sqlite_only`.

One server is started for a whole run, the first time that it is needed, in a folder of its
own; it keeps nothing. A database that was lent to a test is emptied after it and lent again
under another name: making one takes ten times as long.

Without PostgreSQL (Debian: postgresql; `scripts/setup.sh --all`) its half is skipped; under
CI that is a failure.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine

from tests.conftest import scratch
from voicebot.records.database import migrate, open_engine

sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

_PREFIX = "voicebot-pg-"
ALL_TABLES = "all_tables"
"""Of a server of a whole run: what its databases are made from."""
_numbers = itertools.count(1)

# Every change of a table, an index, a constraint or a function shows in its row's xmin, and
# every clone of a template has the template's rows.
_STRUCTURE = """
SELECT md5(string_agg(row, ' ' ORDER BY row)) FROM (
    SELECT 'c' || oid || ' ' || xmin FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'a' || attrelid || '.' || attnum || ' ' || xmin FROM pg_attribute
        WHERE attrelid >= 16384
    UNION ALL SELECT 'd' || oid || ' ' || xmin FROM pg_attrdef
    UNION ALL SELECT 'k' || oid || ' ' || xmin FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT 't' || oid || ' ' || xmin FROM pg_trigger
    UNION ALL SELECT 'p' || oid || ' ' || xmin FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT 'n' || oid || ' ' || xmin FROM pg_namespace WHERE oid >= 16384
    UNION ALL SELECT 's' || setconfig::text FROM pg_db_role_setting s JOIN pg_database d
        ON d.oid = s.setdatabase WHERE datname = current_database()
) AS rows (row)
"""
_LEAVE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}"
_WRITTEN_TO = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0
"""
_SEQUENCES_ANEW = """
SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence
"""


@dataclass(frozen=True)
class _Empty:
    """What a database is before a test.

    Parameters:
        structure: a fingerprint of its tables.
        rows: what the migrations have put into each table, as COPY writes it.
    """

    structure: str
    rows: dict[str, bytes]

    @classmethod
    def of(cls, connection: psycopg.Connection[Any]) -> _Empty:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        return cls(_structure(connection), {name: _copy(connection, name) for (name,) in tables})

    def restore(self, connection: psycopg.Connection[Any]) -> bool:
        """False, with nothing changed, where there are other tables than there were."""
        if _structure(connection) != self.structure:
            return False
        used = [sql.Identifier(name) for (name,) in connection.execute(_WRITTEN_TO)]
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")  # no triggers, no keys
            cursor.execute(sql.SQL(";").join(map(sql.SQL("DELETE FROM {}").format, used)))
        # Rows lie in the order in which they are written, as in a table that is new.
        connection.execute(sql.SQL("VACUUM {}").format(sql.SQL(",").join(used)))
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for table, rows in self.rows.items():
                if rows:
                    into = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))
                    with cursor.copy(into) as copy:
                        copy.write(rows)
            cursor.execute(_SEQUENCES_ANEW)
        return True


def _structure(connection: psycopg.Connection[Any]) -> str:
    (found,) = connection.execute(_STRUCTURE).fetchone() or ("",)
    return str(found)


def _copy(connection: psycopg.Connection[Any], table: str) -> bytes:
    out = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))
    with connection.cursor() as cursor, cursor.copy(out) as copy:
        return b"".join(copy)


class Postgres:
    """A server in a folder of its own, on a UNIX socket alone."""

    def __init__(self, programs: Path, parent: Path = Path("/tmp")) -> None:
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._free: list[str] = []
        self._empty: _Empty | None = None
        if os.geteuid() == 0:  # which initdb refuses to be
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)

    def initialise(self) -> None:
        command = [self._programs / "initdb", "-D", self._data, "-U", "voicebot", "-A", "trust"]
        command += ["-E", "UTF8", "--locale=C", "-N"]
        done = subprocess.run(
            [*self._as_owner(), *command], cwd="/", capture_output=True, text=True, timeout=300
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr}")

    def start(self, *, durable: bool = False) -> None:
        """It dies with the test run, however that ends; `durable`: as a server in service is."""
        command = [self._programs / "postgres", "-D", self._data]
        for setting in (
            "listen_addresses=",
            f"unix_socket_directories={self.folder}",
            f"fsync={durable}",
            f"full_page_writes={durable}",
            "max_connections=200",
            "shared_buffers=32MB",
        ):
            command += ["-c", setting]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_owner("--pdeathsig", "QUIT"), *command],
                cwd="/",
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + 120
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                said = (self.folder / "log").read_text()
                raise RuntimeError(f"PostgreSQL does not start: {said}")
            time.sleep(0.05)

    def kill(self) -> None:
        """As by a power cut; `start` recovers it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(60)

    def remove(self) -> None:
        try:
            self.kill()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://voicebot@/{name}?host={self.folder}"

    def create(self, template: str = "template0", name: str = "") -> str:
        """The name of a fresh database."""
        name = name or f"test_{next(_numbers)}"
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        return name

    def drop(self, name: str) -> None:
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def make_template(self) -> None:
        """A database with all tables, for `lend`."""
        migrate(self.url(self.create(name=ALL_TABLES)))
        with self._connected(ALL_TABLES) as connection:
            self._empty = _Empty.of(connection)

    def lend(self) -> str:
        """The name of a database with all tables, as the migrations leave it."""
        return self._free.pop() if self._free else self.create(ALL_TABLES)

    def give_back(self, name: str) -> None:
        """Emptied for the next, under a name that whoever still writes to it does not know.

        One whose tables were changed, or that somebody does not leave, is dropped.
        """
        assert self._empty is not None
        fresh = f"test_{next(_numbers)}"
        try:
            with self._connected("postgres") as connection:
                until = time.monotonic() + 10
                leave = sql.SQL(_LEAVE).format(name)
                while connection.execute(leave).rowcount and time.monotonic() < until:
                    time.sleep(0.002)
                rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
                connection.execute(rename.format(sql.Identifier(name), sql.Identifier(fresh)))
        except psycopg.errors.ObjectInUse:
            self.drop(name)
            return
        with self._connected(fresh) as connection:
            restored = self._empty.restore(connection)
        if restored:
            self._free.append(fresh)
        else:
            self.drop(fresh)

    def _execute(self, statement: str, *names: str) -> None:
        with self._connected("postgres") as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _connected(self, name: str) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self.folder), user="voicebot", dbname=name, autocommit=True)

    def _answers(self) -> bool:
        try:
            self._execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _as_owner(self, *options: str) -> list[str]:
        """initdb and postgres refuse to run as root."""
        if os.geteuid() == 0:
            options += ("--reuid=postgres", "--regid=postgres", "--clear-groups")
        return ["setpriv", *options] if options else []


def remove_left_behind(parent: Path) -> None:
    """Folders of servers whose test run was killed: they may lie in memory."""
    for folder in parent.glob(f"{_PREFIX}*-*"):
        run = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if run.isdigit() and not Path("/proc", run).exists():
            shutil.rmtree(folder, ignore_errors=True)


def programs() -> Path | None:
    """The folder of initdb and postgres, the newest version; None where there is none."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: float(path.parts[-3]), default=None)
    return newest.parent if newest else None


def fresh_server() -> Postgres:
    """A server, not started yet; skips the test, or fails it under CI, where there is none."""
    folder = programs()
    if folder is None:
        message = "PostgreSQL is not installed. Run `scripts/setup.sh --all`."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    remove_left_behind(scratch())
    server = Postgres(folder, scratch())
    try:
        server.initialise()
    except BaseException:
        server.remove()
        raise
    return server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    server = fresh_server()
    try:
        server.start()
        server.make_template()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgresql_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh database with all tables."""
    server: Postgres = request.getfixturevalue("postgres_server")
    name = server.lend()
    yield server.url(name)
    server.give_back(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database of each kind with all tables; SQLite's is made by who opens it first."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    return f"sqlite:///{tmp_path / 'state' / 'voicebot.db'}"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Writes into a fresh database of each kind with all tables."""
    migrate(database_url)
    engine = open_engine(database_url, writes=True, patience_s=10.0)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of each kind without any tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres_server")
    name = server.create()
    yield server.url(name)
    server.drop(name)
