"""What 110's numbers gave to understand here, until the other nodes are told."""

from __future__ import annotations

from collections import deque
from typing import Final

from voicebot.cluster.line_leases import KEPT_S, Heard

MOST: Final = 500
"""Then the oldest is not told."""


class LinesHeard:
    """Every `at` is of one monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._heard: deque[tuple[float, Heard]] = deque(maxlen=MOST)

    def add(self, heard: Heard, at: float) -> None:
        """A line of ours is busy, rings, or has been answered."""
        self._heard.append((at, heard))

    def newest(self, at: float) -> tuple[Heard, ...]:
        """What was not told yet and is still worth telling, in order."""
        while self._heard and self._heard[0][0] < at - KEPT_S:
            self._heard.popleft()
        return tuple(heard for _, heard in self._heard)

    def told(self, count: int) -> None:
        """The others know of so many of `newest`."""
        for _ in range(min(count, len(self._heard))):
            self._heard.popleft()
