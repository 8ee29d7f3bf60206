"""What becomes of a caller whom the application has left, alive or dead; pure.

Together with a leg they stay until either hangs up. Alone, be it that the leg is gone
without a word, they hear the ring-back tone and the fallback, which is a human queue, is
dialled until somebody answers; where none is configured they hear the busy tone and are
hung up.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

RETRY_S = 2.0
"""Between two attempts to reach the fallback."""
GIVE_UP_S = 180.0
"""How long the fallback is tried."""
ANSWER_S = 60.0
"""How long the fallback may ring at each attempt."""
BUSY_S = 3.0
"""How long the busy tone is heard before the caller is hung up."""


class Step(Enum):
    WAIT = auto()
    RING_BACK = auto()
    """Play the ring-back tone, and wait."""
    DIAL = auto()
    """Dial the fallback."""
    QUIET = auto()
    """No tone: somebody is there."""
    BUSY = auto()
    """Play the busy tone."""
    HANG_UP = auto()


@dataclass(slots=True)
class Care:
    """One caller's state; times on one monotonic clock, in seconds.

    Parameters:
        fallback: there is one to dial.
        left_at: when the application left.
    """

    fallback: bool
    left_at: float
    tone: Step = Step.QUIET
    joined: bool = False
    tried_at: float | None = None
    busy_at: float | None = None

    def step(self, now: float, *, bridged: bool, has_legs: bool, was_lost: bool) -> Step:
        """What to do now.

        Parameters:
            bridged: a leg has answered.
            has_legs: a leg is on its way or up.
            was_lost: the last that was up has not hung up, but is gone without a word.
        """
        if bridged:
            self.joined = True
            return self._tone(Step.QUIET)
        if self.joined and not was_lost:  # the other side has hung up
            return Step.HANG_UP
        if self.joined:
            self.joined, self.left_at, self.tried_at = False, now, None
        if self.busy_at is not None:
            return Step.HANG_UP if now - self.busy_at >= BUSY_S else Step.WAIT
        if has_legs:
            return self._tone(Step.RING_BACK)
        if not self.fallback or now - self.left_at > GIVE_UP_S:
            self.busy_at = now
            return self._tone(Step.BUSY)
        if self.tone is not Step.RING_BACK:
            return self._tone(Step.RING_BACK)
        if self.tried_at is not None and now - self.tried_at < RETRY_S:
            return Step.WAIT
        self.tried_at = now
        return Step.DIAL

    def _tone(self, wanted: Step) -> Step:
        if self.tone is wanted:
            return Step.WAIT
        self.tone = wanted
        return wanted
