"""One real service for all scenarios of the console, and 110 beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.browser.console.stage import OFFICER, Speak, Stage
from tests.end_to_end import conftest as end_to_end
from tests.end_to_end.conftest import Running
from tests.end_to_end.parties import desk

speak = end_to_end.speak


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Running]:
    # A surge begins with the first call that would wait too long.
    settings = {"VOICEBOT_SURGE__HOLD_S": "0"}
    started = end_to_end.start_service(tmp_path_factory.mktemp("console"), settings)
    yield started
    end_to_end.stop_service(started)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def stage(browser: Any, running: Running, speak: Speak) -> AsyncIterator[Stage]:
    made = Stage(running, browser, speak)
    yield made
    made.close()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def police(
    running: Running, speak: Speak, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Any]:
    """The desk of every 110, which answers after half a second."""
    async with desk(running, tmp_path_factory.mktemp("police"), speak(OFFICER)) as answering:
        yield answering
