"""The events of one call on their way to the core, in order."""

from __future__ import annotations

import asyncio
from collections import deque

from flows import events as ev


class EventQueue:
    """Takes events at any time, gives them one by one.

    Of an ear's partial hypotheses for a turn only the newest is kept: under load they are
    skipped rather than queued.
    """

    def __init__(self) -> None:
        self._events: deque[ev.Event] = deque()
        self._arrived = asyncio.Event()

    def put(self, event: ev.Event) -> None:
        """At the end of the queue; never waits."""
        if isinstance(event, ev.Heard):
            for index, waiting in enumerate(self._events):
                if (
                    isinstance(waiting, ev.Heard)
                    and not waiting.final
                    and (waiting.ear, waiting.turn) == (event.ear, event.turn)
                ):
                    del self._events[index]
                    break
        self._events.append(event)
        self._arrived.set()

    async def get(self) -> ev.Event:
        """The oldest; waits for one."""
        while not self._events:
            self._arrived.clear()
            await self._arrived.wait()
        return self._events.popleft()

    def get_nowait(self) -> ev.Event | None:
        """The oldest, None where there is none."""
        return self._events.popleft() if self._events else None
