"""A real PostgreSQL for tests. How to use it:

    pytestmark = pytest.mark.usefixtures("database_url")

at the top of a test module, and every test in it runs twice, on SQLite and on PostgreSQL:
the fixtures `settings` and `records` follow. A test may also ask for `database_url` itself
(a fresh database that holds all tables), for an `engine` that writes into it, for
`empty_database_url` (without any), or for `postgresql_url` (PostgreSQL alone). A test of such a
module that is about SQLite's file is marked `@sqlite_only`. One server is started for a whole run,
the first time that it is needed, in a folder of its own under /tmp; it keeps nothing.

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
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine

from voicebot.records.database import migrate, open_engine

sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

_TEMPLATE = "all_tables"
_numbers = itertools.count(1)


class Postgres:
    """A server in a folder of its own, on a UNIX socket alone."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="voicebot-pg-", dir="/tmp"))
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
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

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(
            host=str(self.folder), user="voicebot", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

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
    server = Postgres(folder)
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
        migrate(server.url(server.create(name=_TEMPLATE)))
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgresql_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh database with all tables."""
    server: Postgres = request.getfixturevalue("postgres_server")
    name = server.create(_TEMPLATE)
    yield server.url(name)
    server.drop(name)


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
