"""What the other parties of a call say, as text: 110, a seat (坐席), 119 and so on.

A leg by itself, so that record, dossier and screens have both sides of a conversation. Partials
only where the transcriber has nothing else to do (`Urgency.SPARE`): the caller's, in which danger
is found, must not wait for them.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import structlog

from asr.service.hearing import Hearing, Reading
from asr.service.side import Side
from asr.urgency import Urgency
from telephony.codecs import Int16
from telephony.resampling import StreamResampler
from voicebot.call.turn_audio import RATE

log = structlog.get_logger()

KEPT_S = 15.0
"""Audio kept until the leg is known to be a person's: that is known after its first words. Later
it is what may wait while the recogniser is behind; then the oldest goes."""

BATCH_S = 0.1
"""Audio heard at a time."""

GAP_S = 0.3
"""Nothing for so long is a pause; the far side sends no audio in it."""

PAUSE_S = 0.8
"""The silence that is heard in its place, whatever its length: it ends an utterance."""

LAST_S = 1.5
"""How long the last words may take to be understood when the leg is over."""

SOUND_S = 2.0
"""How long they may then take to be written by sound, or without a listener to be understood."""

UNHEARD = "[听不清]"
"""Stands where something was said that no recogniser gave: whoever reads knows of the gap."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One utterance of a far side, in seconds of the call's clock.

    A final without text takes back what its partials said: it was no speech. The text of words
    that could not be recognised is `UNHEARD`.
    """

    start: float
    end: float
    text: str
    characters: bool
    """False: `text` was written by sound alone, where no transcriber is installed."""
    utterance: float
    """Where its sound begins: the same in all its partials and in its final, and in no other's."""
    final: bool = True


class FarWords:
    """The words of one leg. Never waits but in `close`, and never raises.

    Parameters:
        hearing: the recognisers, shared by all.
        report: takes each utterance when it is over, and as far as it has come before.
        now: seconds since the call was answered.
    """

    def __init__(
        self, hearing: Hearing, report: Callable[[Spoken], None], now: Callable[[], float]
    ) -> None:
        self._report, self._now = report, now
        self._side = Side(hearing, self._take, partials=Urgency.SPARE)
        self._unsettled: Spoken | None = None
        """What was told of an utterance whose final has not come."""
        self._frames: deque[tuple[float, Int16, int]] = deque()
        """(when it began, PCM, rate)."""
        self._kept_s = 0.0
        self._arrived = asyncio.Event()
        self._over = False
        self._to_16k: StreamResampler | None = None
        self._heard_s = 0.0
        self._anchors: list[tuple[float, float]] = []
        """(seconds of audio heard, the call's clock there), one for each stretch without a gap."""
        self._tasks: list[asyncio.Task[None]] = []

    def push(self, pcm: Int16, rate: int) -> None:
        """Audio of the far side as it comes, PCM16 mono."""
        seconds = len(pcm) / rate
        self._frames.append((self._now() - seconds, pcm, rate))
        self._kept_s += seconds
        while self._kept_s > KEPT_S:
            _, old, old_rate = self._frames.popleft()
            self._kept_s -= len(old) / old_rate
        self._arrived.set()

    def start(self) -> None:
        """It is a person's leg: its words count, from the first one that was kept."""
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._side.run(), name="far-words"),
                asyncio.create_task(self._follow(), name="far-audio"),
            ]

    async def close(self) -> None:
        """The leg is over; its last words are still understood, unless that takes too long."""
        tasks, self._tasks = self._tasks, []
        if not tasks:
            return
        working, following = tasks
        self._over = True
        self._arrived.set()
        ending = asyncio.create_task(self._hear_the_rest(following), name="far-last-words")
        try:
            _, late = await asyncio.wait({ending}, timeout=LAST_S)
            if late:
                self._side.hurry()
            async with asyncio.timeout(SOUND_S):
                await ending
        except Exception as error:
            log.warning("last_words_lost", reason=type(error).__name__)
        finally:
            ending.cancel()
            working.cancel()
            (worked,) = await asyncio.gather(working, return_exceptions=True)
            if isinstance(worked, Exception):
                log.error("far_side_not_recognised", exc_info=worked)
            for reading in self._side.unreported():
                await self._take(reading)
            self._settle()

    async def _follow(self) -> None:
        while not self._over:
            await self._arrived.wait()
            self._arrived.clear()
            try:
                await self._hear_kept()
            except Exception:
                log.exception("far_side_not_heard")
                return
            await asyncio.sleep(BATCH_S)

    async def _hear_the_rest(self, following: asyncio.Task[None]) -> None:
        await following  # cancelled, it would lose what it has taken and not heard
        await self._hear_kept()
        await self._side.finish()

    async def _hear_kept(self) -> None:
        while self._frames:
            await self._side.feed(self._next_stretch())

    def _next_stretch(self) -> Int16:
        """What was kept up to the next gap or change of rate, at 16 kHz."""
        began, pcm, rate = self._frames.popleft()
        pieces, seconds = [pcm], len(pcm) / rate
        while self._frames:
            at, pcm, other = self._frames[0]
            if other != rate or at - (began + seconds) > GAP_S:
                break
            pieces.append(pcm)
            seconds += len(pcm) / rate
            self._frames.popleft()
        self._kept_s -= seconds
        if self._to_16k is None or self._to_16k.rate_in != rate:
            self._to_16k = StreamResampler(rate, RATE)
        audio = self._to_16k.push(np.concatenate(pieces))
        if not self._anchors or began - self._clock(self._heard_s) > GAP_S:
            pause = np.zeros(round(PAUSE_S * RATE) if self._anchors else 0, np.int16)
            audio = np.concatenate([pause, audio])
            self._anchors.append((self._heard_s + len(pause) / RATE, began))
        self._heard_s += len(audio) / RATE
        return audio

    def _clock(self, heard_s: float) -> float:
        """The call's clock at a second of the audio."""
        index = bisect_right(self._anchors, (heard_s, float("inf"))) - 1
        since, at = self._anchors[max(0, index)]
        return at + heard_s - since

    async def _take(self, reading: Reading) -> None:
        spoken = Spoken(
            round(self._clock(reading.start), 2),
            round(self._clock(reading.end), 2),
            reading.text,
            not reading.by_sound,
            round(self._clock(reading.offset), 2),
            reading.hypothesis.final,
        )
        if reading.failed and self._unsettled is None:
            self._report(replace(spoken, text=UNHEARD))
        elif reading.failed:
            self._settle()
        elif spoken.text or (spoken.final and self._unsettled is not None):
            self._unsettled = None if spoken.final else spoken
            self._report(spoken)

    def _settle(self) -> None:
        """No final comes: what was heard last stands."""
        spoken, self._unsettled = self._unsettled, None
        if spoken is not None:
            self._report(replace(spoken, final=True))
