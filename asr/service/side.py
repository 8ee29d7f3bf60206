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
from functools import partial

import structlog

from asr.service.hearing import Hearing, Reading
from asr.service.persistence import persistently
from asr.service.utterance import Utterance
from asr.service.utterances import Began, Ended, Speech, UtteranceFinder, VoiceActivity
from asr.service.wire import RATE, Int16
from asr.urgency import Urgency

log = structlog.get_logger()

_CHUNK = RATE // 2
"""Samples heard at a time: a message may hold minutes."""

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
        self._present: Utterance | None = None
        self._over: deque[Utterance] = deque()
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
        """The engine is waited for no longer where a listener can write what is over by sound."""
        if self._hearing.listener is not None:
            self._hurried.set()

    def unreported(self) -> list[Reading]:
        """Failed readings of the utterances that are over, and of one that was never heard to its
        end, where `run` is at work no more.
        """
        present = [self._present] if self._present is not None else []
        return [each.lost(self._hearing.engine.name) for each in (*self._over, *present)]

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
                self._present = Utterance(self._utterances, at, self._hearing)
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

    async def _give_partial(self, utterance: Utterance, urgency: Urgency) -> None:
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

    async def _recognise(self, utterance: Utterance) -> None:
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

    async def _without_engine(self, utterance: Utterance, error: Exception) -> Reading:
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
