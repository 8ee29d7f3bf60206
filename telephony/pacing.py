"""A clock that ticks every 20 ms and never drifts.

Tick k is due at start + k · period, whatever the ticks before it cost: a late
tick is followed at once by the next, so the number of frames sent always fits
the time that has passed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from telephony.codecs import FRAME_SECONDS


class FrameClock:
    """Waits for frame boundaries.

    Parameters:
        period: seconds between ticks.
        now: monotonic clock, seconds.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        period: float = FRAME_SECONDS,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._period, self._now, self._sleep = period, now, sleep
        self._start: float | None = None
        self._index = 0
        self.worst_lateness = 0.0
        """Seconds by which the latest tick so far came after it was due."""

    async def tick(self) -> int:
        """Waits until the next boundary is due; gives its index, from 0."""
        if self._start is None:
            self._start = self._now()
        index = self._index
        due = self._start + index * self._period
        while (wait := due - self._now()) > 0:
            await self._sleep(wait)
        if index:
            self.worst_lateness = max(self.worst_lateness, -wait)
        if wait < -self._period:
            await self._sleep(0)  # while catching up, let the receiver run too
        self._index += 1
        return index
