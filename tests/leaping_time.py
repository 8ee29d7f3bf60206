"""An event loop whose clock leaps to the next timer when there is nothing else to do.

A minute's wait takes no time, and a machine that stalls changes no result: work takes no
time on this clock, on the loop or in threads, for whose results the clock stands still.
For code that keeps to the loop's clock and has no far side outside its process.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

THREAD_S = 120.0
"""Real seconds after which work in a thread counts as hung."""


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.elsewhere: set[asyncio.Future[Any]] = set()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.elsewhere and timeout != 0:
            ready = super().select(THREAD_S)
            assert ready, f"work in a thread that does not end: {self.elsewhere}"
            return ready
        ready = super().select(timeout and 0)  # without a timer it waits, as others do
        if timeout is not None and not ready:
            self.now += timeout
        return ready


class LeapingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now

    def block(self, seconds: float) -> None:
        """As if the loop were held up for so long."""
        self._clock.now += seconds

    def run_in_executor(
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        return self.stand_still_for(super().run_in_executor(executor, func, *args))

    def stand_still_for(self, future: asyncio.Future[Any]) -> asyncio.Future[Any]:
        """No time passes until it is done."""
        self._clock.elsewhere.add(future)
        future.add_done_callback(self._clock.elsewhere.discard)
        return future


_wrap_future = asyncio.wrap_future


def wrap_future(future: Future[Any]) -> asyncio.Future[Any]:
    """In place of asyncio's, for code that hands work to threads of its own."""
    loop, wrapped = asyncio.get_running_loop(), _wrap_future(future)
    return loop.stand_still_for(wrapped) if isinstance(loop, LeapingLoop) else wrapped
