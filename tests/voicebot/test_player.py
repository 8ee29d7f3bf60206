import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from flows.actions import Purpose, Say
from flows.events import PlaybackFinished, PlaybackStarted
from telephony.codecs import Int16
from voicebot.call.player import Player, Rendered
from voicebot.call.rendering import Parts

pytestmark = pytest.mark.leaping_time

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


async def render(say: Say) -> Parts:
    yield np.full(RATE // 5, 1000, np.int16)  # 0.2 s


def say(name: str) -> Say:
    return Say(name, Purpose.PROMPT, prompt="greeting")


@asynccontextmanager
async def playing(
    line: Line, reports: list[object], render: Rendered = render
) -> AsyncIterator[Player]:
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


async def test_a_sentence_is_heard_from_its_first_clause_on_and_whole() -> None:
    async def clauses(_: Say) -> Parts:
        yield np.full(RATE // 5, 1000, np.int16)
        await asyncio.sleep(1.0)
        yield np.full(RATE // 5 + 7, 2000, np.int16)

    line, reports = Line(), []
    clock = asyncio.get_running_loop().time
    async with playing(line, reports, clauses) as player:
        began = clock()
        player.say(say("u1"))
        await until(lambda: line.audio)
        assert clock() - began < 0.1
        await until(lambda: not player.busy)
    heard = np.concatenate(line.audio)
    assert [int((heard == value).sum()) for value in (1000, 2000)] == [RATE // 5, RATE // 5 + 7]
    assert 0.7 < (heard[: np.argmax(heard == 2000)] == 0).sum() / RATE < 0.9, "the line is held"
    assert line.marks == ["begin:prompt:u1", "end:prompt:u1"]


async def test_a_voice_that_fails_in_mid_sentence_ends_it_there() -> None:
    async def failing(_: Say) -> Parts:
        yield np.full(RATE // 5, 1000, np.int16)
        raise RuntimeError("no voice")

    line, reports = Line(), []
    async with playing(line, reports, failing) as player:
        player.say(say("u1"))
        await until(lambda: not player.busy)
    finished = reports[-1]
    assert isinstance(finished, PlaybackFinished)
    assert (finished.interrupted, finished.seconds) == (False, pytest.approx(0.2))


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


# ── what goes wrong ───────────────────────────────────────────────────────────────


async def test_a_stop_abandons_what_is_still_being_rendered() -> None:
    async def slowly(what: Say) -> Parts:
        await asyncio.sleep(5.0 if what.utterance == "slow" else 0.0)
        async for part in render(what):
            yield part

    line, reports = Line(), []
    clock = asyncio.get_running_loop().time
    async with playing(line, reports, slowly) as player:
        player.say(say("slow"))
        await asyncio.sleep(0.05)
        await player.stop()
        asked = clock()
        player.say(say("urgent"))
        await until(lambda: line.marks)
        assert clock() - asked < 0.05
        await until(lambda: not player.busy)
    assert line.marks == ["begin:prompt:urgent", "end:prompt:urgent"]
    finished = {r.utterance: r for r in reports if isinstance(r, PlaybackFinished)}
    assert (finished["slow"].interrupted, finished["slow"].seconds) == (True, 0.0)


async def test_a_fault_of_voice_or_line_costs_one_utterance_only() -> None:
    class Breaking(Line):
        async def send_audio(self, pcm: Int16) -> None:
            if "begin:prompt:u2" in self.marks and "begin:prompt:u3" not in self.marks:
                raise OSError("the line hiccups")
            await super().send_audio(pcm)

    async def voice(what: Say) -> Parts:
        if what.utterance == "u1":
            raise RuntimeError("no voice")
        async for part in render(what):
            yield part

    line, reports = Breaking(), []
    async with playing(line, reports, voice) as player:
        for name in ("u1", "u2", "u3"):
            player.say(say(name))
        await until(lambda: not player.busy)
    finished = {r.utterance: r for r in reports if isinstance(r, PlaybackFinished)}
    assert set(finished) == {"u1", "u2", "u3"}
    assert finished["u3"].seconds == pytest.approx(0.2)


# ── the far side ──────────────────────────────────────────────────────────────────


async def far_side_speaks(player: Player, seconds: float, *, value: int = 300) -> None:
    """In the desk's rhythm and rate, a little unsteady as networks are."""
    clock = asyncio.get_running_loop().time
    began = clock()
    for number in range(round(seconds / 0.02)):
        late = 0.015 if number % 5 == 4 else 0.0
        await asyncio.sleep(max(0.0, began + number * 0.02 + late - clock()))
        player.far_side(np.full(160, value, np.int16), RATE)


def levels(line: Line) -> list[int]:
    return [int(frame[80]) for frame in line.audio]


async def test_the_far_side_is_heard_without_a_hole() -> None:
    line, reports = Line(), []
    async with playing(line, reports) as player:
        await far_side_speaks(player, 1.0)
        await asyncio.sleep(0.5)
        sent = len(line.audio)
        await asyncio.sleep(0.2)
        assert len(line.audio) == sent, "an idle line is sent nothing"
        assert not player.busy
    heard = levels(line)
    first, last = heard.index(300), len(heard) - heard[::-1].index(300)
    assert heard.count(300) >= 48
    assert heard[first:last].count(0) <= 4, "but for a scheduling gap or two"


async def test_the_far_side_and_the_bot_are_heard_together_in_one_stream() -> None:
    line, reports = Line(), []
    clock = asyncio.get_running_loop().time
    async with playing(line, reports) as player:
        speaking = asyncio.create_task(far_side_speaks(player, 1.2))
        await asyncio.sleep(0.4)
        before = len(line.audio)
        began = clock()
        player.say(say("u1"))
        await until(lambda: line.marks[-1:] == ["end:prompt:u1"])
        during = len(line.audio) - before
        assert during * 0.02 <= clock() - began + 0.08, "one 20 ms frame in 20 ms, not two"
        await speaking
        await asyncio.sleep(0.3)
    heard = levels(line)
    assert heard.count(1300) + heard.count(1000) == 10, "the bot's 0.2 s, whole"
    assert heard.count(1300) >= 8, "and the officer's at the same time"
    start = heard.index(1300) if 1300 in heard else 0
    assert 0 not in heard[start : start + 9]


async def test_mixing_never_wraps_round() -> None:
    line, reports = Line(), []

    async def loud(_: Say) -> Parts:
        yield np.full(RATE // 5, 30_000, np.int16)

    async with playing(line, reports, loud) as player:
        speaking = asyncio.create_task(far_side_speaks(player, 0.8, value=30_000))
        await asyncio.sleep(0.3)
        player.say(say("u1"))
        await speaking
    assert 32767 in levels(line)
    assert min(levels(line)) >= 0


async def test_no_delay_builds_up_when_the_far_side_sends_too_much() -> None:
    line, reports = Line(), []
    async with playing(line, reports) as player:
        await far_side_speaks(player, 0.3)
        for value in range(1000, 1100):  # 2 s of audio in no time
            player.far_side(np.full(160, value, np.int16), RATE)
        await asyncio.sleep(0.5)
    late = [value for value in levels(line) if value >= 1000]
    assert late[-1] == 1099
    assert len(late) <= 11


async def test_only_sound_counts_as_the_far_side_being_heard() -> None:
    line, reports = Line(), []
    async with playing(line, reports) as player:
        assert player.far_side_loud_at == float("-inf")
        await far_side_speaks(player, 0.2, value=8)  # a desk that sends silence
        assert player.far_side_loud_at == float("-inf")
        began = asyncio.get_running_loop().time()
        await far_side_speaks(player, 0.1, value=3000)
        assert player.far_side_loud_at >= began


async def test_a_stop_silences_the_bot_and_not_the_far_side() -> None:
    line, reports = Line(), []
    async with playing(line, reports) as player:
        speaking = asyncio.create_task(far_side_speaks(player, 1.0))
        await asyncio.sleep(0.3)
        player.say(say("u1"))
        await until(lambda: 1300 in levels(line))
        await player.stop()
        sent = len(line.audio)
        await speaking
        after = levels(line)[sent:]
    assert 1300 not in after
    assert after.count(300) > 20


async def test_several_far_sides_are_heard_at_once() -> None:
    line = Line()
    async with playing(line, []) as player:
        for _ in range(30):
            player.far_side(np.full(160, 1000, np.int16), RATE)
            player.far_side(np.full(160, 2000, np.int16), RATE, False, "120")
            player.far_side(np.full(160, 4000, np.int16), RATE, True, "119")
            await asyncio.sleep(0.02)
    assert max(levels(line)) == 3000, "119 is joined elsewhere"


class Stuck(Line):
    """A line that takes nothing any more and says nothing of it."""

    async def send_audio(self, pcm: Int16) -> None:
        await asyncio.Event().wait()

    async def clear(self) -> None:
        await asyncio.Event().wait()


async def test_a_line_that_hangs_holds_up_nothing_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voicebot.call.mixer.SEND_S", 0.1)
    monkeypatch.setattr("voicebot.call.player.FLUSH_S", 0.1)
    reports: list[object] = []
    async with playing(Stuck(), reports) as player:
        player.say(say("u1"))
        await until(lambda: not player.busy)
        player.say(say("u2"))
        async with asyncio.timeout(2):
            await player.stop()
    ends = [report for report in reports if isinstance(report, PlaybackFinished)]
    assert [(end.utterance, end.interrupted) for end in ends] == [("u1", False), ("u2", True)]
