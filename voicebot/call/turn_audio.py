"""One turn of the caller as audio, and its way through the transcriber.

While the turn lasts it is decoded every so often, at once when the voice pauses (so that the
final is ready when the turn is found to have ended), and whenever the core asks for the words.
However long a decode has to wait, it hears all audio there is when it begins.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from asr.hypothesis import Hypothesis, Recognizer, RecognizerStream
from asr.pool import DecodePool
from asr.urgency import Urgency
from telephony.codecs import Int16

RATE = 16_000

MIN_DECODE_S = 0.3
"""Shorter audio holds no word worth a decode."""

T = TypeVar("T")
Float32 = NDArray[np.float32]


class Spawn(Protocol):
    def __call__(self, work: Coroutine[Any, Any, T], /) -> asyncio.Task[T]:
        """A task that ends with the call."""
        ...


@dataclass(frozen=True, slots=True)
class Transcriber:
    """What a turn needs to be transcribed.

    Parameters:
        engine, pool: shared by all calls.
        spawn: starts a decode.
        failed: told what the engine raised at a turn, once; the turn has no transcriber then.
    """

    engine: Recognizer
    pool: DecodePool
    spawn: Spawn
    failed: Callable[[Exception], None]


@dataclass(slots=True)
class _Speculation:
    """A final decoded ahead of time, and how much of the turn it covers."""

    samples: int
    result: asyncio.Task[Hypothesis | None]


class TurnAudio:
    """A turn, from its first sample to its final text.

    Parameters:
        number: of the turn.
        start: sample of the call at which it begins.
        pcm: its audio so far, (n,) int16 at 16 kHz.
        transcriber: None without one.
        report: takes partial hypotheses.
    """

    def __init__(
        self,
        number: int,
        start: int,
        pcm: Int16,
        transcriber: Transcriber | None,
        report: Callable[[TurnAudio, Hypothesis], None],
    ) -> None:
        self.number, self.start = number, start / RATE
        self._audio = [pcm]
        self._samples = self._last_voice = len(pcm)
        self._transcriber, self._report = transcriber, report
        self._stream: RecognizerStream | None = None
        self._unheard: deque[Float32] = deque([as_float(pcm)] if transcriber else [])
        self._heard = 0
        """Samples that went to the engine."""
        self._wanted_at = 0
        """Samples there were when the core last asked for the words."""
        self._over = False
        self._decodes = 0
        """Asked for, and not done."""
        self._asked_at = self._asked_before = 0
        """Samples there were when the last decode was asked for, and the one before."""
        self._ahead: _Speculation | None = None
        self.failed = False
        """The engine raised at it."""

    def add(self, pcm: Int16) -> None:
        """The next audio of the turn."""
        self._audio.append(pcm)
        self._samples += len(pcm)
        if self._transcriber is not None:
            self._unheard.append(as_float(pcm))

    def voiced(self) -> None:
        """There was a voice in the newest audio."""
        self._last_voice = self._samples

    @property
    def pcm(self) -> Int16:
        """All of it."""
        self._audio = [np.concatenate(self._audio)]
        return self._audio[0]

    def paused(self) -> None:
        """The voice stopped: decode what may prove to be the whole turn. Its partial that still
        waits is needless then."""
        self._decode(Urgency.FINAL)

    def resumed(self) -> None:
        """The voice went on: a final that still waits would hold up those of others for nothing,
        and the next partial is due as if none had been asked for."""
        if self._transcriber is not None and self._transcriber.pool.withdraw(self):
            self._ahead = None
            self._asked_at = self._asked_before

    def partial_if_due(self, every: float) -> None:
        """A partial once `every` samples with a voice have come since the last decode, or one that
        was asked for and not given."""
        self._decode_if_wanted()
        if not self._decodes and self._last_voice - self._asked_at >= every:
            self._decode(Urgency.PARTIAL)

    def transcribe_now(self) -> None:
        """A partial ahead of those of other calls, or when the decode at work is done."""
        self._wanted_at = self._samples
        if self._transcriber is not None and not self._transcriber.pool.hasten(self):
            self._decode_if_wanted()

    async def final(self) -> Hypothesis | None:
        """The turn is over: its best reading, from the decode made ahead where that covers it.

        None without a transcriber, or when it failed.
        """
        self._over = True
        if self._transcriber is None:
            return None
        ahead = self._ahead
        if ahead is not None and ahead.samples >= self._last_voice:
            self._transcriber.pool.hasten(self)
            hypothesis = await ahead.result
            if hypothesis is not None or self.failed:
                return hypothesis
        return await self._hypothesis(self._transcriber, Urgency.FINAL)

    # ── decoding ──────────────────────────────────────────────────────────────────

    def _decode_if_wanted(self) -> None:
        new = self._last_voice - self._asked_at
        wanted = self._wanted_at > self._heard
        if wanted and not self._decodes and new >= MIN_DECODE_S * RATE:
            self._decode(Urgency.SENTINEL)

    def _decode(self, urgency: Urgency) -> None:
        transcriber = self._transcriber
        if transcriber is None or self._over or self._samples < MIN_DECODE_S * RATE:
            return
        self._asked_before, self._asked_at = self._asked_at, self._samples
        self._decodes += 1
        decoding = transcriber.spawn(self._decode_now(transcriber, urgency))
        if urgency is Urgency.FINAL:
            self._ahead = _Speculation(self._samples, decoding)

    async def _decode_now(self, transcriber: Transcriber, urgency: Urgency) -> Hypothesis | None:
        """Decode what there is; a partial until the turn is known to be over."""
        ahead = urgency is Urgency.FINAL
        hypothesis = await self._hypothesis(transcriber, urgency, ahead=ahead)
        self._decodes -= 1
        if hypothesis is not None and not self._over:
            self._asked_at = max(self._asked_at, self._heard)
            self._report(self, hypothesis)
            self._decode_if_wanted()
        return hypothesis

    async def _hypothesis(
        self, transcriber: Transcriber, urgency: Urgency, *, ahead: bool = False
    ) -> Hypothesis | None:
        final = urgency is Urgency.FINAL
        work = partial(self._recognise, transcriber.engine, final=final)
        try:
            return await transcriber.pool.decode(
                self, work, urgency, ahead=ahead, audio_s=self._samples / RATE
            )
        except Exception as error:
            if not self.failed:
                self.failed, self._transcriber = True, None
                self._unheard.clear()
                transcriber.failed(error)
            return None

    def _recognise(self, engine: Recognizer, *, final: bool) -> Hypothesis:
        """In the pool's thread, one at a time: some engines recognise inside `feed`."""
        if self._stream is None:
            self._stream = engine.stream()
        for _ in range(len(self._unheard)):
            pcm = self._unheard.popleft()
            self._stream.feed(pcm)
            self._heard += len(pcm)
        return self._stream.decode(final=final)


def as_float(pcm: Int16) -> Float32:
    """int16 → float32 within ±1."""
    return pcm.astype(np.float32) / 32768.0
