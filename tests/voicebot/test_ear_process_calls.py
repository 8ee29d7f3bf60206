"""Whole calls through the service, whose ears are in a process of their own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from asr.supervised.wear import Limits
from flows.events import Ear
from telephony.scripted import ScriptedLine
from tests.asr.supervised_doubles import until
from tests.leaping_time import LeapingLoop
from tests.voicebot.ear_doubles import opens_counting
from tests.voicebot.test_session import (
    OFFICER,
    CountingListener,
    called,
    desk_url,  # noqa: F401 - fixture
    noise,
    offered,
    options,  # noqa: F401 - fixture
    scripted_engines,
    service,  # noqa: F401 - fixture
    settings,  # noqa: F401 - fixture
)
from voicebot.app import Service
from voicebot.call.caller_ear import CallerEar, Listened, Sensed
from voicebot.call.engines import Engines
from voicebot.ear_process import keeper
from voicebot.ear_process.keeper import EarProcesses

pytestmark = pytest.mark.leaping_time


class Standing:
    """An ear for whose answers the clock of the call stands still."""

    listens = True

    def __init__(self, ear: CallerEar) -> None:
        self._ear = ear

    def hear(self, pcm: Any) -> asyncio.Future[Sensed]:
        return self._still(self._ear.hear(pcm))

    def settle(self, cut: bool) -> asyncio.Future[Listened]:
        return self._still(self._ear.settle(cut))

    def close(self) -> None:
        self._ear.close()

    def _still(self, answer: Any) -> asyncio.Future[Any]:
        return cast(LeapingLoop, asyncio.get_running_loop()).stand_still_for(answer)


class StandingProcesses(EarProcesses):
    def ear(self) -> CallerEar:
        return Standing(super().ear())


@pytest.fixture
async def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engines]:
    # A clock that leaps would take every process for hung.
    monkeypatch.setattr(keeper, "WATCH_S", 1e9)
    monkeypatch.setattr(keeper, "LOAD_S", 1e9)
    made = scripted_engines(tmp_path, listener=CountingListener())
    made.ear_processes = ears = StandingProcesses(
        opens_counting, made.senses, made.ear_executor, limits=Limits(), spare=True
    )
    loop = cast(LeapingLoop, asyncio.get_running_loop())
    await loop.stand_still_for(asyncio.ensure_future(ears.start()))
    await asyncio.to_thread(until, lambda: len(ears.pids) == 2)
    yield made
    await ears.close()


async def finals(service: Service, call_id: str, *, killed: bool) -> list[int]:  # noqa: F811
    """Syllables of each turn of a call; in its first turn the process is killed."""
    assert service.engines.ear_processes is not None
    line = ScriptedLine(offered(call_id))
    call = await called(service, line)
    for sentence in range(2):
        await line.say(noise(1.0, OFFICER))
        if killed and not sentence:
            os.kill(service.engines.ear_processes.pids[0], signal.SIGKILL)
        await line.say(noise(1.0, OFFICER))
        await line.say(noise(1.5, 0))
    await call.hung_up()
    rows = await service.records.events(call_id)
    failed = [row["payload"]["engine"] for row in rows if row["kind"] == "EngineFailed"]
    assert Ear.LISTENER not in failed
    return [
        len(row["payload"]["syllables"])
        for row in rows
        if row["kind"] == "Heard" and row["payload"]["final"]
    ]


async def test_a_call_goes_on_and_its_words_are_whole_when_the_ear_process_is_killed_in_it(
    service: Service,  # noqa: F811
) -> None:
    undisturbed = await finals(service, "c-1", killed=False)
    assert len(undisturbed) == 2
    assert not any(service.listener_counts.values())
    assert await finals(service, "c-2", killed=True) == undisturbed
    assert service.listener_counts["restarts"] == 1
