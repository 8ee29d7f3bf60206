"""One event loop in a thread of its own: sockets of all calls, while calls live in threads."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs until it is let go; daemonic, so that it holds up no exit."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        Thread(target=self._loop.run_forever, name=name, daemon=True).start()
        weakref.finalize(self, self._loop.call_soon_threadsafe, self._loop.stop).atexit = False

    def call(self, work: Callable[[], Any]) -> None:
        """Do something in the loop's thread, soon; from any thread, never waits."""
        self._loop.call_soon_threadsafe(work)

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine in the loop; cancel what is returned to stop it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)
