"""Settings that keep everything in a test's own folder."""

import asyncio
import io
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from unittest import mock

import pytest
import structlog
import typer

from tests.leaping_time import LeapingLoop, wrap_future
from tests.voicebot.migrations_once import _migrations_once, each_migration  # noqa: F401 - fixtures
from tests.voicebot.postgres import (  # noqa: F401 - fixtures
    database_url,
    empty_database_url,
    engine,
    postgres_server,
    postgresql_url,
)
from tests.voicebot.ticket_desk import desk, ticket_engine  # noqa: F401 - fixtures
from tests.voicebot.tools import kamailio  # noqa: F401 - fixture
from tests.voicebot.web_service import client, service  # noqa: F401 - fixtures
from voicebot.cli import main
from voicebot.config import Settings, load_settings
from voicebot.records.database import migrate, sqlite_file
from voicebot.records.store import Records


def pytest_configure() -> None:
    # Of each error that a test is about, rich would print all locals: seconds of work.
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    marker = item.get_closest_marker("leaping_time")
    if marker is not None and marker.args != (False,):
        return {"leaping": LeapingLoop}
    return {"real": asyncio.new_event_loop}


@pytest.fixture(scope="session", autouse=True)
def _commands_once() -> Iterator[None]:
    """Typer makes all commands of an application anew for each call of one."""
    made = cache(typer.main.get_command)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", made)
        patch.setattr("typer.testing._get_command", made)
        yield


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("VOICEBOT_") and name != "VOICEBOT_TEST_MODELS":
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _threads_hold_a_leaping_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio, "wrap_future", wrap_future)


@pytest.fixture(autouse=True)
def _records_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine seconds pass before the writer's turn comes, and with it the answer."""
    for name in ("URGENT_DATABASE_S", "URGENT_SPOOL_S", "ORDINARY_DATABASE_S", "ORDINARY_SPOOL_S"):
        monkeypatch.setattr(f"voicebot.records.store.{name}", 60.0)


@pytest.fixture
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    file = tmp_path / "voicebot.toml"
    # Tests ask as fast as they can; those of the limits have their own.
    lines = ["[paths]", f'state = "{tmp_path / "state"}"', "[rate_limits]", "enabled = false"]
    if "database_url" in request.fixturenames:  # tests/voicebot/postgres.py
        lines += ["[database]", f'url = "{request.getfixturevalue("database_url")}"']
    file.write_text("\n".join(lines))
    return load_settings(file)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables, to be copied: making them takes a tenth of a second."""
    file = tmp_path_factory.mktemp("migrated") / "voicebot.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
async def records(settings: Settings, migrated_sqlite: Path) -> AsyncIterator[Records]:
    file = sqlite_file(settings.database_url)
    if file is not None and not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy(migrated_sqlite, file)
    opened = await Records.open(settings)
    yield opened
    await opened.close()


ROOT = Path(__file__).resolve().parents[2]


class Voicebot:
    """The command line as a process, in a folder of its own: ``voicebot("db", "migrate")``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "voicebot.cli", *arguments],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "VOICEBOT_PATHS__STATE": str(self.folder / "state"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture
def voicebot(tmp_path: Path) -> Voicebot:
    return Voicebot(tmp_path)


class VoicebotHere(Voicebot):
    """The same in this process, which has loaded already what each command would load anew.

    Without its log: that is set up for a process.
    """

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        state = str(self.folder / "state")
        code = 0
        with (
            pytest.MonkeyPatch.context() as patch,
            mock.patch.dict(os.environ),  # `--config` is kept there
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", ["voicebot", *arguments])
            patch.setattr("voicebot.logs.configure", lambda *_, **__: None)
            for name, value in {"VOICEBOT_PATHS__STATE": state, **environment}.items():
                patch.setenv(name, value)
            try:
                main()
            except SystemExit as ended:
                code = int(ended.code or 0)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read())
        return subprocess.CompletedProcess(arguments, code, *texts)


@pytest.fixture
def voicebot_here(tmp_path: Path) -> VoicebotHere:
    return VoicebotHere(tmp_path)
