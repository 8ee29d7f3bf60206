"""What takes long to count, kept for a while: a month is not counted anew at every click."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

KEPT_S = 300.0
WAITED_S = 0.12
"""A page comes without its figures rather than later."""
MOST = 64
"""Counts; those that were asked for the longest ago go first."""
RUNNING = 4
"""Counts under way; what is asked for beside them is begun when it is asked for again."""


class Kept(Generic[T]):
    """Counts of one kind, by what they are of."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[float, asyncio.Task[T]]] = OrderedDict()

    async def get(
        self, key: Hashable, count: Callable[[], Coroutine[Any, Any, T]]
    ) -> tuple[T, float] | None:
        """What was counted, and when: at most `KEPT_S` ago; None: it is being counted, and will be
        there when it is asked for again. Raises what `count` raises.
        """
        at = time.time()
        known = self._kept.get(key)
        if known is None or at - known[0] >= KEPT_S or _failed(known[1]):
            if sum(not task.done() for _, task in self._kept.values()) >= RUNNING:
                return None
            known = self._kept[key] = at, asyncio.create_task(count())
        self._kept.move_to_end(key)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        # Whoever leaves meanwhile leaves the others their count.
        done, _ = await asyncio.wait({known[1]}, timeout=WAITED_S)
        return (known[1].result(), known[0]) if done else None


def _failed(task: asyncio.Task[T]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
