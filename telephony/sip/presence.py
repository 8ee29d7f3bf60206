"""Whether a line is still there: telephones and trunks that die say no goodbye. Pure.

A line sends audio all the time, silence too. One that has sent and then sends nothing is
lost; so is one that was answered and never sends. Where nothing need come (the far side
holds the call, or is seen to leave silence out) and with callers, whose telephones nobody
here chose, stillness alone proves nothing: the far side is asked (OPTIONS), and is lost
when it does not answer either.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

LOOK_S = 0.25
"""How often the packets are counted."""
MISSED_S = 2 * LOOK_S
"""What one look may count for: a stall of our own is not held against the far side."""
PAUSE_S = 1.0
"""Who is still for so long and goes on leaves silence out (VAD without comfort noise)."""
FIRST_TIMES = 2
"""A line that has just been answered has so much longer until its first packet."""
ASK_S = 3.0
"""How long an answer may take; within it the question is sent three times."""


class Step(Enum):
    WAIT = auto()
    ASK = auto()
    """Ask whether it is there, and tell `answered` when it says so."""
    LOST = auto()


@dataclass(slots=True)
class Presence:
    """One line.

    Parameters:
        still_limit_s: without a packet for so long it is lost.
        asked_limit_s: the same for one that is asked first.
    """

    still_limit_s: float
    asked_limit_s: float
    _still_s: float = 0.0
    _packets: int = 0
    _looked_at: float | None = None
    _leaves_out: bool = False
    _asked: bool = False

    def look(self, now: float, packets: int, *, must_send: bool) -> Step:
        """What is to be done.

        Parameters:
            now: on a monotonic clock, in seconds.
            packets: that have come so far.
            must_send: stillness is a proof.
        """
        elapsed = now - self._looked_at if self._looked_at is not None else 0.0
        self._looked_at = now
        if packets != self._packets:
            self._leaves_out |= bool(self._packets) and self._still_s >= PAUSE_S
            self._packets = packets
            self.answered()
            return Step.WAIT
        self._still_s += min(elapsed, MISSED_S)
        if must_send and not self._leaves_out:
            limit = self.still_limit_s * (1 if packets else FIRST_TIMES)
            return Step.LOST if self._still_s >= limit else Step.WAIT
        if self._asked:
            return Step.LOST if self._still_s >= self.asked_limit_s else Step.WAIT
        self._asked = self._still_s >= self.asked_limit_s - ASK_S
        return Step.ASK if self._asked else Step.WAIT

    def answered(self) -> None:
        """It has said that it is there, or has sent something."""
        self._still_s, self._asked = 0.0, False
