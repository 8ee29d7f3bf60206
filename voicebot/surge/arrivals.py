"""How many calls a minute a line is offered, counted here."""

from __future__ import annotations

from collections import deque

from flows.surge import COUNTED_S

SHORTEST_S = 60.0
"""A service that has just begun has seen no five minutes; a rate of seconds says nothing."""


class Arrivals:
    """Parameters:
    began: when counting began, on the clock of `at`.
    """

    def __init__(self, began: float) -> None:
        self._began = began
        self._times: dict[str, deque[float]] = {}

    def note(self, line: str, at: float) -> None:
        """A call was offered, wherever it goes."""
        self._times.setdefault(line, deque()).append(at)

    def per_min(self, line: str, at: float) -> float:
        """Over the last five minutes, or since counting began."""
        times = self._times.get(line)
        if times is None:
            return 0.0
        while times and times[0] < at - COUNTED_S:
            times.popleft()
        return 60.0 * len(times) / min(COUNTED_S, max(SHORTEST_S, at - self._began))
