"""What is still to happen on a simulated day, in order of time."""

from __future__ import annotations

from enum import Enum, auto
from heapq import heappop, heappush
from itertools import count

from voicebot.simulation.people import Call, Caller


class Kind(Enum):
    """What happens to somebody at a moment."""

    SHIFT = auto()
    """A half-hour begins; to nobody."""
    AGAIN = auto()
    """A caller tries once more."""
    WAITED = auto()
    """A call has waited as long as it may."""
    SEAT_DONE = auto()
    BOT_DONE = auto()
    POLICE_DONE = auto()
    OVER = auto()
    """A call ends."""


class Agenda:
    """Events; those of one moment come in the order in which they were put down."""

    __slots__ = ("_events", "_order")

    def __init__(self) -> None:
        self._events: list[tuple[float, int, Kind, Call | Caller | None]] = []
        self._order = count()

    def at(self, when: float, kind: Kind, who: Call | Caller | None) -> None:
        """Put down an event at a second of the day."""
        heappush(self._events, (when, next(self._order), kind, who))

    def due(self, now: float) -> bool:
        """There is one by now."""
        return bool(self._events) and self._events[0][0] <= now

    def next(self) -> tuple[float, Kind, Call | Caller | None]:
        """The next one, which is taken off."""
        when, _, kind, who = heappop(self._events)
        return when, kind, who

    def __bool__(self) -> bool:
        return bool(self._events)
