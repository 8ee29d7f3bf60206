"""A quiet line is not a dead one: comfort noise between what the application says."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.codecs import FRAME_SECONDS
from telephony.comfort_noise import LEVEL_DBFS, NoiseFiller, noise_frames
from telephony.pacing import FrameClock
from telephony.speech_level import first_sound

RATE = 8000
FRAME = 160


class TimeIsOver(Exception):
    pass


class FakeTime:
    """Time that passes by sleeping, and now and then longer than asked."""

    def __init__(self, late: list[float], ends: float) -> None:
        self.now, self._late, self.ends = 0.0, late, ends

    async def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds) + (self._late.pop() if self._late else 0.0)
        if self.now > self.ends:
            raise TimeIsOver


class Wire:
    """A far side that plays what it gets at the speed of life."""

    def __init__(self, time: FakeTime) -> None:
        self._time = time
        self.until, self.dry_s, self.most_ahead_s = 0.0, 0.0, 0.0

    def play(self, pcm) -> None:
        self.dry_s = max(self.dry_s, self._time.now - self.until)
        self.until = max(self.until, self._time.now) + len(pcm) / RATE
        self.most_ahead_s = max(self.most_ahead_s, self.until - self._time.now)


@given(st.lists(st.floats(0, 0.019), max_size=200))
def test_the_line_never_runs_dry_and_speech_never_waits(late):
    time = FakeTime(late, ends=4.0)
    wire = Wire(time)
    filler = NoiseFiller(
        RATE, wire.play, lambda: time.now, FrameClock(now=lambda: time.now, sleep=time.sleep)
    )
    with pytest.raises(TimeIsOver):
        asyncio.run(filler.run())
    assert wire.dry_s < FRAME_SECONDS
    assert wire.most_ahead_s <= 2 * FRAME_SECONDS


def test_no_noise_is_put_behind_what_still_plays_and_a_clear_ends_the_wait():
    time = FakeTime([], ends=0.5)
    sent: list[float] = []
    filler = NoiseFiller(
        RATE,
        lambda _: sent.append(time.now),
        lambda: time.now,
        FrameClock(now=lambda: time.now, sleep=time.sleep),
    )
    filler.sent(RATE)  # a second of speech
    with pytest.raises(TimeIsOver):
        asyncio.run(filler.run())
    assert not sent
    filler.cleared()
    time.ends += 0.1
    with pytest.raises(TimeIsOver):
        asyncio.run(filler.run())
    assert sent


@pytest.mark.parametrize("rate", [8000, 16000])
def test_noise_is_no_sound_and_no_digital_silence(rate):
    noise = np.concatenate(noise_frames(rate))
    assert first_sound(noise, rate) is None
    level = 10 * np.log10(np.mean((noise / 32768.0) ** 2))
    assert abs(level - LEVEL_DBFS) < 1
    assert all(len(frame) == rate * FRAME_SECONDS for frame in noise_frames(rate))


class Speaker(FakeTime):
    """An application that sends a frame every 20 ms for a while, so much ahead of time."""

    def __init__(self, phase: float, ahead: float, says_s: float) -> None:
        super().__init__([], ends=1.0)
        self.order: list[tuple[float, str]] = []
        self.filler = NoiseFiller(
            RATE,
            lambda _: self.order.append((self.now, "noise")),
            lambda: self.now,
            FrameClock(now=lambda: self.now, sleep=self.sleep),
        )
        count = round(says_s / FRAME_SECONDS)
        self._due = [max(phase, phase + n * FRAME_SECONDS - ahead) for n in range(count)]

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        while self._due and self._due[0] <= until:
            self.now = self._due.pop(0)
            self.order.append((self.now, "speech"))
            self.filler.sent(FRAME)
        self.now = until
        if self.now > self.ends:
            raise TimeIsOver


@given(st.floats(0, 0.02), st.sampled_from([0.0, 0.02, 0.06]))
def test_speech_is_never_broken_by_noise_and_noise_follows_it(phase, ahead):
    line = Speaker(phase, ahead, says_s=0.5)
    with pytest.raises(TimeIsOver):
        asyncio.run(line.filler.run())
    spoken = [at for at, what in line.order if what == "speech"]
    noise = [at for at, what in line.order if what == "noise"]
    assert not [at for at in noise if spoken[0] < at < spoken[-1]]
    plays_until = phase + 0.5 + FRAME_SECONDS * sum(at <= spoken[0] for at in noise[:1])
    after = [at for at in noise if at > spoken[-1]]
    assert after[0] <= plays_until + (0.0 if ahead == 0.06 else 0.04) + 0.001
