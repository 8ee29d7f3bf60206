"""Shares one transcriber among all who speak: finals before partials, stale partials dropped."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

FINAL, PARTIAL = 0, 1
"""Priorities."""


@dataclass(order=True)
class _Waiting:
    priority: int
    order: int
    owner: object = field(compare=False)
    job: Callable[[], Any] = field(compare=False)
    result: asyncio.Future[Any] = field(compare=False)


class DecodePool:
    """Runs decodes on `executor` in order of urgency, one at a time for each `run` at work.

    One decode at a time already keeps both cores busy where the engine has
    threads (ctranslate2); two at once would only make both late.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._waiting: list[_Waiting] = []
        self._order = itertools.count()
        self._wake = asyncio.Event()

    async def decode(self, owner: object, job: Callable[[], T], *, final: bool) -> T | None:
        """The job's result, or None if another job of the same owner makes it needless.

        Whichever comes later hears more of the turn; but no partial replaces a final.

        Raises:
            Exception: whatever the engine raised.
        """
        for old in self._waiting:
            if old.owner is owner and not old.result.done():
                if old.priority == FINAL and not final:
                    return None
                old.result.set_result(None)
        result: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        heapq.heappush(
            self._waiting,
            _Waiting(FINAL if final else PARTIAL, next(self._order), owner, job, result),
        )
        self._wake.set()
        return await result

    async def run(self) -> None:
        """Works until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            item = heapq.heappop(self._waiting)
            if item.result.done():
                continue
            try:
                result = await loop.run_in_executor(self._executor, item.job)
            except asyncio.CancelledError:
                item.result.cancel()
                raise
            except Exception as error:  # an engine's fault belongs to the call that asked
                if not item.result.done():
                    item.result.set_exception(error)
                continue
            if not item.result.done():
                item.result.set_result(result)
