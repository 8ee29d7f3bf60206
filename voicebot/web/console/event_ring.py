"""The newest live events, numbered, for readers that come, go and come back.

A reader needs no queue of its own: it holds a number, and takes what is newer. Whoever comes back
with a number that the ring no longer reaches is told so, and looks anew.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

RESET = "reset"
BEGIN = "begin"
CLOSED_TO_ROLE = b""
"""An event that a role may not see."""

Shown = Callable[[Mapping[str, Any], str], Mapping[str, Any] | None]
"""What a role may see of the data of an event; None: nothing."""


@dataclass(slots=True)
class Event:
    """One event; it is written out once for each role that reads it."""

    seq: int
    topic: str
    data: Mapping[str, Any]
    shown: Shown
    at: float
    """time.monotonic()."""
    _written: dict[str, bytes] = field(default_factory=dict)

    def bytes_for(self, role: str) -> bytes:
        """As text/event-stream has it; empty where the role may not see it."""
        known = self._written.get(role)
        if known is None:
            data = self.shown(self.data, role)
            known = CLOSED_TO_ROLE if data is None else written(self.seq, self.topic, data)
            self._written[role] = known
        return known

    def amend(self, data: Mapping[str, Any]) -> None:
        """Whoever reads it from now on reads this."""
        self.data = data
        self._written.clear()


def written(seq: int, topic: str, data: Mapping[str, Any]) -> bytes:
    """One event of a text/event-stream."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"id: {seq}\nevent: {topic}\ndata: {text}\n\n".encode()


class EventRing:
    """Parameters:
    first: number of the first event; larger than any that an earlier process gave, so that
        its readers are told that they have missed something.
    size: events that are kept.
    """

    def __init__(self, first: int, size: int) -> None:
        self._events: deque[Event] = deque(maxlen=size)
        self._next = first

    @property
    def newest(self) -> int:
        """Number of the newest event; one before the first if there is none yet."""
        return self._next - 1

    def add(self, topic: str, data: Mapping[str, Any], shown: Shown) -> Event:
        event = Event(self._next, topic, data, shown, time.monotonic())
        self._events.append(event)
        self._next += 1
        return event

    def amend(self, right: Callable[[str, Mapping[str, Any]], Mapping[str, Any]]) -> None:
        """Put right what is kept: `right` gives the data of each event, from topic and data, or
        the same where it stays.
        """
        for event in self._events:
            data = right(event.topic, event.data)
            if data is not event.data:
                event.amend(data)

    def skip(self) -> None:
        """Something was missed that has no number: nobody's number reaches beyond this moment."""
        self._events.clear()
        self._next += 1

    def before(self, at: float) -> int:
        """Number of the newest event that is not younger than this (time.monotonic())."""
        younger = itertools.takewhile(lambda event: event.at > at, reversed(self._events))
        return self.newest - sum(1 for _ in younger)

    def reaches(self, after: int) -> bool:
        """Nothing that came after this number is lost."""
        oldest = self._events[0].seq if self._events else self._next
        return oldest - 1 <= after <= self.newest

    def after(self, seq: int, topics: Collection[str]) -> list[Event]:
        """What is newer, of these topics, in order."""
        # From its end: a ring has minutes, and what is newer came in an instant.
        newer = itertools.takewhile(lambda event: event.seq > seq, reversed(self._events))
        return [event for event in newer if event.topic in topics][::-1]
