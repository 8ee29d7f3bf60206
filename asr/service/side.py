"""One speaker of a connection: audio in, partial and final readings out, in order.

Utterances are found by voice activity and recognised through a pool that all connections share.
While the engine is away a final is asked for again, then written from the listener's syllables.
A side has one partial and one final with the pool at a time, so whoever sends faster than the
recogniser works waits, and partials become fewer under load.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock

import numpy as np
import structlog

from asr.domain import NO_WORDS, DomainWords
from asr.guards import judged
from asr.hanzi import written
from asr.hypothesis import Hypothesis, Pcm, Recognizer, RecognizerStream
from asr.pool import DecodePool
from asr.service.persistence import persistently
from asr.service.utterances import (
    Began,
    Ended,
    Speech,
    UtteranceFinder,
    UtteranceLimits,
    VoiceActivity,
)
from asr.service.wire import RATE, Int16, NewResampler
from asr.urgency import Urgency

log = structlog.get_logger()

_CHUNK = RATE // 2
"""Samples heard at a time: a message may hold minutes."""

_FEWEST_HEARD = 2
"""Syllables that must be heard where a transcriber found no words: one alone may be noise."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What all connections share.

    Args:
        engine: gives the readings.
        listener: a phonetic recogniser that judges them and adds syllables; None without one.
        pool: the queue of both.
        executor: the thread of voice activity.
        new_voice: a voice detector for one stream. Called in `executor`.
        new_resampler: for rates other than 16 kHz.
        limits: of utterances.
        partial_every_s: seconds with a voice between two partials at least.
        waiting_s: seconds of finished utterances a side may have waiting; then it is not read.
        words: of the domain, which finals are corrected to.
        again_s: how long after its end an utterance is asked for again while the engine is away.
    """

    engine: Recognizer
    listener: Recognizer | None
    pool: DecodePool
    executor: Executor
    new_voice: Callable[[], VoiceActivity]
    new_resampler: NewResampler
    limits: UtteranceLimits = field(default_factory=UtteranceLimits)
    partial_every_s: float = 0.5
    waiting_s: float = 60.0
    words: DomainWords = NO_WORDS
    again_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What was recognised of an utterance, its times in seconds from the start of the stream.

    ``hypothesis`` holds the text, its own times from second ``offset`` of the stream on;
    ``syllables`` what the phonetic recogniser heard. ``by_sound`` is True where the text was
    written from them alone: the transcriber has no words for it, or there is none, or it is away. Of
    an utterance that could not be recognised ``failed`` is True and the text empty.
    """

    utterance: int
    offset: float
    start: float
    end: float
    hypothesis: Hypothesis
    syllables: tuple[str, ...] = ()
    by_sound: bool = False
    failed: bool = False

    @property
    def text(self) -> str:
        """What was said, in hanzi or another script."""
        return self.hypothesis.text


Report = Callable[[Reading], Awaitable[None]]


class Side:
    """Hears one speaker; `run` must be at work.

    Args:
        hearing: shared by all.
        report: takes the readings: the partials of an utterance, its final, the next one's.
        partials: how soon they are needed; None: there are none.
    """

    def __init__(
        self,
        hearing: Hearing,
        report: Report,
        *,
        partials: Urgency | None = Urgency.PARTIAL,
    ) -> None:
        self._hearing, self._report, self._partials = hearing, report, partials
        self._finder = UtteranceFinder(hearing.limits)
        self._voice: VoiceActivity | None = None
        self._utterances = 0
        self._present: _Utterance | None = None
        self._over: deque[_Utterance] = deque()
        self._changed = asyncio.Condition()
        self._partial: asyncio.Task[None] | None = None
        self._hurried = asyncio.Event()

    async def feed(self, pcm: Int16) -> None:
        """The next audio (n,) at 16 kHz, any length; waits while too much is unrecognised."""
        loop = asyncio.get_running_loop()
        for begin in range(0, pcm.size, _CHUNK):
            chunk = pcm[begin : begin + _CHUNK]
            windows = await loop.run_in_executor(self._hearing.executor, self._hear, chunk)
            for found in self._finder.push(chunk, windows):
                await self._take(found)
            self._partial_if_due()
            await self._until(lambda: self._waiting_s <= self._hearing.waiting_s)

    async def finish(self) -> None:
        """No more audio: ends the utterance in progress and waits for the last final."""
        for found in self._finder.finish():
            await self._take(found)
        await self.settled()

    async def settled(self) -> None:
        """Waits until every utterance that is over has been reported."""
        await self._until(lambda: not self._over)

    def hurry(self) -> None:
        """There is no more time: what is over and not recognised is written by sound."""
        self._hurried.set()

    def unreported(self) -> list[Reading]:
        """Failed readings of the utterances that are over, where `run` is at work no more."""
        return [utterance.lost(self._hearing.engine.name) for utterance in self._over]

    async def run(self) -> None:
        """Recognises the utterances that are over, one after the other, until cancelled."""
        try:
            while True:
                await self._until(lambda: bool(self._over))
                await self._recognise(self._over[0])
                async with self._changed:
                    self._over.popleft()
                    self._changed.notify_all()
        finally:
            if self._partial is not None:
                self._partial.cancel()

    # ── audio ─────────────────────────────────────────────────────────────────────

    def _hear(self, pcm: Int16) -> list[tuple[float, int]]:
        if self._voice is None:
            self._voice = self._hearing.new_voice()
        return self._voice.probabilities(pcm)

    async def _take(self, found: Began | Speech | Ended) -> None:
        match found:
            case Began(at):
                self._utterances += 1
                self._present = _Utterance(self._utterances, at, self._hearing)
            case Speech(pcm, voiced) if self._present is not None:
                self._present.add(pcm, voiced=voiced)
            case Ended(at) if self._present is not None:
                self._present.end = at
                self._present.over_at = asyncio.get_running_loop().time()
                async with self._changed:
                    self._over.append(self._present)
                    self._changed.notify_all()
                self._present = None

    @property
    def _waiting_s(self) -> float:
        return sum(utterance.seconds for utterance in self._over)

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(condition)

    # ── readings ──────────────────────────────────────────────────────────────────

    def _partial_if_due(self) -> None:
        present = self._present
        if self._partials is None or present is None or self._over:
            return
        if self._partial is not None and not self._partial.done():
            return
        if present.voiced_s >= self._hearing.pool.partial_interval(self._hearing.partial_every_s):
            present.voiced_s = 0.0
            self._partial = asyncio.create_task(self._give_partial(present, self._partials))

    async def _give_partial(self, utterance: _Utterance, urgency: Urgency) -> None:
        work = partial(utterance.recognise, final=False)
        try:
            reading = await self._hearing.pool.decode(
                utterance, work, urgency, audio_s=utterance.seconds
            )
        except Exception as error:  # the final will tell the client
            log.warning("partial_failed", engine=self._hearing.engine.name, error=repr(error))
            return
        if reading is not None and reading.hypothesis and utterance.end is None:
            await self._report(reading)

    async def _recognise(self, utterance: _Utterance) -> None:
        work = partial(utterance.recognise, final=True)
        ask = partial(
            self._hearing.pool.decode, utterance, work, Urgency.FINAL, audio_s=utterance.seconds
        )
        until = utterance.over_at + self._hearing.again_s
        try:
            reading = await persistently(ask, until=until, hurried=self._hurried)
        except Exception as error:
            reading = await self._without_engine(utterance, error)
        if reading is not None:
            await self._report(reading)

    async def _without_engine(self, utterance: _Utterance, error: Exception) -> Reading:
        engine = self._hearing.engine.name
        try:
            reading = await asyncio.to_thread(utterance.by_sound)
        except Exception as another:
            log.error("listener_failed", error=repr(another))
            reading = None
        if reading is None:
            log.error("utterance_lost", engine=engine, error=repr(error))
            return utterance.lost(engine)
        log.warning("utterance_by_sound", engine=engine, error=repr(error))
        return reading


class _Utterance:
    """One utterance on its way through the recognisers."""

    def __init__(self, number: int, start: float, hearing: Hearing) -> None:
        self._number, self._start, self._hearing = number, start, hearing
        self.end: float | None = None
        """Once it is over."""
        self.over_at = 0.0
        """When that was, of the loop's clock."""
        self.seconds = self.voiced_s = 0.0
        """Its length, and the seconds with a voice since the last partial."""
        self._waiting: deque[Pcm] = deque()
        self._audio: list[Pcm] = []
        self._streams: list[RecognizerStream] = []
        self._working = Lock()
        self._by_sound: Hypothesis | None = None

    def add(self, pcm: Int16, *, voiced: bool) -> None:
        seconds = pcm.size / RATE
        self.seconds += seconds
        self.voiced_s += seconds if voiced else 0.0
        samples = pcm.astype(np.float32) / 32768.0
        self._waiting.append(samples)
        self._audio.append(samples)

    def recognise(self, *, final: bool) -> Reading | None:
        """In the pool's thread. None for a partial that comes too late."""
        with self._working:
            if not final and self.end is not None:
                return None
            if not self._streams:
                engines = (self._hearing.engine, self._hearing.listener)
                self._streams = [engine.stream() for engine in engines if engine is not None]
            while self._waiting:
                pcm = self._waiting.popleft()
                for stream in self._streams:
                    stream.feed(pcm)
            hypothesis, *heard = [stream.decode(final=final) for stream in self._streams]
        syllables = heard[0].syllables if heard else hypothesis.syllables
        if final and heard:
            hypothesis = judged(hypothesis, syllables, self._hearing.words)
        by_sound = not hypothesis.text and len(syllables) >= (_FEWEST_HEARD if heard else 1)
        if by_sound:
            ear = replace(heard[0] if heard else hypothesis, intelligible=hypothesis.intelligible)
            hypothesis = self._by_sound = written(ear, before=self._by_sound)
        end = self._start + hypothesis.end
        return Reading(
            self._number,
            self._start,
            self._start + hypothesis.start if hypothesis else self._start,
            min(end, self.end) if self.end is not None else end,
            hypothesis,
            syllables,
            by_sound,
        )

    def by_sound(self) -> Reading | None:
        """The final by the listener alone; None without one, or where it heard no words."""
        if self._hearing.listener is None:
            return None
        heard = self._hearing.listener.transcribe(np.concatenate(self._audio))
        if len(heard.syllables) < _FEWEST_HEARD:
            return None
        hypothesis = written(heard, before=None)
        start, end = self._start + hypothesis.start, self._start + hypothesis.end
        end = end if self.end is None else min(end, self.end)
        syllables = heard.syllables
        return Reading(self._number, self._start, start, end, hypothesis, syllables, by_sound=True)

    def lost(self, engine: str) -> Reading:
        """The final of an utterance that the engine failed on."""
        end = self._start + self.seconds
        return Reading(
            self._number, self._start, self._start, end, Hypothesis(engine, final=True), failed=True
        )
