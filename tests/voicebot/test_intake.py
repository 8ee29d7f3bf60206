"""The caller's audio on the call's clock: gaps become silence, ears never hold it up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from telephony.codecs import Int16
from voicebot.call.intake import AHEAD_S, AT_ONCE_S, BEHIND_S, GAP_S, MOST_S, Intake

RATE = 8000
FRAME = np.full(RATE // 50, 1000, np.int16)
PILED_UP_S = BEHIND_S + 0.5


@dataclass
class World:
    """A clock moved by hand, and what came of the audio."""

    at: float = 0.0
    passed: list[Int16] = field(default_factory=list)
    heard: list[Int16] = field(default_factory=list)
    behind: int = 0
    stuck: asyncio.Event | None = None

    def at_once(self, pcm: Int16) -> Int16:
        self.passed.append(pcm)
        return pcm

    async def ears(self, pcm: Int16) -> None:
        if self.stuck is not None:
            await self.stuck.wait()
        self.heard.append(pcm)

    def was_behind(self) -> None:
        self.behind += 1


@asynccontextmanager
async def intake(world: World) -> AsyncIterator[Intake]:
    made = Intake(RATE, lambda: world.at, world.at_once, world.ears, world.was_behind)
    tasks = [asyncio.create_task(made.keep_time()), asyncio.create_task(made.feed())]
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_heard(world: World, samples: int) -> None:
    async with asyncio.timeout(5):
        while sum(map(len, world.heard)) < samples:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def until_behind(world: World) -> None:
    async with asyncio.timeout(10):
        while not world.behind:  # noqa: ASYNC110 - a counter
            await asyncio.sleep(0.01)


async def test_all_that_is_said_is_heard_in_order() -> None:
    world = World()
    async with intake(world) as line:
        for number in range(10):
            world.at += 0.02
            line.push(FRAME + number)
        await until_heard(world, 10 * len(FRAME))
    assert np.array_equal(
        np.concatenate(world.heard), np.concatenate([FRAME + number for number in range(10)])
    )


async def test_a_gap_becomes_silence_of_its_length() -> None:
    world = World()
    async with intake(world) as line:
        world.at = 0.02
        line.push(FRAME)
        world.at = 3.0
        await until_heard(world, 3 * RATE)
        heard = np.concatenate(world.heard)
    assert len(heard) == 3 * RATE
    assert np.array_equal(heard[: len(FRAME)], FRAME)
    assert not heard[len(FRAME) :].any()
    assert np.array_equal(np.concatenate(world.passed), heard)


async def test_ordinary_jitter_puts_no_silence_between_packets() -> None:
    world = World()
    async with intake(world) as line:
        for _ in range(4):
            world.at += GAP_S * 0.9
            await asyncio.sleep(0.05)
            line.push(FRAME)
        await until_heard(world, 4 * len(FRAME))
    assert sum(map(len, world.heard)) == 4 * len(FRAME)


async def test_ears_that_hang_hold_nothing_up_are_reported_once_and_hear_all_in_the_end() -> None:
    world = World(stuck=asyncio.Event())
    async with intake(world) as line:
        for number in range(round(PILED_UP_S * 50)):
            world.at += 0.02
            line.push(FRAME + number)
        await asyncio.sleep(0)
        assert len(world.passed) == round(PILED_UP_S * 50)
        assert world.behind == 1
        assert not world.heard
        assert world.stuck is not None
        world.stuck.set()
        await until_heard(world, round(PILED_UP_S * RATE))
    assert np.array_equal(np.concatenate(world.heard), np.concatenate(world.passed))
    assert world.behind == 1


async def test_what_ears_were_behind_with_is_heard_when_no_more_comes() -> None:
    world = World()
    line = Intake(RATE, lambda: world.at, world.at_once, world.ears, world.was_behind)
    for _ in range(round(PILED_UP_S * 50)):
        line.push(FRAME)
    await line.feed_rest(asyncio.Event())
    assert np.array_equal(np.concatenate(world.heard), np.concatenate(world.passed))


async def test_the_rest_is_heard_however_long_it_takes_unless_somebody_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voicebot.call.intake.HURRIED_S", 0.02)
    world, hurry = World(stuck=asyncio.Event()), asyncio.Event()
    line = Intake(RATE, lambda: world.at, world.at_once, world.ears, world.was_behind)
    for _ in range(round(PILED_UP_S * 50)):
        line.push(FRAME)
    hearing = asyncio.create_task(line.feed_rest(hurry))
    await asyncio.wait({hearing}, timeout=0.1)
    assert not hearing.done()
    hurry.set()
    async with asyncio.timeout(5):
        await hearing
    assert not world.heard


async def test_the_last_packets_of_a_call_whose_ears_kept_up_hold_nothing_up() -> None:
    world = World()
    line = Intake(RATE, lambda: world.at, world.at_once, world.ears, world.was_behind)
    line.push(FRAME)
    await line.feed_rest(asyncio.Event())
    assert not world.heard


async def test_there_is_an_end_to_what_is_kept_for_ears_that_hang() -> None:
    world = World()
    line = Intake(RATE, lambda: world.at, world.at_once, world.ears, world.was_behind)
    for number in range(round(MOST_S) + 10):
        line.push(np.full(RATE, number, np.int16))
    await line.feed_rest(asyncio.Event())
    heard = np.concatenate(world.heard)
    assert len(heard) == MOST_S * RATE
    assert heard[0] == 10


async def test_the_silence_of_a_pause_of_the_whole_process_is_no_fault_and_comes_in_pieces() -> (
    None
):
    world = World()
    async with intake(world) as line:
        world.at = PILED_UP_S
        await until_behind(world)
        line.push(FRAME)
        await until_heard(world, round(PILED_UP_S * RATE) + len(FRAME))
    assert max(map(len, world.heard)) <= AT_ONCE_S * RATE


async def test_audio_that_comes_after_its_place_was_filled_is_ahead_of_the_clock() -> None:
    world = World()
    async with intake(world) as made:
        world.at = 0.5
        await until_heard(world, RATE // 2)  # half a second of nothing, filled
        for _ in range(25):
            made.push(FRAME)  # and there it is
        assert made.ahead_s == pytest.approx(0.5, abs=AHEAD_S)
        world.at = 1.5  # a pause takes it back
        await until_heard(world, round(1.5 * RATE))
        made.push(FRAME)
        assert made.ahead_s < AHEAD_S


async def test_ordinary_jitter_is_not() -> None:
    world = World()
    async with intake(world) as made:
        for index in range(50):
            world.at = index * 0.02 + (0.06 if index % 3 else 0.0)
            made.push(FRAME)
        assert made.ahead_s == 0.0
