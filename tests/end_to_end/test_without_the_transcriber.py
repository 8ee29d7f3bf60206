"""Either ear alone is enough to go on: what the listener hears is written in hanzi by its sound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import Running, start_service, stop_service
from .parties import call
from .test_calls import CONSULTATION, MATTER

Speak = Callable[[str], Path]


@pytest.fixture(scope="module")
def listening_service(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path
) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("without-transcriber")
    running = start_service(state, {"VOICEBOT_ASR__ENGINE": "none"})
    yield running
    stop_service(running)


async def test_a_question_is_answered_and_a_matter_becomes_a_ticket_in_words(
    listening_service: Running, speak: Speak
) -> None:
    matter = [MATTER, "在海口市人民公园东门旁边。", "我姓陈。", "对的，就是这个号码。"]
    (_, asked), (_, told) = await asyncio.gather(
        call(listening_service, [speak(CONSULTATION)]),
        call(listening_service, [speak(text) for text in matter], max_s=240),
    )
    assert asked["outcome"] == "answered"
    assert any("社保卡" in turn["text"] for turn in asked["turns"] if turn["entry"])
    assert told["outcome"] == "ticket"
    assert "坏了三个月" in told["tickets"][0]["matter"]
    assert "公园" in told["tickets"][0]["place"]
