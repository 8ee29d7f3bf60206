"""110, as far as the bot hands callers to it: seats, and those who wait for one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from voicebot.simulation.people import Call


class Police:
    """First come first served; nobody is turned away."""

    def __init__(self, seats: int) -> None:
        self._free = seats
        self._waiting: deque[tuple[float, Call]] = deque()

    def ask(self, call: Call, now: float) -> None:
        """A caller in danger is to be handed over."""
        self._waiting.append((now, call))

    def serve(self, lines: int) -> Iterator[tuple[float, Call]]:
        """Those who get a seat now, with the second at which they asked.

        Parameters:
            lines: outgoing lines that are free.
        """
        while self._waiting and self._free > 0 and lines > 0:
            self._free -= 1
            lines -= 1
            yield self._waiting.popleft()

    def give_back(self) -> None:
        """A seat is free again."""
        self._free += 1
