"""Which decode is next: a pure queue.

The most urgent first, the longest waiting first within one urgency. Of each owner (a turn, an
utterance) one request waits, for whichever comes later hears more of the audio.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

from asr.urgency import Urgency

W = TypeVar("W")

MOST_PARTIALS = 32
"""Partials that may wait; on two cores that is ten seconds of work."""


@dataclass(eq=False, slots=True)
class Request(Generic[W]):
    """A decode that is asked for.

    Args:
        owner: whose audio it is; told from others by identity.
        urgency: may rise while it waits.
        asked_at: seconds of the asker's clock.
        work: what to do.
        ahead: a final of a turn that may go on: those that are over go first, and words asked for
            because of possible danger, so that guesses cost nothing where there is no room.
    """

    owner: object
    urgency: Urgency
    asked_at: float
    work: W
    ahead: bool = False
    place: int = 0
    """In the order of those as urgent."""


class DecodeQueue(Generic[W]):
    """The requests that wait.

    Args:
        most_partials: beyond so many the stalest falls out. Finals never do.
    """

    def __init__(self, most_partials: int = MOST_PARTIALS) -> None:
        self._most = most_partials
        self._waiting: list[Request[W]] = []
        self._places = 0
        self._last: object = None
        """Who had the last partial, if it was a sentinel's."""
        self.dropped = 0
        """Partials for which there was no place."""

    @property
    def waiting(self) -> Counter[Urgency]:
        """How many wait."""
        return Counter(request.urgency for request in self._waiting)

    def put(self, request: Request[W]) -> list[Request[W]]:
        """Takes a request in; those that it makes needless, and those without a place, come back.

        A partial replaces no final: the request itself comes back. What replaces a partial has
        its place and its urgency, if that is the greater, so that nobody waits longer for
        having asked again.
        """
        self._places += 1
        request.place = self._places
        old = self._find(request.owner)
        gone: list[Request[W]] = []
        if old is not None:
            if old.urgency is Urgency.FINAL and request.urgency is not Urgency.FINAL:
                return [request]
            if old.urgency <= request.urgency:
                request.urgency, request.place = old.urgency, old.place
            self._waiting.remove(old)
            gone.append(old)
        self._waiting.append(request)
        partials = [each for each in self._waiting if each.urgency is not Urgency.FINAL]
        if len(partials) > self._most:
            stalest = max(partials, key=lambda each: (each.urgency, -each.asked_at, -each.place))
            self._waiting.remove(stalest)
            self.dropped += 1
            gone.append(stalest)
        return gone

    def take(self, busy: Collection[int] = ()) -> Request[W] | None:
        """The next request, which waits no longer; None where there is nothing to do.

        A call's second sentinel in a row takes its turn with the partials of the others: whoever
        talks of danger without end does not silence everybody else.

        Args:
            busy: `id` of owners of whom a decode is at work: theirs come one after the other.
        """
        ready = [request for request in self._waiting if id(request.owner) not in busy]
        if not ready:
            return None
        request = min(ready, key=self._rank)
        self._waiting.remove(request)
        if request.urgency is not Urgency.FINAL:
            self._last = request.owner if request.urgency is Urgency.SENTINEL else None
        return request

    def hasten(self, owner: object) -> bool:
        """Makes what waits of the owner a sentinel at least, and a final ahead of its time one
        that is due; False where nothing waits."""
        request = self._find(owner)
        if request is not None:
            request.ahead = False
        if request is not None and request.urgency is Urgency.PARTIAL:
            self._places += 1
            request.urgency, request.place = Urgency.SENTINEL, self._places
        return request is not None

    def withdraw(self, owner: object) -> Request[W] | None:
        """What waits of the owner, and waits no longer."""
        request = self._find(owner)
        if request is not None:
            self._waiting.remove(request)
        return request

    def discard(self, request: Request[W]) -> None:
        """Nobody wants it any more; harmless for one that does not wait."""
        if request in self._waiting:
            self._waiting.remove(request)

    def _find(self, owner: object) -> Request[W] | None:
        return next((each for each in self._waiting if each.owner is owner), None)

    def _rank(self, request: Request[W]) -> tuple[Urgency, bool, int]:
        again = request.urgency is Urgency.SENTINEL and request.owner is self._last
        urgency = Urgency.PARTIAL if again else request.urgency
        if request.ahead:
            urgency = Urgency.SENTINEL
        return urgency, request.ahead, request.place
