import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from flows.actions import Purpose, Say
from flows.events import PlaybackFinished, PlaybackStarted
from voicebot.call.line import Int16
from voicebot.call.player import Player

RATE = 8_000


class Line:
    """A line that keeps what it was sent."""

    rate = RATE

    def __init__(self) -> None:
        self.audio: list[Int16] = []
        self.marks: list[str] = []
        self.clears = 0

    async def send_audio(self, pcm: Int16) -> None:
        self.audio.append(pcm)

    async def send_mark(self, name: str) -> None:
        self.marks.append(name)

    async def clear(self) -> None:
        self.clears += 1

    async def hang_up(self) -> None:
        raise AssertionError("the player never hangs up")


async def render(say: Say) -> Int16:
    return np.full(RATE // 5, 1000, np.int16)  # 0.2 s


def say(name: str) -> Say:
    return Say(name, Purpose.PROMPT, prompt="greeting")


@asynccontextmanager
async def playing(line: Line, reports: list[object]) -> AsyncIterator[Player]:
    clock = asyncio.get_running_loop().time
    player = Player(line, render, reports.append, clock, lambda _: None)
    task = asyncio.create_task(player.run())
    try:
        yield player
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: object) -> None:
    async with asyncio.timeout(5):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_utterances_are_played_in_order_and_reported() -> None:
    line, reports = Line(), []
    async with playing(line, reports) as player:
        player.say(say("u1"))
        player.say(say("u2"))
        await until(lambda: not player.busy)
    assert [(type(r), r.utterance) for r in reports] == [
        (PlaybackStarted, "u1"),
        (PlaybackFinished, "u1"),
        (PlaybackStarted, "u2"),
        (PlaybackFinished, "u2"),
    ]
    assert line.marks == ["begin:prompt:u1", "end:prompt:u1", "begin:prompt:u2", "end:prompt:u2"]


async def test_audio_is_sent_in_20_ms_frames_and_none_is_lost() -> None:
    line, reports = Line(), []
    async with playing(line, reports) as player:
        player.say(say("u1"))
        await until(lambda: not player.busy)
    assert all(len(frame) == 160 for frame in line.audio)
    assert sum(int((frame == 1000).sum()) for frame in line.audio) == RATE // 5


async def test_stop_flushes_what_is_playing_and_what_waits() -> None:
    line, reports = Line(), []
    async with playing(line, reports) as player:
        player.say(say("u1"))
        player.say(say("u2"))
        await until(lambda: line.audio)
        await player.stop()
        sent = len(line.audio)
        await until(lambda: not player.busy)
        await asyncio.sleep(0.1)
        assert len(line.audio) == sent
    assert line.clears == 1
    finished = {r.utterance: r for r in reports if isinstance(r, PlaybackFinished)}
    assert finished["u1"].interrupted
    assert finished["u2"].interrupted
    assert finished["u1"].seconds < 0.2


async def test_what_is_said_after_a_stop_is_heard() -> None:
    line, reports = Line(), []
    async with playing(line, reports) as player:
        player.say(say("u1"))
        await until(lambda: line.audio)
        await player.stop()
        player.say(say("u2"))
        await until(
            lambda: any(
                r for r in reports if isinstance(r, PlaybackFinished) and r.utterance == "u2"
            )
        )
    last = reports[-1]
    assert isinstance(last, PlaybackFinished)
    assert not last.interrupted


async def test_a_second_stop_is_harmless() -> None:
    line, reports = Line(), []
    async with playing(line, reports) as player:
        await player.stop()
        await player.stop()
    assert reports == []


@pytest.mark.parametrize("entry", [None, "rx-001"])
async def test_an_answer_names_its_entry_in_the_mark(entry: str | None) -> None:
    line, reports = Line(), []
    async with playing(line, reports) as player:
        player.say(Say("u1", Purpose.ANSWER, entry=entry, prompt=None if entry else "greeting"))
        await until(lambda: not player.busy)
    assert line.marks[0] == "begin:answer:u1" + (f":{entry}" if entry else "")
