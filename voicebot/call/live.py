"""What is happening in the calls right now, for screens: one feed, many watchers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import contextmanager
from typing import Any

QUEUE = 1_000
"""Messages kept for a watcher that does not read; the oldest go first."""


class LiveFeed:
    """Messages are plain JSON objects with `call_id`, `at` (seconds) and `kind`."""

    def __init__(self) -> None:
        self._watchers: set[asyncio.Queue[dict[str, Any]]] = set()

    def publish(self, message: dict[str, Any]) -> None:
        for queue in self._watchers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(message)

    async def subscribe(self) -> AsyncIterator[dict[str, Any]]:
        """Everything published from now on, until the iteration is closed."""
        with self._watcher() as queue:
            while True:
                yield await queue.get()

    @contextmanager
    def _watcher(self):  # type: ignore[no-untyped-def]
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(QUEUE)
        self._watchers.add(queue)
        try:
            yield queue
        finally:
            self._watchers.discard(queue)
