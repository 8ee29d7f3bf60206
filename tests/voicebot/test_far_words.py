"""What a far side says, as text: from its first word, at its time, up to its last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from asr.errors import EngineLost
from asr.hypothesis import Hypothesis
from asr.pool import DecodePool
from asr.service.hearing import Hearing
from asr.urgency import Urgency
from telephony.codecs import FRAME_SECONDS, Int16
from telephony.resampling import StreamResampler
from tests.voicebot.ear_doubles import LoudIsVoice
from tests.voicebot.test_session import noise
from voicebot.call.far_words import KEPT_S, LAST_S, SOUND_S, UNHEARD, FarWords, Spoken

pytestmark = pytest.mark.leaping_time

RATE = 8000


class Seconds:
    """A recogniser that says how many tenths of a second of sound it heard."""

    name = "seconds"

    def __init__(self) -> None:
        self.hangs = self.away = False
        self.finals: list[str] = []
        """What the next finals say instead."""

    def stream(self) -> SecondsStream:
        return SecondsStream(self)


class SecondsStream:
    def __init__(self, engine: Seconds) -> None:
        self._engine, self._loud, self._fed = engine, 0, 0

    def feed(self, pcm: Any) -> None:
        self._loud += int((np.abs(pcm) > 0.03).sum())
        self._fed += len(pcm)

    def decode(self, final: bool = False) -> Hypothesis:
        if self._engine.hangs:
            raise TimeoutError
        if self._engine.away:
            raise EngineLost("No node has answered.")
        text = f"{round(self._loud / 16000 * 10 * 1.2)}"
        if final and self._engine.finals:
            text = self._engine.finals.pop(0)
        return Hypothesis("seconds", text=text, start=0.4, end=self._fed / 16000, final=final)


class Call:
    """A far side whose audio comes when the test says so."""

    def __init__(self, hearing: Hearing) -> None:
        self.now = 20.0
        self.told: list[Spoken] = []
        self.words = FarWords(hearing, self.told.append, lambda: self.now)

    @property
    def spoken(self) -> list[Spoken]:
        """What is settled."""
        return [each for each in self.told if each.final]

    def hears(self, pcm: Int16) -> None:
        frame = round(RATE * FRAME_SECONDS)
        for at in range(0, len(pcm), frame):
            self.now += FRAME_SECONDS
            self.words.push(pcm[at : at + frame], RATE)

    def says(self, seconds: float) -> None:
        """Speech and the silence that ends it."""
        self.hears(noise(seconds, 6000))
        self.hears(np.zeros(RATE, np.int16))


@pytest.fixture
def engine() -> Seconds:
    return Seconds()


@pytest.fixture
async def pool() -> AsyncIterator[DecodePool]:
    with ThreadPoolExecutor(1) as decoding:
        made = DecodePool(decoding)
        working = asyncio.create_task(made.run())
        yield made
        working.cancel()


@pytest.fixture
async def call(engine: Seconds, pool: DecodePool) -> AsyncIterator[Call]:
    with ThreadPoolExecutor(1) as ears:
        hearing = Hearing(
            engine=engine,  # type: ignore[arg-type]
            listener=None,
            pool=pool,
            executor=ears,
            new_voice=LoudIsVoice,
            new_resampler=StreamResampler,
        )
        made = Call(hearing)
        yield made
        await made.words.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what tests wait for has no event
            await asyncio.sleep(0.01)


async def test_what_was_said_before_it_was_known_who_speaks_is_not_lost(call: Call) -> None:
    call.says(1.0)
    await asyncio.sleep(0.3)
    assert not call.spoken
    call.words.start()
    call.says(2.0)
    await until(lambda: len(call.spoken) == 2)
    first, second = call.spoken
    assert (first.start, second.start) == pytest.approx((20.0, 22.0), abs=0.45)
    assert int(second.text) == pytest.approx(2 * int(first.text), abs=2)
    assert first.characters


async def test_a_far_side_that_sends_nothing_in_its_pauses_keeps_its_times(call: Call) -> None:
    call.words.start()
    call.hears(noise(1.0, 6000))
    call.now += 30.0
    call.hears(noise(1.0, 6000))
    call.now += 5.0
    await call.words.close()
    first, second = call.spoken
    assert second.start - first.start == pytest.approx(31.0, abs=0.5)


async def test_the_last_words_are_understood_when_the_leg_is_over(call: Call) -> None:
    call.words.start()
    call.hears(noise(1.0, 6000))
    await call.words.close()
    assert len(call.spoken) == 1


async def test_a_leg_that_was_nobodys_leaves_no_words(call: Call) -> None:
    call.says(1.0)
    await call.words.close()
    assert not call.spoken


async def test_of_words_that_a_recogniser_failed_on_the_gap_is_told(
    call: Call, engine: Seconds
) -> None:
    engine.hangs = True
    call.words.start()
    call.says(1.0)
    async with asyncio.timeout(LAST_S + 1):
        await call.words.close()
    assert [each.text for each in call.spoken] == [UNHEARD]


async def test_words_said_while_the_recogniser_is_away_come_when_it_is_back(
    call: Call, engine: Seconds
) -> None:
    engine.away = True
    call.words.start()
    call.says(1.0)
    call.says(2.0)
    await asyncio.sleep(5.0)
    assert not call.spoken
    engine.away = False
    await until(lambda: len(call.spoken) == 2)
    first, second = call.spoken
    assert int(second.text) == pytest.approx(2 * int(first.text), abs=2)


async def test_last_words_without_a_listener_are_waited_for_as_long_as_they_may_take(
    call: Call, engine: Seconds
) -> None:
    engine.away = True
    call.words.start()
    call.says(1.0)
    closing = asyncio.create_task(call.words.close())
    await asyncio.sleep(LAST_S + 0.2)
    engine.away = False
    await closing
    assert [each.text.isdigit() for each in call.spoken] == [True]


async def test_a_leg_that_ends_while_the_recogniser_is_away_leaves_gaps_and_waits_no_longer(
    call: Call, engine: Seconds
) -> None:
    engine.away = True
    call.words.start()
    call.says(1.0)
    call.says(1.0)
    async with asyncio.timeout(LAST_S + SOUND_S + 1):
        await call.words.close()
    assert [each.text for each in call.spoken] == [UNHEARD, UNHEARD]


async def test_of_words_that_were_never_heard_to_their_end_the_gap_is_told(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    call.words.start()
    call.hears(noise(0.4, 6000))
    await asyncio.sleep(0.3)

    def broken(*_: Any) -> list[tuple[float, int]]:
        raise RuntimeError("The voice detector is gone.")

    monkeypatch.setattr(LoudIsVoice, "probabilities", broken)
    call.hears(noise(0.4, 6000))
    await asyncio.sleep(0.3)
    call.hears(noise(0.4, 6000))
    await call.words.close()
    assert [each.text for each in call.spoken] == [UNHEARD]


async def test_what_ends_the_recognising_is_in_the_log_and_its_words_are_gaps(call: Call) -> None:
    report = call.words._report

    def fails(spoken: Spoken) -> None:
        if spoken.final:
            call.words._report = report
            raise RuntimeError("The screen is gone.")

    call.words._report = fails
    call.words.start()
    call.says(1.0)
    call.says(1.0)
    with capture_logs() as logs:
        await call.words.close()
    assert [each.text for each in call.spoken] == [UNHEARD, UNHEARD]
    assert "far_side_not_recognised" in [line["event"] for line in logs]


async def test_audio_that_nobody_hears_is_kept_for_a_while_and_no_longer(call: Call) -> None:
    for _ in range(20):
        call.says(1.0)
    assert call.words._kept_s <= KEPT_S
    call.words.start()
    await until(lambda: len(call.spoken) >= 7)
    assert call.spoken[0].start > 60.0 - KEPT_S - 2


# ── before it is settled ──────────────────────────────────────────────────────────


async def says_on(call: Call, seconds: float) -> None:
    """Speech as it comes, heard while it goes on."""
    for _ in range(round(seconds / 0.2)):
        call.hears(noise(0.2, 6000))
        await asyncio.sleep(0.2)


async def test_what_is_being_said_is_told_while_nobody_needs_the_recogniser(call: Call) -> None:
    call.words.start()
    await says_on(call, 2.0)
    partials = list(call.told)
    assert len(partials) >= 2
    assert not any(each.final for each in partials)
    assert [int(each.text) for each in partials] == sorted(int(each.text) for each in partials)
    call.hears(np.zeros(RATE, np.int16))
    await until(lambda: call.spoken)
    assert {each.utterance for each in call.told} == {call.spoken[0].utterance}
    call.says(1.0)
    await until(lambda: len(call.spoken) == 2)
    assert call.spoken[1].utterance != call.spoken[0].utterance


async def test_callers_who_speak_leave_no_room_for_it(call: Call, pool: DecodePool) -> None:
    call.words.start()
    caller = object()
    for _ in range(10):
        await pool.decode(caller, lambda: None, Urgency.PARTIAL)
        await says_on(call, 0.2)
    assert call.told == []
    call.hears(np.zeros(RATE, np.int16))
    await until(lambda: call.spoken)


async def test_noise_that_was_taken_for_words_is_taken_back(call: Call, engine: Seconds) -> None:
    engine.finals = [""]
    call.words.start()
    await says_on(call, 1.0)
    assert call.told
    call.hears(np.zeros(RATE, np.int16))
    await until(lambda: call.spoken)
    assert call.spoken[0].text == ""


async def test_what_was_heard_last_stands_where_the_final_cannot_be_had(
    call: Call, engine: Seconds
) -> None:
    call.words.start()
    await says_on(call, 1.0)
    heard = call.told[-1].text
    engine.hangs = True
    await call.words.close()
    assert [each.text for each in call.spoken] == [heard]
