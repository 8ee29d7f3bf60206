"""What an outgoing leg tells whoever dialled it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from telephony.leg_state import LegEndReason, LegState


@dataclass(frozen=True, slots=True)
class LegProgress:
    """The leg has come to a new state: ringing, answered or acknowledged."""

    state: LegState


@dataclass(frozen=True, slots=True)
class LegAudio:
    """Audio from the desk.

    Parameters:
        pcm: 16-bit mono PCM in host order.
        rate: Hz.
        early: it came before the desk answered (early media, 早期媒体): no person.
    """

    pcm: bytes = field(repr=False)
    rate: int
    early: bool = False


@dataclass(frozen=True, slots=True)
class LegKey:
    """Somebody on the far side pressed a key, one of 0–9, * and # (RFC 4733, or a message)."""

    key: str


@dataclass(frozen=True, slots=True)
class LegEnded:
    """The last event of every leg."""

    reason: LegEndReason


LegEvent = LegProgress | LegAudio | LegKey | LegEnded


class LegEvents(AsyncIterator[LegEvent]):
    """What happened on a leg, in order, up to its end; never holds up who reports it.

    Parameters:
        max_frames: audio kept while nobody takes it; the oldest is dropped first.
    """

    def __init__(self, max_frames: int) -> None:
        self._max_frames = max_frames
        self._waiting: deque[LegEvent] = deque()
        self._frames = 0
        self._ready = asyncio.Event()
        self._ended = False
        self.dropped = 0

    def put(self, event: LegEvent) -> None:
        if isinstance(event, LegAudio):
            if self._frames >= self._max_frames:
                oldest = next(i for i, e in enumerate(self._waiting) if isinstance(e, LegAudio))
                del self._waiting[oldest]
                self._frames -= 1
                self.dropped += 1
            self._frames += 1
        self._ended = self._ended or isinstance(event, LegEnded)
        self._waiting.append(event)
        self._ready.set()

    async def __anext__(self) -> LegEvent:
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        event = self._waiting.popleft()
        self._frames -= isinstance(event, LegAudio)
        return event
