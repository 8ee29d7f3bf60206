"""How many calls a minute a line is offered, at this node and at the others."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from flows.surge import COUNTED_S

SHORTEST_S = 60.0
"""A service that has just begun has seen no five minutes; a rate of seconds says nothing."""
MOST_COUNTED = 50_000
"""Arrivals of a line that are remembered: ten thousand a minute."""


@dataclass(slots=True)
class _Counted:
    """A line's arrivals of the last minutes, the oldest first: when, which call, for how many."""

    arrivals: deque[tuple[float, str, int]] = field(default_factory=deque)
    keys: set[str] = field(default_factory=set)
    calls: int = 0

    def add(self, at: float, key: str, calls: int) -> None:
        if len(self.arrivals) == MOST_COUNTED:
            self._drop()
        self.arrivals.append((at, key, calls))
        self.keys.add(key)
        self.calls += calls

    def forget(self, before: float) -> None:
        while self.arrivals and self.arrivals[0][0] < before:
            self._drop()

    def _drop(self) -> None:
        _, key, calls = self.arrivals.popleft()
        self.keys.discard(key)
        self.calls -= calls


class Arrivals:
    """Parameters:
    began: when counting began, on the clock of `at`.
    """

    def __init__(self, began: float) -> None:
        self._began = began
        self._lines: dict[str, _Counted] = {}

    def note(self, line: str, at: float, key: str = "", stands_for: int = 1) -> bool:
        """A call was offered, wherever it goes; False: it is counted already.

        Parameters:
            key: the call's own, whichever node it is offered to; "": it is told apart by nothing.
            stands_for: how many calls it is counted for.
        """
        counted = self._lines.setdefault(line, _Counted())
        counted.forget(at - COUNTED_S)
        if key and key in counted.keys:
            return False
        counted.add(at, key, stands_for)
        return True

    def per_min(self, line: str, at: float) -> float:
        """Over the last five minutes, or since counting began."""
        counted = self._lines.get(line)
        if counted is None:
            return 0.0
        counted.forget(at - COUNTED_S)
        return 60.0 * counted.calls / min(COUNTED_S, max(SHORTEST_S, at - self._began))
