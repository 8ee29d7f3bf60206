"""Whether a person is on a leg: enough voice was heard from the far side.

It listens in a task of its own, so that a slow voice detector holds up neither the
far side's audio nor the leg's events. Without a detector, loudness must do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from telephony.codecs import FRAME_SECONDS, Int16
from telephony.resampling import StreamResampler
from telephony.speech_level import window_is_loud

log = structlog.get_logger()

RATE = 16_000

PERSON_S = 0.4
"""Voice heard on the far side before it counts as a person."""

LOUD_S = 0.8
"""Sound, where nothing tells voice from other sound."""

VOICE = 0.6

MAX_WAITING = 100
"""Frames, 2 s: of more only the newest are listened to."""

MAKE_S = 1.0
"""How long a detector may take to be made before loudness must do."""

Probabilities = Callable[[Int16], Awaitable[list[tuple[float, int]]]]


class PersonWatch:
    """Listens to one leg until a person was heard.

    Parameters:
        make_voice: makes a voice detector for 16 kHz audio.
        heard: called once, when a person was.
    """

    def __init__(
        self, make_voice: Callable[[], Awaitable[Probabilities]], heard: Callable[[], None]
    ) -> None:
        self._make_voice, self._heard = make_voice, heard
        self._voice: Probabilities | None = None
        self._voice_s = self._loud_s = 0.0
        self._frames: deque[tuple[Int16, int]] = deque(maxlen=MAX_WAITING)
        self._arrived = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def push(self, pcm: Int16, rate: int) -> None:
        """Audio of the far side, PCM16 mono."""
        self._frames.append((pcm, rate))
        self._arrived.set()

    def close(self) -> None:
        """Stop listening."""
        self._task.cancel()

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(MAKE_S):
                self._voice = await self._make_voice()
        except Exception:
            log.exception("no_voice_detector")
        to_16k: StreamResampler | None = None
        while not self._is_person():
            await self._arrived.wait()
            self._arrived.clear()
            while self._frames:
                pcm, rate = self._frames.popleft()
                if to_16k is None or to_16k.rate_in != rate:
                    to_16k = StreamResampler(rate, RATE)
                await self._listen(to_16k.push(pcm))
        self._heard()

    def _is_person(self) -> bool:
        return self._voice_s >= PERSON_S or (self._voice is None and self._loud_s >= LOUD_S)

    async def _listen(self, pcm: Int16) -> None:
        self._loud_s += FRAME_SECONDS * float(window_is_loud(pcm, RATE).sum())
        if self._voice is None:
            return
        try:
            for probability, samples in await self._voice(pcm):
                if probability >= VOICE:
                    self._voice_s += samples / RATE
        except Exception:
            log.exception("voice_detector_failed")
            self._voice = None
