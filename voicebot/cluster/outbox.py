"""Messages that wait for NATS, in their order: of too many the oldest are lost. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

PENDING: Final = 2_000
"""Messages that wait at most."""


class Outbox:
    """A queue of (subject, payload)."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[int, tuple[str, bytes]] = OrderedDict()
        self._newest: dict[str, int] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, subject: str, payload: bytes, *, newest_only: bool = False) -> int:
        """One more; how many are lost by it.

        Parameters:
            newest_only: the one of this subject that waits still is worth nothing any more.
        """
        if newest_only:
            self._waiting.pop(self._newest.get(subject, -1), None)
            self._newest[subject] = self._next
        lost = len(self._waiting) >= PENDING
        if lost:
            self._waiting.popitem(last=False)
        self._waiting[self._next] = subject, payload
        self._next += 1
        return int(lost)

    def take(self) -> tuple[str, bytes]:
        """The oldest.

        Raises:
            KeyError: nothing waits.
        """
        return self._waiting.popitem(last=False)[1]
