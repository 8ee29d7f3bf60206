"""The caller's audio on its way in: on the call's own clock, and never waiting for an ear.

Carriers send no packets in silence (DTX), gateways stall, clients flood. Whoever takes the
audio here gets as much as time has passed: what does not come is silence. Ears that fall
behind are told of, for the call cannot go on by them; what they have not heard waits for
them all the same, so that it comes on record, and danger in it to light, if late.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import numpy as np
import structlog

from telephony.codecs import FRAME_SECONDS, Int16

GAP_S = 0.2
"""Without packets for so long, silence is put in their place; ordinary jitter is below it."""

AT_ONCE_S = 0.1
"""Most audio given to the ears in one go when they have fallen behind."""

AHEAD_S = 0.1
"""Change of `Intake.ahead_s` that counts; less is jitter."""

BEHIND_S = 5.0
"""Audio that waits for the ears when they are said to be behind."""

MOST_S = 120.0
"""Audio that may wait for them; the oldest is dropped first."""

REST_S, HURRIED_S = 30.0, 5.0
"""How long ears that were behind may take for the rest when a call is over, and when somebody waits
for it: a caller who is still there, a service that is being stopped."""

CATCH_UP = 2.0
"""Ears that were behind get so many seconds of audio a second: other callers are heard first."""

log = structlog.get_logger()


class Intake:
    """One call's incoming audio.

    Parameters:
        rate: of the line, Hz.
        now: seconds since the call was answered.
        at_once: takes all audio the moment it comes: the far side's leg, the recording. What it
            gives back is for the ears.
        ears: hears it, slower perhaps.
        behind: told once when the ears have let `BEHIND_S` pile up.
    """

    def __init__(
        self,
        rate: int,
        now: Callable[[], float],
        at_once: Callable[[Int16], Int16],
        ears: Callable[[Int16], Awaitable[None]],
        behind: Callable[[], None],
    ) -> None:
        self._rate, self._now = rate, now
        self._at_once, self._ears, self._behind = at_once, ears, behind
        self._samples = 0
        self._newest = 0.0
        """When the last packet came."""
        self._queue: deque[Int16] = deque()
        self._queued = 0
        self._came = asyncio.Event()
        self._behind_once = False
        self.ahead_s = 0.0
        """How far the audio is ahead of the clock: what came late, after silence had been put
        in its place. What happens now belongs to that much later a place in it."""

    def push(self, pcm: Int16) -> None:
        """A packet of the caller's, any length. Never waits."""
        self._newest = self._now()
        self._take(pcm)
        ahead_s = max(0.0, self._samples / self._rate - self._newest)
        if abs(ahead_s - self.ahead_s) > AHEAD_S:
            self.ahead_s = ahead_s

    async def keep_time(self) -> None:
        """Puts silence where no packets come, until cancelled."""
        while True:
            await asyncio.sleep(FRAME_SECONDS)
            now = self._now()
            missing = round(now * self._rate) - self._samples
            if now - self._newest >= GAP_S and missing > 0:
                self._take(np.zeros(missing, np.int16))

    async def feed(self) -> None:
        """Gives the ears what there is, until cancelled."""
        while True:
            while not self._queue:  # what came may have been too much, and gone again
                self._came.clear()
                await self._came.wait()
            pcm = self._next()
            await self._ears(pcm)
            if self._behind_once and self._queue:
                await asyncio.sleep(len(pcm) / self._rate / CATCH_UP)

    async def feed_rest(self, hurry: asyncio.Event) -> None:
        """Gives the ears what they were behind with, now that no more comes.

        It may take `REST_S`; once somebody waits for it (`hurry`), `HURRIED_S`.
        """
        feeding = asyncio.create_task(self._feed_rest())
        hurried = asyncio.create_task(hurry.wait())
        try:
            await asyncio.wait(
                {feeding, hurried}, timeout=REST_S, return_when=asyncio.FIRST_COMPLETED
            )
            if hurry.is_set():
                await asyncio.wait({feeding}, timeout=HURRIED_S)
            if feeding.done():
                feeding.result()
            else:
                log.error("words_not_heard", seconds=round(self._queued / self._rate, 1))
        finally:
            for task in (feeding, hurried):
                task.cancel()
            await asyncio.gather(feeding, hurried, return_exceptions=True)

    async def _feed_rest(self) -> None:
        while self._behind_once and self._queue:
            await self._ears(self._next())

    def _next(self) -> Int16:
        """The oldest audio that waits."""
        most = round(AT_ONCE_S * self._rate)
        taken = [self._queue.popleft()]
        if len(taken[0]) > most:  # the silence of a long gap
            self._queue.appendleft(taken[0][most:])
            taken[0] = taken[0][:most]
        while self._queue and sum(map(len, taken)) + len(self._queue[0]) <= most:
            taken.append(self._queue.popleft())
        pcm = np.concatenate(taken)
        self._queued -= len(pcm)
        return pcm

    def _take(self, pcm: Int16) -> None:
        self._samples += len(pcm)
        self._queue.append(self._at_once(pcm))
        self._queued += len(pcm)
        if self._queued > BEHIND_S * self._rate and not self._behind_once:
            self._behind_once = True
            log.error("ears_behind", seconds=BEHIND_S)
            self._behind()
        while self._queued > MOST_S * self._rate:
            self._queued -= len(self._queue.popleft())
        self._came.set()
