"""The two ears of one call: from the caller's audio to hypotheses and turn ends.

The listener hears everything, all the time; the transcriber decodes the present turn
(`voicebot.call.turn_audio`) through a pool shared by all calls.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import numpy as np
import structlog

from asr.domain import NO_WORDS, DomainWords
from asr.dtmf import KeyMute
from asr.errors import NodesAway
from asr.guards import judged
from asr.hanzi.writing import by_sound
from asr.hypothesis import Hypothesis, Recognizer
from asr.pool import DecodePool
from flows.events import CallerSpeaking, Distress, Ear, EngineFailed, Event, Heard, TurnEnded
from telephony.codecs import Int16
from voicebot.call.caller_ear import CallerEar, Listened, ListenerFault
from voicebot.call.endpointing import Edge, Endpointer, EndpointingLimits, asks
from voicebot.call.turn_audio import RATE, Transcriber, TurnAudio
from voicebot.call.voice import SmartTurn

log = structlog.get_logger()

PRE_ROLL_S = 0.4
"""Audio kept from before the voice was detected: soft first syllables."""
SYLLABLE_ROLL_S = 0.3
"""The same before the first syllable of a turn that the listener began."""
HISTORY_S = 3.0
"""Audio kept between turns: the listener's words are up to a second old when it gives them."""

VOICED = 0.4
"""Probability of a voice from which a frame may hold speech worth decoding."""

FAILURES = 2
"""Turns in a row at which the transcriber failed: then the call goes on without it."""

T = TypeVar("T")


class Ears:
    """Hears one caller.

    Parameters:
        emit: takes the events, in order.
        ear: hears where there is a voice, distress, and syllables if there is a listener.
        transcriber: shared by all calls; None without one.
        pool: the transcriber's queue; it also says how often a partial may be asked for.
        now: seconds since the call was answered; audio that comes faster than it is spoken
            must not run ahead of it.
        words: of the domain, which finals are corrected to.
    """

    def __init__(
        self,
        emit: Callable[[Event], None],
        *,
        ear: CallerEar,
        transcriber: Recognizer | None,
        pool: DecodePool,
        smart_turn: SmartTurn | None,
        limits: EndpointingLimits,
        threshold: float,
        partial_every_s: float,
        now: Callable[[], float],
        words: DomainWords = NO_WORDS,
    ) -> None:
        self._emit, self._ear, self._now = emit, ear, now
        self._words = words
        self._listening = ear.listens
        self._transcriber = (
            Transcriber(transcriber, pool, self._spawn, self._transcriber_failed)
            if transcriber
            else None
        )
        self._failures = 0
        self._smart_turn = smart_turn
        self._asking: asyncio.Task[None] | None = None
        self._ask_about = 0
        """Samples of the turn that smart-turn has not been asked about yet; 0 for none."""
        self._endpointer = Endpointer(limits, threshold=threshold)
        self._pool, self._partial_every_s = pool, partial_every_s
        self._keys = KeyMute(RATE)
        self._samples = 0
        self._judged = 0
        """Sample up to which it is known where there is a voice: turns begin and end there, and
        not where the audio that came in one go happens to end."""
        self._history: deque[Int16] = deque()
        self._history_samples = 0
        self._turn: TurnAudio | None = None
        self._turns = 0
        self._over_at = 0
        """Sample at which the last turn ended: its audio is no part of the next."""
        self._utterances = 0
        """Utterances of the listener that are over: one for each turn."""
        self._syllables: tuple[str, ...] = ()
        self.voiced_at = 0.0
        """When a voice was last heard in a turn, of the call's clock."""
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def at(self) -> float:
        """The call's clock: seconds of audio heard."""
        return min(self._samples / RATE, self._now())

    async def feed(self, pcm: Int16) -> None:
        """The next stretch of the caller's audio, 16 kHz mono int16, any length."""
        pcm = self._keys.push(pcm)
        if not len(pcm):
            return
        self._samples += len(pcm)
        self._remember(pcm)
        utterance = self._utterances
        frames, marks, heard = await self._ear.hear(pcm)
        for mark in marks:
            self._emit(Distress(self.at, mark.kind.value, mark.confidence, mark.start))
        for probability, samples in frames:
            self._judged += samples
            if probability >= VOICED and self._turn is not None:
                self._turn.voiced()
                self.voiced_at = self.at
            self._on_edge(self._endpointer.push(probability, samples / RATE))
        if isinstance(heard, ListenerFault):
            self._lose_listener(heard)
        elif heard is not None and self._listening and utterance == self._utterances:
            self._on_syllables(heard)
        if self._turn is not None:
            self._turn.partial_if_due(self._pool.partial_interval(self._partial_every_s) * RATE)

    def transcribe_now(self, turn: int) -> None:
        """A partial of the turn so far, before those that are due, or after the decode at work."""
        if self._turn is not None and self._turn.number == turn:
            self._turn.transcribe_now()

    # ── turns ─────────────────────────────────────────────────────────────────────

    def _remember(self, pcm: Int16) -> None:
        self._history.append(pcm)
        self._history_samples += len(pcm)
        while self._history_samples - len(self._history[0]) > HISTORY_S * RATE:
            self._history_samples -= len(self._history.popleft())
        if self._turn is not None:
            self._turn.add(pcm)

    def _on_edge(self, edge: Edge) -> None:
        match edge:
            case Edge.BEGAN:
                self._begin_turn(self._judged - round(PRE_ROLL_S * RATE))
            case Edge.PAUSED if self._turn is not None:
                self._turn.paused()
            case Edge.RESUMED if self._turn is not None:
                self._stop_asking()
                self._turn.resumed()
            case Edge.ASK if self._turn is not None:
                self._ask_about = self._judged - round(self._turn.start * RATE)
                self._asking = self._asking or self._spawn(self._ask_smart_turn(self._turn))
            case Edge.ENDED:
                self._stop_asking()
                self._end_turn()
            case _:
                pass

    def _begin_turn(self, start: int) -> None:
        """A turn that began at sample `start` of the call, as far as that is remembered."""
        first = self._samples - self._history_samples
        start = max(start, self._over_at, first)
        pcm = np.concatenate(self._history)[start - first :]
        self._turns += 1
        self._turn = TurnAudio(self._turns, start, pcm, self._transcriber, self._on_partial)
        self._emit(CallerSpeaking(self.at, self._turns))

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is None:
            return
        # A turn that is cut because it is too long goes on in the next one.
        cut = self._endpointer.silence_s == 0.0
        self._over_at = self._judged
        self._utterances += 1
        known, self._syllables = self._syllables, ()
        settling = self._ear.settle(cut) if self._listening else None
        self._spawn(self._finish(turn, settling, known))

    async def _ask_smart_turn(self, turn: TurnAudio) -> None:
        """Is the sentence finished? Asked again where the silence has become long enough for that
        meanwhile: on a full machine an answer takes a while, and others wait for theirs."""
        smart, pause, edge = self._smart_turn, self._endpointer.pauses, Edge.NONE
        while self._ask_about and edge is Edge.NONE:
            said, self._ask_about = self._ask_about, 0
            finished = smart is None or await smart.complete(turn.pcm[:said])
            edge = self._endpointer.answer(pause, finished=finished)
        self._asking = None
        self._on_edge(edge)

    def _stop_asking(self) -> None:
        """What still waits in smart-turn's thread is not looked at any more."""
        self._ask_about = 0
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    async def _finish(
        self,
        turn: TurnAudio,
        settling: Awaitable[Listened] | None,
        known: tuple[str, ...],
    ) -> None:
        """Settle a turn: the listener's last syllables, the turn's end, the final text."""
        final = self._spawn(turn.final())
        syllables = await self._settled(turn, settling, known)
        self._emit(TurnEnded(self.at, turn.number))
        hypothesis = await final
        if hypothesis is not None:
            self._failures = 0
            if settling is not None:
                hypothesis = judged(hypothesis, syllables, self._words)
        elif turn.failed and self._transcriber is not None:
            hypothesis = by_sound(syllables)
        else:
            return
        self._emit(self._heard(turn, hypothesis, final=True))

    # ── the listener ──────────────────────────────────────────────────────────────

    def _on_syllables(self, heard: Listened) -> None:
        if heard.syllables == self._syllables:
            return
        self._syllables = heard.syllables
        if self._turn is None:
            if len(self._syllables) < 2:
                return
            # Words without a detected voice: short or soft answers (pipecat#984).
            self._endpointer.begin()
            self._begin_turn(round((heard.start - SYLLABLE_ROLL_S) * RATE))
        assert self._turn is not None
        self._endpointer.question = asks(self._syllables)
        self._emit(self._listened(self._turn, self._syllables, final=False))

    async def _settled(
        self,
        turn: TurnAudio,
        settling: Awaitable[Listened] | None,
        known: tuple[str, ...],
    ) -> tuple[str, ...]:
        """The listener's syllables of a turn that is over."""
        if settling is None:
            return ()
        try:
            syllables = (await settling).syllables or known
        except ListenerFault as fault:
            self._lose_listener(fault)
            return known
        if syllables:
            self._emit(self._listened(turn, syllables, final=True))
        return syllables

    def _listened(self, turn: TurnAudio, syllables: tuple[str, ...], *, final: bool) -> Heard:
        """With text where it is final and no transcriber will have better."""
        alone = final and self._transcriber is None
        words = by_sound(syllables) if alone else Hypothesis("listener")
        return Heard(
            self.at,
            turn.number,
            Ear.LISTENER,
            text=words.text,
            alternatives=words.alternatives,
            syllables=syllables,
            final=final,
            start=turn.start,
            end=self.at,
        )

    def _lose_listener(self, fault: ListenerFault) -> None:
        if self._listening:
            self._listening = False
            self._emit(EngineFailed(self.at, Ear.LISTENER, str(fault)))

    # ── the transcriber ───────────────────────────────────────────────────────────

    def _on_partial(self, turn: TurnAudio, hypothesis: Hypothesis) -> None:
        self._emit(self._heard(turn, hypothesis, final=False))

    def _transcriber_failed(self, error: Exception) -> None:
        """At one turn: its words are written by their sound. At two in a row: it is lost, but for
        a shared one whose nodes are away: they may be back at the next turn, and to ask is cheap.
        """
        away = isinstance(error, NodesAway)
        self._failures += not away
        if away or self._failures < FAILURES:
            log.warning("turn_not_transcribed", reason=type(error).__name__)
        elif self._transcriber is not None:
            self._transcriber = None
            self._emit(EngineFailed(self.at, Ear.TRANSCRIBER, type(error).__name__))

    def _heard(self, turn: TurnAudio, hypothesis: Hypothesis, *, final: bool) -> Heard:
        return Heard(
            self.at,
            turn.number,
            Ear.TRANSCRIBER,
            text=hypothesis.text,
            alternatives=hypothesis.alternatives,
            final=final,
            start=turn.start,
            end=turn.start + hypothesis.end,
            language=hypothesis.language,
            intelligible=hypothesis.intelligible,
        )

    # ── tasks ─────────────────────────────────────────────────────────────────────

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._ear.close()
