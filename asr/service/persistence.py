"""Asking for a final again while the engine is away: a node or a process that was lost, a server.

Streams keep the audio of a final that failed so (`asr.nodes.transcriber`, `asr.supervised.stream`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from asr.errors import EngineLost, RemoteUnreachable

T = TypeVar("T")

AWAY: Final = (EngineLost, RemoteUnreachable)
"""After these it may answer the same audio a moment later."""

AGAIN_S: Final = 1.0
"""Between two times that it is asked."""


class NoTimeLeft(Exception):
    """Whoever waits can wait no longer."""


async def persistently(
    ask: Callable[[], Awaitable[T]], *, until: float, hurried: asyncio.Event
) -> T:
    """What `ask` gives, which is called again while the engine is away.

    Args:
        until: when it is called for the last time, of the loop's clock.
        hurried: set: nobody waits any longer, whatever is at work.

    Raises:
        NoTimeLeft: `hurried` was set first.
        Exception: whatever `ask` raised, the last time.
    """
    loop = asyncio.get_running_loop()
    hurrying = loop.create_task(hurried.wait())
    try:
        while not hurried.is_set():
            asking = asyncio.ensure_future(ask())
            try:
                await asyncio.wait({asking, hurrying}, return_when=asyncio.FIRST_COMPLETED)
                if asking.done():
                    return asking.result()
            except AWAY:
                if loop.time() + AGAIN_S > until:
                    raise
            finally:
                asking.cancel()
            await asyncio.wait({hurrying}, timeout=AGAIN_S)
        raise NoTimeLeft
    finally:
        hurrying.cancel()
