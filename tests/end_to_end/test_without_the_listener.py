"""Either ear alone is enough to go on: danger is handed over on the transcriber's partials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import Running, start_service, stop_service
from .hearing import assert_handed_over
from .parties import call, desk
from .test_calls import CONSULTATION, DANGER, OFFICER

Speak = Callable[[str], Path]


@pytest.fixture(scope="module")
def deaf_service(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("without-listener")
    running = start_service(state, {"VOICEBOT_PATHS__LISTENER": str(state / "no-such-model")})
    yield running
    stop_service(running)


async def test_a_question_is_answered(deaf_service: Running, speak: Speak) -> None:
    _, record = await call(deaf_service, [speak(CONSULTATION)])
    assert record["outcome"] == "answered"


async def test_danger_is_handed_over(deaf_service: Running, speak: Speak, tmp_path: Path) -> None:
    async with desk(deaf_service, tmp_path, speak(OFFICER)):
        report, record = await call(deaf_service, [speak(DANGER)], quiet_s=3.0, record_dir=tmp_path)
    assert record["outcome"] == "handed_off"
    assert_handed_over(record, report)
