"""From audio to hypotheses and turn ends, with scripted engines on a real pool."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar, cast

import numpy as np
import pytest

from asr.hypothesis import Hypothesis, Pcm, Recognizer
from asr.pool import DecodePool
from asr.urgency import Urgency
from flows.events import CallerSpeaking, Distress, Ear, EngineFailed, Event, Heard, TurnEnded
from telephony.codecs import Int16
from tests.asr.distress_sounds import wailing
from voicebot.call.caller_ear import Senses, ThreadEar
from voicebot.call.ears import Ears
from voicebot.call.endpointing import EndpointingLimits
from voicebot.call.turn_audio import RATE
from voicebot.call.voice import SmartTurn

E = TypeVar("E", bound=Event)

WINDOW = 512
LIMITS = EndpointingLimits()
SYLLABLE_S = 0.2
"""Of the scripted speech: each fifth of a second of tone is a syllable, and a character."""


def syllables_in(pcm: Pcm | Int16) -> int:
    return int(np.count_nonzero(pcm) / (SYLLABLE_S * RATE))


class LoudnessVoice:
    """In place of Silero: a voice wherever there is sound."""

    def __init__(self, probability: float) -> None:
        self._left = np.zeros(0, np.int16)
        self._probability = probability

    def probabilities(self, pcm: Int16) -> list[tuple[float, int]]:
        audio = np.concatenate([self._left, pcm])
        whole = len(audio) // WINDOW * WINDOW
        self._left = audio[whole:]
        return [
            (self._probability if np.any(window) else 0.0, WINDOW)
            for window in audio[:whole].reshape(-1, WINDOW)
        ]

    async def close(self) -> None:
        pass


class SaysFinished:
    async def complete(self, turn: Int16) -> bool:
        return True


class NeverFinished:
    """Notes how much of a turn it was asked about."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def complete(self, turn: Int16) -> bool:
        self.asked.append(len(turn))
        return False


class AnswersWhenTold:
    """Notes, beside that, for which of them nobody waited any more."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.given_up: list[int] = []
        self._answer: asyncio.Future[bool] | None = None

    async def complete(self, turn: Int16) -> bool:
        self.asked.append(len(turn))
        self._answer = asyncio.get_running_loop().create_future()
        try:
            return await self._answer
        except asyncio.CancelledError:
            self.given_up.append(len(turn))
            raise

    def answer(self, *, finished: bool = False) -> None:
        assert self._answer is not None
        self._answer.set_result(finished)


@dataclass
class Engine:
    """A scripted recogniser: as many syllables, or characters, as there was tone."""

    phonetic: bool
    decodes: list[bool] = field(default_factory=list)
    """Finality of each decode."""
    hold: threading.Event | None = None
    """The next decode waits for it."""
    at_work: threading.Event = field(default_factory=threading.Event)
    broken: bool = False
    mute: bool = False
    score: float = -0.2
    language: str = "unknown"
    character: str = "是"
    syllable: str = "shi4"
    delay_s: float = 0.0
    """How much audio after a syllable a phonetic engine needs before it gives it."""

    def stream(self) -> _Stream:
        return _Stream(self)


class _Stream:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pcm: list[Pcm] = []
        self._over = 0.0
        """Seconds of the utterances before this one."""

    def feed(self, pcm: Pcm) -> None:
        if self._engine.broken:
            raise RuntimeError("engine")
        self._pcm.append(pcm)

    def decode(self, final: bool = False) -> Hypothesis:
        engine = self._engine
        pcm = np.concatenate([*self._pcm, np.zeros(0, np.float32)])
        if not engine.phonetic:
            engine.decodes.append(final)
            engine.at_work.set()
            if engine.hold is not None:
                engine.hold.wait(10)
        if engine.broken:
            raise RuntimeError("engine")
        if engine.phonetic:
            heard = pcm if final else pcm[: max(0, len(pcm) - round(engine.delay_s * RATE))]
            begun = int(np.argmax(pcm != 0)) / RATE + self._over
            syllables = () if engine.mute else (engine.syllable,) * syllables_in(heard)
            return Hypothesis("listener", syllables=syllables, final=final, start=begun)
        count = syllables_in(pcm)
        scores = (engine.score,) if count else ()
        return Hypothesis(
            "transcriber",
            text=engine.character * count,
            final=final,
            end=len(pcm) / RATE,
            scores=scores,
            language=engine.language,
        )

    def finish(self) -> Hypothesis:
        heard = self.decode(final=True)
        self.reset()
        return heard

    def reset(self) -> None:
        self._over += sum(map(len, self._pcm)) / RATE
        self._pcm = []


@dataclass
class Hearing:
    """Ears and what they reported."""

    ears: Ears
    listener: Engine
    transcriber: Engine
    events: list[Event]
    pool: DecodePool

    async def hears(self, seconds: float, *, voice: bool, at_once: int = 1) -> None:
        """Audio in frames of 20 ms, as a line gives it, so many at once."""
        frame = np.full(at_once * RATE // 50, 8000 if voice else 0, np.int16)
        for _ in range(round(seconds * 50 / at_once)):
            await self.ears.feed(frame)
            await asyncio.sleep(0)

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not met():  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    @asynccontextmanager
    async def recogniser_busy(self) -> AsyncIterator[None]:
        """Another call has it until the block ends."""
        over = threading.Event()
        other = asyncio.create_task(self.pool.decode(over, lambda: over.wait(20), Urgency.PARTIAL))
        await asyncio.sleep(0)
        try:
            yield
        finally:
            over.set()
            await other

    def every(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def listened_to(self, turns: int) -> bool:
        """The listener's finals of so many turns are in."""
        finals = [h for h in self.every(Heard) if h.ear is Ear.LISTENER and h.final]
        return len(finals) == turns

    def texts(self) -> list[Heard]:
        return [heard for heard in self.every(Heard) if heard.ear is Ear.TRANSCRIBER]


@asynccontextmanager
async def hearing(
    *,
    partial_every_s: float = 0.9,
    limits: EndpointingLimits = LIMITS,
    deaf: bool = False,
    alone: bool = False,
    smart_turn: SaysFinished | NeverFinished | AnswersWhenTold | None = None,
) -> AsyncIterator[Hearing]:
    """`deaf`: the voice detector misses everything; `alone`: the listener has no transcriber."""
    listener, transcriber = Engine(phonetic=True), Engine(phonetic=False)
    events: list[Event] = []
    with ThreadPoolExecutor(1) as ear_executor, ThreadPoolExecutor(1) as decode_executor:
        pool = DecodePool(decode_executor)
        working = asyncio.create_task(pool.run())
        ears = Ears(
            events.append,
            ear=ThreadEar(
                Senses(LoudnessVoice(0.0 if deaf else 0.9), cast(Recognizer, listener).stream()),
                ear_executor,
                listens=True,
            ),
            transcriber=None if alone else cast(Recognizer, transcriber),
            pool=pool,
            smart_turn=cast(SmartTurn, smart_turn or SaysFinished()),
            limits=limits,
            threshold=0.6,
            partial_every_s=partial_every_s,
            now=lambda: 1e9,
        )
        try:
            yield Hearing(ears, listener, transcriber, events, pool)
        finally:
            if transcriber.hold is not None:
                transcriber.hold.set()
            await ears.close()
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


async def test_a_turn_is_heard_by_both_ears_and_its_final_comes_after_its_end() -> None:
    async with hearing() as call:
        await call.hears(2.0, voice=True)
        await call.hears(0.6, voice=False)
        await call.until(lambda: any(heard.final for heard in call.texts()))
    assert [event.turn for event in call.every(CallerSpeaking)] == [1]
    assert [event.turn for event in call.every(TurnEnded)] == [1]
    final = call.texts()[-1]
    assert (final.text, final.final, final.turn) == ("是" * 10, True, 1)
    assert call.events.index(final) > call.events.index(call.every(TurnEnded)[0])
    heard = [h for h in call.every(Heard) if h.ear is Ear.LISTENER]
    assert heard[-1].final
    assert len(heard[-1].syllables) == 10


@pytest.mark.parametrize("alone", [True, False])
async def test_a_listener_without_a_transcriber_writes_its_finals_in_hanzi(alone: bool) -> None:
    async with hearing(alone=alone) as call:
        await call.hears(0.6, voice=True)
        await call.hears(0.6, voice=False)
        await call.until(lambda: bool(call.every(TurnEnded)))
    heard = [each for each in call.every(Heard) if each.ear is Ear.LISTENER]
    assert not any(each.text for each in heard[:-1])
    assert heard[-1].final
    assert len(heard[-1].text) == (3 if alone else 0)
    assert call.events.index(heard[-1]) < call.events.index(call.every(TurnEnded)[0])


async def test_a_question_is_over_before_the_ceiling_though_it_sounds_unfinished() -> None:
    async with hearing(smart_turn=NeverFinished()) as call:
        call.listener.syllable = "ma5"
        await call.hears(1.0, voice=True)
        await call.hears(LIMITS.ceiling_s - 0.3, voice=False)
        await call.until(lambda: bool(call.every(TurnEnded)))


async def test_a_slow_smart_turn_is_asked_again_only_once_it_has_answered() -> None:
    """Four times in a pause; on a full machine each would keep other calls' waiting."""
    slow = AnswersWhenTold()
    async with hearing(smart_turn=slow) as call:
        await call.hears(1.0, voice=True)
        await call.hears(0.7, voice=False)
        assert len(slow.asked) == 1
        slow.answer()
        await call.until(lambda: len(slow.asked) == 2)
        assert slow.asked[1] > slow.asked[0], "with all of the silence so far"
        slow.answer(finished=True)
        await call.until(lambda: bool(call.every(TurnEnded)))


@pytest.mark.parametrize("over", ["a caller who goes on", "the ceiling"])
async def test_what_nobody_waits_for_any_more_is_not_asked(over: str) -> None:
    slow = AnswersWhenTold()
    async with hearing(smart_turn=slow) as call:
        await call.hears(1.0, voice=True)
        await call.hears(0.3, voice=False)
        assert not slow.given_up
        if over == "the ceiling":
            await call.hears(LIMITS.ceiling_s, voice=False)
            await call.until(lambda: bool(call.every(TurnEnded)))
        else:
            await call.hears(0.2, voice=True)
        assert slow.given_up == slow.asked


async def test_turns_are_the_same_however_much_audio_comes_at_once() -> None:
    heard = []
    for frames in (1, 3, 5):
        smart_turn = NeverFinished()
        async with hearing(smart_turn=smart_turn) as call:
            for _ in range(2):
                await call.hears(1.5, voice=True, at_once=frames)
                await call.hears(1.5, voice=False, at_once=frames)
            await call.until(partial(call.listened_to, 2))
        finals = [h for h in call.every(Heard) if h.ear is Ear.LISTENER and h.final]
        heard.append(([(h.start, h.syllables) for h in finals], smart_turn.asked))
    assert heard[0] == heard[1] == heard[2]
    assert len(heard[0][1]) == 2 * len(LIMITS.ask_s)


async def test_the_final_decoded_in_the_pause_is_not_decoded_again() -> None:
    async with hearing(partial_every_s=60) as call:
        await call.hears(1.0, voice=True)
        await call.hears(0.6, voice=False)
        await call.until(lambda: any(heard.final for heard in call.texts()))
    assert call.transcriber.decodes == [True]


async def test_words_asked_for_are_transcribed_before_they_are_due() -> None:
    async with hearing(partial_every_s=60) as call:
        await call.hears(1.0, voice=True)
        assert not call.texts()
        call.ears.transcribe_now(1)
        await call.until(lambda: bool(call.texts()))
        assert call.texts()[0].text == "是" * 5
        assert not call.texts()[0].final


async def test_words_asked_for_during_a_decode_are_transcribed_right_after_it() -> None:
    async with hearing(partial_every_s=60) as call:
        call.transcriber.hold = threading.Event()
        await call.hears(1.0, voice=True)
        call.ears.transcribe_now(1)
        await call.until(call.transcriber.at_work.is_set)
        await call.hears(1.0, voice=True)
        call.ears.transcribe_now(1)
        call.transcriber.hold.set()
        await call.until(lambda: len(call.texts()) == 2)
        assert [len(heard.text) for heard in call.texts()] == [5, 10]


async def test_words_of_a_turn_that_is_over_are_not_asked_for_again() -> None:
    async with hearing(partial_every_s=60) as call:
        await call.hears(1.0, voice=True)
        await call.hears(0.6, voice=False)
        await call.until(lambda: any(heard.final for heard in call.texts()))
        call.ears.transcribe_now(1)
        await call.hears(0.2, voice=False)
        assert len(call.transcriber.decodes) == 1


async def test_a_partial_that_had_to_wait_hears_what_was_said_meanwhile() -> None:
    async with hearing(partial_every_s=0.5) as call:
        async with call.recogniser_busy():
            await call.hears(2.0, voice=True)
        await call.until(lambda: bool(call.texts()))
        assert call.texts()[0].text == "是" * 10
        assert call.transcriber.decodes == [False]


async def test_words_asked_for_go_before_the_partials_of_other_calls() -> None:
    order: list[str] = []
    async with hearing(partial_every_s=0.5) as call:

        def note(name: str) -> None:
            order.append(f"{name} {len(call.transcriber.decodes)}")

        async with call.recogniser_busy():
            others = [
                asyncio.create_task(call.pool.decode(name, partial(note, name), urgency))
                for name, urgency in (("partial", Urgency.PARTIAL), ("final", Urgency.FINAL))
            ]
            await call.hears(1.0, voice=True)
            call.ears.transcribe_now(1)
        await asyncio.gather(*others)
    assert order == ["final 0", "partial 1"]


async def test_a_final_for_a_pause_that_proved_none_is_not_decoded() -> None:
    async with hearing(partial_every_s=60) as call:
        async with call.recogniser_busy():
            await call.hears(1.0, voice=True)
            await call.hears(0.1, voice=False)
            await call.hears(0.4, voice=True)
        await call.hears(0.6, voice=False)
        await call.until(lambda: any(heard.final for heard in call.texts()))
    assert call.transcriber.decodes == [True]
    assert call.texts()[-1].text == "是" * 7


async def test_words_asked_for_in_such_a_pause_are_transcribed_all_the_same() -> None:
    async with hearing(partial_every_s=60) as call:
        async with call.recogniser_busy():
            await call.hears(1.0, voice=True)
            await call.hears(0.1, voice=False)
            call.ears.transcribe_now(1)
            await call.hears(0.4, voice=True)
        await call.until(lambda: bool(call.texts()))
        assert call.transcriber.decodes == [False]


async def test_in_a_pause_no_partial_is_asked_for() -> None:
    async with hearing(partial_every_s=0.1) as call:
        async with call.recogniser_busy():
            await call.hears(0.8, voice=True)
            await call.hears(0.2, voice=False)
            figures = call.pool.figures(1.0, 1.0)
            assert (figures.final.waiting, figures.partial.waiting) == (1, 0)
        await call.hears(0.05, voice=False)
        await call.until(lambda: bool(call.texts()))
        assert call.transcriber.decodes == [True]


async def test_while_the_recogniser_has_no_room_there_are_no_partials_but_what_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with hearing(partial_every_s=0.2) as call:
        monkeypatch.setattr(call.pool, "partial_interval", lambda base_s: math.inf)
        await call.hears(2.0, voice=True)
        assert not call.transcriber.decodes
        call.ears.transcribe_now(1)
        await call.until(lambda: bool(call.texts()))
        assert call.transcriber.decodes == [False]


async def test_a_lost_listener_is_reported_and_the_transcriber_goes_on() -> None:
    async with hearing() as call:
        call.listener.broken = True
        await call.hears(2.0, voice=True)
        await call.hears(0.6, voice=False)
        await call.until(lambda: any(heard.final for heard in call.every(Heard)))
    assert {failed.engine for failed in call.every(EngineFailed)} == {Ear.LISTENER}
    assert {heard.ear for heard in call.every(Heard)} == {Ear.TRANSCRIBER}


async def test_a_turn_at_which_the_transcriber_fails_is_written_by_its_sound() -> None:
    async with hearing() as call:
        call.transcriber.broken = True
        await call.hears(2.0, voice=True)
        await call.hears(0.6, voice=False)
        await call.until(lambda: any(heard.final for heard in call.texts()))
        call.transcriber.broken = False
        await call.hears(1.0, voice=True)
        await call.hears(0.6, voice=False)
        await call.until(lambda: sum(heard.final for heard in call.texts()) == 2)
    assert not call.every(EngineFailed)
    by_sound, transcribed = [heard.text for heard in call.texts() if heard.final]
    assert len(by_sound) == 10
    assert transcribed == "是" * 5


async def test_a_turn_is_written_by_its_sound_when_the_transcriber_fails_after_its_end() -> None:
    """The decode made at its last pause fails, and there is no other."""
    async with hearing(partial_every_s=60) as call:
        call.transcriber.hold = threading.Event()
        await call.hears(1.0, voice=True)
        await call.hears(0.6, voice=False)
        await call.until(lambda: len(call.every(TurnEnded)) == 1)
        call.transcriber.broken = True
        call.transcriber.hold.set()
        await call.until(lambda: any(heard.final for heard in call.texts()))
    assert [len(heard.text) for heard in call.texts() if heard.final] == [5]


async def test_a_transcriber_that_fails_twice_in_a_row_is_reported_and_the_listener_goes_on() -> (
    None
):
    async with hearing() as call:
        call.transcriber.broken = True
        for turns in (1, 2):
            await call.hears(2.0, voice=True)
            await call.hears(0.6, voice=False)
            await call.until(partial(call.listened_to, turns))
        await call.until(lambda: bool(call.every(EngineFailed)))
    assert [failed.engine for failed in call.every(EngineFailed)] == [Ear.TRANSCRIBER]
    assert len([heard for heard in call.texts() if heard.final]) == 1


async def test_what_is_said_after_a_turn_belongs_to_the_next_though_the_final_is_late() -> None:
    async with hearing(partial_every_s=60) as call:
        call.transcriber.hold = threading.Event()
        await call.hears(1.0, voice=True)
        await call.hears(0.6, voice=False)
        await call.until(lambda: len(call.every(TurnEnded)) == 1)
        await call.hears(0.6, voice=True)
        call.transcriber.hold.set()
        await call.until(lambda: any(heard.final for heard in call.texts()))
        await call.hears(0.6, voice=False)
        await call.until(lambda: len([h for h in call.texts() if h.final]) == 2)
    finals = [(heard.turn, len(heard.text)) for heard in call.texts() if heard.final]
    assert finals == [(1, 5), (2, 3)]


async def test_syllables_that_come_while_a_turn_is_settled_begin_no_turn() -> None:
    async with hearing() as call:
        call.listener.delay_s = 0.5
        await call.hears(2.0, voice=True)
        await call.hears(1.0, voice=False)
        await call.until(lambda: any(heard.final for heard in call.texts()))
    assert [event.turn for event in call.every(CallerSpeaking)] == [1]
    heard = [h for h in call.every(Heard) if h.ear is Ear.LISTENER]
    assert heard[-1].final
    assert len(heard[-1].syllables) == 10


async def test_words_without_a_detected_voice_are_transcribed_from_their_beginning() -> None:
    async with hearing(deaf=True) as call:
        call.listener.delay_s = 0.6
        await call.hears(1.0, voice=False)
        await call.hears(1.0, voice=True)
        await call.hears(2.6, voice=False)
        await call.until(lambda: any(heard.final for heard in call.texts()))
    assert call.texts()[-1].text == "是" * 5
    assert call.texts()[-1].start < 1.0


async def test_a_turn_cut_for_its_length_goes_on_in_the_next_with_every_syllable_once() -> None:
    async with hearing(limits=EndpointingLimits(max_turn_s=2.0)) as call:
        await call.hears(5.0, voice=True)
        await call.hears(0.6, voice=False)
        await call.until(lambda: len([h for h in call.texts() if h.final]) == 3)
    finals = [heard for heard in call.every(Heard) if heard.final]
    written = sum(len(heard.text) for heard in finals)
    listened = sum(len(heard.syllables) for heard in finals)
    assert len(call.every(TurnEnded)) == 3
    # One that is cut in two is a whole one in neither half.
    assert 23 <= written <= 25
    assert 23 <= listened <= 25


@pytest.mark.parametrize(("score", "kept"), [(-0.4, "是" * 5), (-0.9, "")])
async def test_words_of_which_the_listener_heard_nothing_stand_unless_they_are_doubtful(
    score: float, kept: str
) -> None:
    async with hearing() as call:
        call.listener.mute = True
        call.transcriber.score = score
        await call.hears(1.0, voice=True)
        await call.hears(0.6, voice=False)
        await call.until(lambda: any(heard.final for heard in call.texts()))
    assert call.texts()[-1].text == kept


async def test_a_final_tells_how_intelligible_it_was_and_in_which_language() -> None:
    async with hearing() as call:
        call.listener.mute = True  # the transcriber is the only witness
        call.transcriber.language = "en"
        await call.hears(1.0, voice=True)
        await call.hears(0.6, voice=False)
        await call.until(lambda: any(heard.final for heard in call.texts()))
    final = call.texts()[-1]
    assert (final.language, final.intelligible) == ("en", 1.0)


async def test_words_on_which_the_ears_do_not_agree_are_reported_so() -> None:
    async with hearing() as call:
        call.transcriber.character = "火"
        await call.hears(1.0, voice=True)
        await call.hears(0.6, voice=False)
        await call.until(lambda: any(heard.final for heard in call.texts()))
    assert call.texts()[-1].intelligible < 0.25


async def test_crying_is_reported_with_its_time_while_it_goes_on() -> None:
    crying = (wailing(np.random.default_rng(0)) * 32767).astype(np.int16)
    async with hearing() as call:
        await call.hears(1.0, voice=False)
        for begin in range(0, len(crying), RATE // 50):
            await call.ears.feed(crying[begin : begin + RATE // 50])
    (mark,) = call.every(Distress)
    assert mark.kind == "crying"
    assert 1.0 <= mark.start < mark.at <= 1.0 + len(crying) / RATE
