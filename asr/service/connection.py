"""A client's WebSocket as the two conversations see it: messages in, texts out, within limits."""

from __future__ import annotations

import asyncio

import structlog
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from asr.service.errors import Stopping, StreamError

log = structlog.get_logger()

_MOST_REASON_BYTES = 120
"""RFC 6455, section 5.5: a control frame holds 125 bytes, two of them the code."""


class Connection:
    """Args:
    socket: after the opening handshake.
    stopping: set when the service is being stopped.
    idle_s: how long a client may send nothing, or not take what it is sent, seconds.
    """

    def __init__(self, socket: ServerConnection, stopping: asyncio.Event, idle_s: float) -> None:
        self._socket, self._idle_s = socket, idle_s
        self._stopping = asyncio.ensure_future(stopping.wait())

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            Stopping: the service is being stopped.
            StreamError: `idle`.
            ConnectionClosed: the client has gone.
        """
        if self._stopping.done():
            raise Stopping
        receiving = asyncio.ensure_future(self._socket.recv())
        try:
            await asyncio.wait(
                {receiving, self._stopping},
                timeout=self._idle_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if receiving.done():
                return receiving.result()
            if self._stopping.done():
                raise Stopping
            raise StreamError("idle", f"Nothing came for {self._idle_s:g} s.")
        finally:
            if not receiving.done():
                receiving.cancel()

    async def send(self, text: str) -> None:
        """Send a text. A client that has gone, or takes nothing, is met in `receive`."""
        try:
            async with asyncio.timeout(self._idle_s):
                await self._socket.send(text)
        except ConnectionClosed:
            pass
        except TimeoutError:
            log.warning("client_takes_nothing", client=self.client)
            self._socket.transport.abort()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye; the reason as far as a close frame holds it."""
        short = reason.encode()[:_MOST_REASON_BYTES].decode(errors="ignore")
        await self._socket.close(code, short)

    def release(self) -> None:
        """The conversation is over."""
        self._stopping.cancel()

    @property
    def client(self) -> str:
        """The client's address."""
        address = self._socket.remote_address
        return str(address[0]) if address else ""
