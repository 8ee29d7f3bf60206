"""Settings that keep everything in a test's own folder."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from voicebot.config import Settings, load_settings
from voicebot.records.store import Records


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("VOICEBOT_") and name != "VOICEBOT_TEST_MODELS":
            monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "voicebot.toml"
    file.write_text(f'[paths]\nstate = "{tmp_path / "state"}"\n')
    return load_settings(file)


@pytest.fixture
async def records(settings: Settings) -> AsyncIterator[Records]:
    opened = await Records.open(settings)
    # On a busy machine 30 ms pass before the writer's turn comes: a test that reads back
    # what it wrote waits for the database, not for the spool.
    opened._urgent = opened._ordinary = (10.0, 1.0)
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
