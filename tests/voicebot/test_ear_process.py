"""Callers heard in a process of their own: what happens to it does not happen to their words."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import soundfile as sf
import structlog

from asr.hypothesis import RecognizerStream
from asr.listener import Listener
from asr.pool import DecodePool
from asr.supervised.wear import Limits
from flows.events import CallerSpeaking, Ear, EngineFailed, Event, Heard, TurnEnded
from telephony.codecs import Int16
from tests.asr.supervised_doubles import Faults, parent_of_processes, running
from tests.voicebot.ear_doubles import (
    POISON,
    deaf,
    opens_broken,
    opens_faulty,
    opens_nothing,
    opens_once,
    silence,
    tone,
    tones,
)
from voicebot.call.caller_ear import CallerEar, Senses, ThreadEar
from voicebot.call.ears import Ears
from voicebot.call.endpointing import EndpointingLimits
from voicebot.call.turn_audio import RATE
from voicebot.call.voice import SmartTurn, VoiceDetector
from voicebot.ear_process import keeper
from voicebot.ear_process.keeper import EarProcesses
from voicebot.ear_process.process import EarProcess, NotLoaded, Opens, start
from voicebot.ear_process.senses import open_senses

FRAME = RATE // 50


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    return Faults(tmp_path / "faults")


@asynccontextmanager
async def processes(
    opens: Opens,
    *,
    limits: Limits | None = None,
    spare: bool = True,
    instead: Callable[[bool], Senses] | None = None,
) -> AsyncIterator[EarProcesses]:
    with ThreadPoolExecutor(1) as executor:
        made = EarProcesses(
            opens, instead or (lambda listens: tones() if listens else deaf()), executor,
            limits=limits or Limits(), spare=spare,
        )  # fmt: skip
        await made.start()
        try:
            yield made
        finally:
            await made.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - another process has no event
            await asyncio.sleep(0.01)


class SaysFinished:
    async def complete(self, turn: Int16) -> bool:
        return True


class Call:
    """One caller's ears, and what they reported."""

    def __init__(self, ear: CallerEar) -> None:
        self.events: list[Event] = []
        self._ears = Ears(
            self.events.append,
            ear=ear,
            transcriber=None,
            pool=DecodePool(ThreadPoolExecutor(1)),
            smart_turn=cast(SmartTurn, SaysFinished()),
            limits=EndpointingLimits(),
            threshold=0.6,
            partial_every_s=60,
            now=lambda: 1e9,
        )

    async def hears(self, pcm: Int16, frames: int = 1) -> None:
        """Audio in pieces of so many frames of 20 ms; each is done with before the next."""
        for begin in range(0, len(pcm), frames * FRAME):
            await self._ears.feed(pcm[begin : begin + frames * FRAME])
            while self._ears._tasks:
                await asyncio.gather(*self._ears._tasks)

    def finals(self) -> list[tuple[str, ...]]:
        return [each.syllables for each in self.events if isinstance(each, Heard) and each.final]

    def failed(self) -> list[str]:
        return [str(each.engine) for each in self.events if isinstance(each, EngineFailed)]

    async def close(self) -> None:
        await self._ears.close()


def sentences(*heights: int) -> list[Int16]:
    """One of a second in each height, and the silence in which its turn ends."""
    return [np.concatenate([tone(1.0, height), silence(0.6)]) for height in heights]


async def in_thread(new: Callable[[], Senses], said: list[Int16], frames: int) -> list[Event]:
    with ThreadPoolExecutor(1) as executor:
        call = Call(ThreadEar(new(), executor, listens=True))
        for pcm in said:
            await call.hears(pcm, frames)
        await call.close()
    return call.events


async def apart(ears: EarProcesses, said: list[Int16], frames: int) -> list[Event]:
    call = Call(ears.ear())
    for pcm in said:
        await call.hears(pcm, frames)
    await call.close()
    return call.events


async def test_turns_and_words_are_those_of_the_thread_in_pieces_of_any_size() -> None:
    said = sentences(4001, 4002)
    async with processes(partial(opens_faulty, None), spare=False) as ears:
        for frames in (1, 3, 5):
            events = await apart(ears, said, frames)
            assert events == await in_thread(tones, said, frames)
            assert [type(each) for each in events].count(TurnEnded) == 2
        assert not any(ears.counts.values())


@pytest.fixture
def recordings(shared_dir: Path) -> list[Int16]:
    """Of people, each with silence in which its turn ends."""
    folder = shared_dir / "data" / "speech" / "aishell1_s0150"
    found = []
    for path in sorted(folder.iterdir())[:2]:
        pcm, rate = sf.read(path, dtype="int16")
        assert rate == RATE
        found.append(np.concatenate([pcm, silence(1.5)]))
    return found


@pytest.fixture
def listening(listener_dir: Path) -> Callable[[], Senses]:
    engine = Listener(listener_dir)
    return lambda: Senses(VoiceDetector(), cast(RecognizerStream, engine.stream()))


async def test_people_are_heard_as_in_the_thread(
    listener_dir: Path, listening: Callable[[], Senses], recordings: list[Int16]
) -> None:
    async with processes(partial(open_senses, listener_dir), spare=False) as ears:
        for frames in (1, 4):
            events = await apart(ears, recordings, frames)
            assert events == await in_thread(listening, recordings, frames)
            assert [type(each) for each in events].count(TurnEnded) >= 2


async def test_people_are_heard_though_the_process_is_killed_between_two_words(
    listener_dir: Path, listening: Callable[[], Senses], recordings: list[Int16]
) -> None:
    (expected,) = [
        each.syllables
        for each in await in_thread(listening, recordings[:1], 1)
        if isinstance(each, Heard) and each.final
    ]
    async with processes(partial(open_senses, listener_dir)) as ears:
        await until(lambda: len(ears.pids) == 2)
        call, third = Call(ears.ear()), len(recordings[0]) // 3
        await call.hears(recordings[0][:third])
        os.kill(ears.pids[0], signal.SIGKILL)
        await call.hears(recordings[0][third:])
        await call.close()
        assert ears.counts["restarts"] == 1
    assert call.finals() == [expected]


@pytest.mark.parametrize("fault", ["is killed", "crashes", "exits", "hangs"])
@pytest.mark.parametrize("spare", [True, False])
async def test_a_process_lost_while_it_hears_costs_no_word(
    faults: Faults, fault: str, spare: bool
) -> None:
    said = sentences(4001, 4002)
    expected = await in_thread(tones, said, 1)
    async with processes(partial(opens_faulty, faults.folder), spare=spare) as ears:
        await until(lambda: len(ears.pids) == 1 + spare)
        call, lost = Call(ears.ear()), ears.pids[0]
        await call.hears(said[0][:8000])
        faults.add(fault)
        await call.hears(said[0][8000:])
        await call.hears(said[1])
        await call.close()
        assert ears.counts["restarts"] == 1
        assert ears.counts["timeouts"] == (fault == "hangs")
        assert not running(lost)
    assert call.events == expected


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_process_that_is_lost_while_nobody_speaks_is_replaced_before_it_is_needed(
    sent: signal.Signals,
) -> None:
    async with processes(partial(opens_faulty, None)) as ears:
        await until(lambda: len(ears.pids) == 2)
        both = ears.pids
        for pid in both:
            os.kill(pid, sent)
        await until(lambda: len(ears.pids) == 2 and not {*both} & {*ears.pids})
        assert [each for each in await apart(ears, sentences(4001), 1) if isinstance(each, Heard)]
        assert ears.counts["restarts"] == 2


@pytest.mark.parametrize("fault", ["", "is killed", "hangs"])
async def test_a_grown_process_gives_way_and_its_call_loses_no_word_even_if_it_is_lost_then(
    faults: Faults, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "WEAR_S", 0.1)
    said = sentences(4001, 4002)
    expected = await in_thread(tones, said, 1)
    opens, limits = partial(opens_faulty, faults.folder), Limits(growth_bytes=128 << 20)
    async with processes(opens, limits=limits) as ears:
        await until(lambda: len(ears.pids) == 2)
        call, (grown, spare) = Call(ears.ear()), ears.pids
        faults.add("grows")
        await call.hears(said[0][:8000])
        await until(lambda: len(ears.pids) == 3)
        assert (ears.pids[0], ears.pids[2]) == (spare, grown)
        assert running(grown)
        if fault:
            faults.add(fault)
        await call.hears(said[0][8000:])
        await call.hears(said[1])
        assert await apart(ears, sentences(4003), 1) == await in_thread(tones, sentences(4003), 1)
        await call.close()
        await until(lambda: not running(grown))
        await until(lambda: len(ears.pids) == 2)
        assert ears.pids[0] == spare
        assert (ears.counts["recycled"], ears.counts["restarts"]) == (1, bool(fault))
    assert call.events == expected


async def test_each_of_many_callers_is_heard_though_two_processes_are_lost(
    faults: Faults,
) -> None:
    async with processes(partial(opens_faulty, faults.folder)) as ears:
        await until(lambda: len(ears.pids) == 2)
        calls = {height: Call(ears.ear()) for height in range(4001, 4021)}

        for later in (0, 100):
            said = {height: sentences(height + later)[0] for height in calls}
            await asyncio.gather(*(calls[each].hears(said[each][:9000], 2) for each in calls))
            faults.add("is killed")
            await asyncio.gather(*(calls[each].hears(said[each][9000:], 2) for each in calls))
        assert ears.counts["restarts"] == 2
        for call in calls.values():
            await call.close()
    for height, call in calls.items():
        assert call.finals() == [(f"t{height}",) * 5, (f"t{height + 100}",) * 5]
        assert not call.failed()


async def test_a_call_that_no_process_survives_loses_its_listener_and_others_nothing() -> None:
    poison = np.concatenate([tone(1.0, 4001), tone(0.1, POISON), tone(1.0, 4003), silence(0.6)])
    async with processes(partial(opens_faulty, None)) as ears:
        poisoned, other = Call(ears.ear()), Call(ears.ear())
        with structlog.testing.capture_logs() as lines:
            await asyncio.gather(poisoned.hears(poison), other.hears(sentences(4002)[0]))
        assert poisoned.failed() == [Ear.LISTENER]
        kinds = [type(each) for each in poisoned.events]
        assert (kinds.count(CallerSpeaking), kinds.count(TurnEnded)) == (1, 1)
        assert other.finals() == [("t4002",) * 5]
        assert (ears.counts["restarts"], ears.counts["failed"]) == (2, 1)
        assert "listener_given_up" in [line["event"] for line in lines]
        assert await apart(ears, sentences(4004), 1) == await in_thread(tones, sentences(4004), 1)


async def test_without_any_process_the_thread_hears_and_the_log_says_why_but_no_words() -> None:
    with structlog.testing.capture_logs() as lines:
        async with processes(opens_nothing) as ears:
            assert ears.pids == ()
            events = await apart(ears, sentences(4001), 1)
            assert ears.counts["in_thread"] == 1
    assert events == await in_thread(tones, sentences(4001), 1)
    (missing,) = {line["reason"] for line in lines if line["event"] == "ear_process_not_loaded"}
    assert missing == "RuntimeError"


async def test_what_raises_in_the_process_is_heard_in_the_thread() -> None:
    async with processes(opens_broken) as ears:
        events = await apart(ears, sentences(4001), 1)
        assert (ears.counts["in_thread"], ears.counts["restarts"]) == (1, 0)
    assert events == await in_thread(tones, sentences(4001), 1)


async def test_a_call_that_waited_long_for_a_process_is_heard_in_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "PATIENCE_S", 0.5)
    said = sentences(4001)
    async with processes(partial(opens_once, tmp_path), spare=False) as ears:
        call = Call(ears.ear())
        await call.hears(said[0][:8000])
        os.kill(ears.pids[0], signal.SIGKILL)
        await call.hears(said[0][8000:])
        await call.close()
        assert ears.counts["in_thread"] == 1
    assert call.events == await in_thread(tones, said, 1)


async def test_a_call_at_whose_audio_the_only_process_was_lost_never_reaches_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "PATIENCE_S", 0.5)
    poison = np.concatenate([tone(0.5, 4001), tone(0.1, POISON), tone(0.5, 4003), silence(0.6)])
    instead: list[bool] = []

    def senses(listens: bool) -> Senses:
        instead.append(listens)
        return tones() if listens else deaf()

    async with processes(partial(opens_once, tmp_path), spare=False, instead=senses) as ears:
        poisoned, other = Call(ears.ear()), Call(ears.ear())
        await asyncio.gather(poisoned.hears(poison), other.hears(sentences(4002)[0]))
        assert (ears.counts["failed"], ears.counts["in_thread"]) == (1, 1)
    assert sorted(instead) == [False, True]
    assert poisoned.failed() == [Ear.LISTENER]
    assert other.finals() == [("t4002",) * 5]


async def test_a_process_that_is_killed_from_outside_costs_no_call_its_listener(
    tmp_path: Path, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "PATIENCE_S", 0.5)
    said = sentences(4001)
    async with processes(partial(opens_once, tmp_path, faults.folder), spare=False) as ears:
        call = Call(ears.ear())
        await call.hears(said[0][:8000])
        faults.add("is killed")
        await call.hears(said[0][8000:])
        await call.close()
        assert (ears.counts["restarts"], ears.counts["failed"]) == (1, 0)
    assert call.events == await in_thread(tones, said, 1)


async def test_a_service_does_not_wait_long_for_a_process_that_does_not_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "START_S", 0.2)
    (tmp_path / "loaded").touch()
    async with processes(partial(opens_once, tmp_path)) as ears:
        assert ears.pids == ()


async def test_what_a_call_left_is_forgotten_and_its_end_disturbs_nobody() -> None:
    async with processes(partial(opens_faulty, None), spare=False) as ears:
        gone, other = ears.ear(), Call(ears.ear())
        waiting = asyncio.ensure_future(gone.hear(tone(1.0, 4001)))
        await asyncio.sleep(0)
        waiting.cancel()
        gone.close()
        await other.hears(sentences(4002)[0])
        assert other.finals() == [("t4002",) * 5]
        assert len(ears._ears) == 1


async def test_an_ear_that_cannot_be_had_is_not_kept() -> None:
    def nothing(_: bool) -> Senses:
        raise RuntimeError

    async with processes(opens_nothing, instead=nothing) as ears:
        with pytest.raises(RuntimeError):
            ears.ear()
        assert not ears._ears


async def test_of_a_process_that_does_not_load_nothing_is_left() -> None:
    """An outage of days is one such process a minute."""
    gc.collect()
    gc.disable()
    try:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            process = EarProcess(start(), lambda *_: None)
            with pytest.raises(NotLoaded, match="RuntimeError"):
                await process.load(opens_nothing, 60)
            process.buried()
            del process
        await asyncio.sleep(0)
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        gc.enable()


async def test_closed_it_leaves_no_process_behind() -> None:
    async with processes(partial(opens_faulty, None)) as ears:
        await until(lambda: len(ears.pids) == 2)
        pids = ears.pids
    assert not any(running(pid) for pid in pids)


PARENT = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from asr.supervised.wear import Limits
from tests.voicebot.ear_doubles import opens_faulty, tones
from voicebot.ear_process.keeper import EarProcesses

async def main():
    ears = EarProcesses(
        partial(opens_faulty, None), lambda _: tones(), ThreadPoolExecutor(1),
        limits=Limits(), spare=True,
    )
    await ears.start()
    while len(ears.pids) < 2:
        await asyncio.sleep(0.01)
    print(*ears.pids, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_the_processes_end_with_their_parent_however_that_ends() -> None:
    parent, pids = parent_of_processes(PARENT)
    assert all(running(pid) for pid in pids)
    parent.kill()
    parent.wait()
    await until(lambda: not any(running(pid) for pid in pids))
