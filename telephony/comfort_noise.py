"""A line on which nobody speaks is quiet, not dead.

A caller who hears digital silence thinks that the line is gone, and a gateway that gets no
RTP for some seconds hangs up. So a telephone line of ours sends all the time: where nothing
is said, a noise as faint as that of an idle line (compare RFC 3389, section 3).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import cycle

import numpy as np

from telephony.codecs import FRAME_SECONDS, Int16
from telephony.pacing import FrameClock

LEVEL_DBFS = -62.0
"""Root mean square; an idle line of the telephone network lies near it, speech 35 dB above."""

HOLD_S = 0.04
"""Who has sent something so lately goes on: a frame that comes just in time is not held up by
noise before it. An application that sends 60 ms ahead is followed by noise without a gap."""

LOOP_S = 5.0
"""After which the noise repeats; a shorter loop is heard as a rhythm."""


@cache
def noise_frames(rate: int) -> tuple[Int16, ...]:
    """Comfort noise in frames of 20 ms at `rate` Hz, the same every time."""
    frame = round(rate * FRAME_SECONDS)
    count = round(LOOP_S / FRAME_SECONDS)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 32768 * 10 ** (LEVEL_DBFS / 20), (count, frame))
    return tuple(noise.round().astype(np.int16))


class NoiseFiller:
    """Fills what an application leaves empty on a line that plays at the speed of life.

    Parameters:
        rate: Hz.
        send: puts a frame of 20 ms on the line; must not wait.
        clock: ticks once a frame.
        now: monotonic clock, seconds.
    """

    def __init__(
        self,
        rate: int,
        send: Callable[[Int16], None],
        now: Callable[[], float],
        clock: FrameClock | None = None,
    ) -> None:
        self._rate, self._send, self._now = rate, send, now
        self._clock = clock or FrameClock(now=now)
        self._noise = cycle(noise_frames(rate))
        self._plays_until = self._sent_at = float("-inf")

    def sent(self, samples: int) -> None:
        """So much of the application's audio has just been put on the line."""
        self._sent_at = self._now()
        self._plays(samples)

    def cleared(self) -> None:
        """What was on the line is gone."""
        self._plays_until = self._sent_at = float("-inf")

    async def run(self) -> None:
        """Until cancelled. Less than a frame is kept ahead, so that speech never waits."""
        while True:
            await self._clock.tick()
            now = self._now()
            if self._plays_until - now < FRAME_SECONDS and now - self._sent_at >= HOLD_S:
                frame = next(self._noise)
                self._send(frame)
                self._plays(len(frame))

    def _plays(self, samples: int) -> None:
        self._plays_until = max(self._now(), self._plays_until) + samples / self._rate
