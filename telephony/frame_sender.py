"""Sends on a WebSocket without ever holding up whoever has something to send.

Audio is worth nothing late: when the far side stalls, the oldest frames are
dropped and counted. Everything else (marks, keys, dossiers) is kept, in order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

Send = Callable[[str], Awaitable[None]]


class FrameSender:
    """A bounded queue in front of a socket.

    Parameters:
        send: puts one text message on the socket; may wait.
        max_frames: audio frames kept while the socket stalls.
        max_messages: other messages kept; more means that the far side is dead.
    """

    def __init__(self, send: Send, *, max_frames: int, max_messages: int = 1000) -> None:
        self._send = send
        self._max_frames, self._max_messages = max_frames, max_messages
        self._queue: deque[tuple[str | None, str]] = deque()
        self._frames = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.dropped_frames = 0

    def audio(self, text: str) -> None:
        """Queues a media message; the oldest one goes when the queue is full."""
        if self._frames >= self._max_frames:
            oldest = next(i for i, (kind, _) in enumerate(self._queue) if kind == "audio")
            del self._queue[oldest]
            self._frames -= 1
            self.dropped_frames += 1
        self._frames += 1
        self._put("audio", text)

    def message(self, text: str) -> bool:
        """Queues another message; False when the queue is full and it is lost."""
        if len(self._queue) - self._frames >= self._max_messages:
            return False
        self._put(None, text)
        return True

    def newest(self, kind: str, text: str) -> None:
        """Queues a message that takes the place of a waiting one of its kind."""
        for i, (waiting, _) in enumerate(self._queue):
            if waiting == kind:
                self._queue[i] = (kind, text)
                return
        self._put(kind, text)

    async def run(self) -> None:
        """Sends what is queued until cancelled, or until the socket raises."""
        while True:
            await self._wake.wait()
            while self._queue:
                kind, text = self._queue.popleft()
                self._frames -= kind == "audio"
                await self._send(text)
            self._wake.clear()
            self._idle.set()

    async def drain(self, timeout_s: float) -> None:
        """Waits until everything is on its way, at most so long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return

    def _put(self, kind: str | None, text: str) -> None:
        self._queue.append((kind, text))
        self._idle.clear()
        self._wake.set()
