"""An answered call on a socket that carries audio both ways and little else.

The common half of `audio_fork` and `audio_socket`: nothing here ever waits for the far
side, because the dialogue hangs up, hands off and is interrupted through this object.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from telephony.call_control import CallEvents, Capability, PlainControl
from telephony.codecs import Int16

MAX_WAITING = 50
"""Audio frames kept while the socket stalls: 1 s. Then the oldest goes; late audio is
worth nothing."""

KEYS = frozenset("0123456789*#")


class PlainLine(PlainControl):
    """The control of a call; its socket is run by `carry`.

    Parameters:
        rate: Hz of the call's audio in the application.
    """

    capabilities: frozenset[Capability] = frozenset()

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.gone = asyncio.Event()
        """Set when either side has hung up."""
        self.dropped_frames = 0
        self._events: CallEvents | None = None
        self._waiting: deque[bytes | str] = deque()
        self._wake = asyncio.Event()

    # ── the application's side ────────────────────────────────────────────────────

    def listen(self, events: CallEvents) -> None:
        self._events = events
        if self.gone.is_set():
            events.caller_hung_up()

    async def send_audio(self, pcm: Int16) -> None:
        self.queue(pcm)

    def queue(self, pcm: Int16) -> None:
        """Audio for the far side; never waits."""
        if sum(isinstance(item, bytes) for item in self._waiting) >= MAX_WAITING:
            self._waiting.remove(next(i for i in self._waiting if isinstance(i, bytes)))
            self.dropped_frames += 1
        self.put(self.encode(pcm))

    async def send_mark(self, name: str) -> None:
        """These protocols have no marks."""

    async def clear(self) -> None:
        self._waiting = deque(item for item in self._waiting if isinstance(item, str))

    async def hang_up(self) -> None:
        self.gone.set()

    # ── the endpoint's side ───────────────────────────────────────────────────────

    def encode(self, pcm: Int16) -> bytes:
        """A frame as it goes on the wire."""
        raise NotImplementedError

    def put(self, item: bytes | str) -> None:
        """Queues audio (bytes) or a message (str) for the far side."""
        self._waiting.append(item)
        self._wake.set()

    async def hear(self, pcm: Int16) -> None:
        if self._events is not None and len(pcm):
            await self._events.hear(pcm)

    def press(self, key: str) -> None:
        if self._events is not None and key in KEYS:
            self._events.press(key)

    def caller_gone(self) -> None:
        """The socket is closed, or the far side said goodbye."""
        if not self.gone.is_set():
            self.gone.set()
            if self._events is not None:
                self._events.caller_hung_up()

    async def carry(
        self,
        reading: Coroutine[Any, Any, None],
        write: Callable[[bytes | str], Awaitable[None]],
    ) -> None:
        """Runs until either side hangs up.

        Parameters:
            reading: hands on what arrives; returns when the far side is gone.
            write: puts one item on the socket; may wait, and may raise OSError.
        """
        tasks = {
            asyncio.create_task(reading),
            asyncio.create_task(self._send(write)),
            asyncio.create_task(_until(self.gone)),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.caller_gone()
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome  # a fault of ours

    async def _send(self, write: Callable[[bytes | str], Awaitable[None]]) -> None:
        try:
            while True:
                while self._waiting:
                    await write(self._waiting.popleft())
                self._wake.clear()
                await self._wake.wait()
        except OSError:
            return


async def _until(event: asyncio.Event) -> None:
    await event.wait()
