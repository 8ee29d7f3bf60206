"""A real PostgreSQL for tests. How to use it:

    pytestmark = pytest.mark.usefixtures("database_url")

at the top of a test module, and every test in it runs twice, on SQLite and on PostgreSQL:
the fixtures `settings` and `records` follow. A test may also ask for `database_url` itself
(a fresh database that holds all tables), for `empty_database_url` (without any), or for
`postgresql_url` (PostgreSQL alone). A test of such a module that is about SQLite's file is
marked `@sqlite_only`. One server is started for a whole run, the first time
that it is needed, in a folder of its own under /tmp; it keeps nothing.

Without PostgreSQL (Debian: postgresql; `scripts/setup.sh --all`) its half is skipped; under
CI that is a failure.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from voicebot.records.database import migrate

sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

_TEMPLATE = "all_tables"
_numbers = itertools.count(1)


class Postgres:
    """A server in a folder of its own, on a UNIX socket alone."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="voicebot-pg-", dir="/tmp"))
        self._data = self.folder / "data"
        if os.geteuid() == 0:  # which initdb refuses to be
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)

    def initialise(self) -> None:
        self._run("initdb", "-U", "voicebot", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")

    def start(self) -> None:
        options = (
            f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off "
            "-c full_page_writes=off -c max_connections=200 -c shared_buffers=32MB"
        )
        self._run("pg_ctl", "-w", "-t", "120", "-o", options, "-l", f"{self.folder}/log", "start")

    def kill(self) -> None:
        """As by a power cut; `start` recovers it."""
        self._run("pg_ctl", "-m", "immediate", "-w", "stop")

    def remove(self) -> None:
        try:
            if (self._data / "postmaster.pid").exists():
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

    def _run(self, program: str, *arguments: str) -> None:
        as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*as_user, self._programs / program, "-D", self._data, *arguments],
            cwd="/",
            # Not a pipe: the server would hold it open.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            text=True,
            timeout=300,
        )
        if done.returncode:
            log = self.folder / "log"
            said = log.read_text() if log.exists() else done.stderr
            raise RuntimeError(f"{program} failed: {said}")


def programs() -> Path | None:
    """The folder of initdb and pg_ctl, the newest version; None where there is none."""
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
