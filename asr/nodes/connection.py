"""A connection to NATS that is made again whenever it is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import nats.errors
import structlog
from nats.aio.client import Client

from asr.nodes.address import NatsServers
from asr.remote.address import is_loopback

log = structlog.get_logger()

CONNECT_S: Final = 2
PAUSE_S, LONGEST_PAUSE_S = 0.1, 1.0
"""Before the first new attempt to connect; then twice as long, up to."""
CLOSE_S: Final = 2.0
"""A client that is not closed within this is let go as it is."""
PING_EVERY_S: Final = 0.5
PONG_S: Final = 2
"""A server that does not answer for so long is frozen, and left."""
SEND_S: Final = 1.0
"""What is not sent within this is not sent."""
PENDING_BYTES: Final = 16 << 20
INBOX: Final = "_INBOX."
"""Subjects on which answers are waited for begin so."""


_SAYS_LITTLE = (nats.errors.NoServersError, nats.errors.ConnectionClosedError)
"""What came before says more."""


class Away(Exception):
    """There is no connection, or it was lost; the text says why, for people."""


class SafeClient(Client):
    """Says nothing, not even its token, to a server that would have it in plain text.

    The library takes what a server says of itself: one that claims not to want TLS is spoken to
    without, and servers that it names are taken up.
    """

    def _connect_command(self) -> bytes:
        server = self._current_server
        assert server is not None
        plain = not self._server_info.get("tls_required")
        if plain and (server.uri.scheme == "tls" or not is_loopback(server.uri.hostname or "")):
            raise nats.errors.SecureConnWantedError
        return super()._connect_command()


class Connection:
    """Made in the loop that ``run`` then runs in, and used there alone.

    Args:
        servers: of the cluster.
        name: of this process, for the servers' own lists.
        subscribe: called with each new client.
        lost: called when one is lost.
        overrun: called when messages came faster than they were taken, and some are lost.

    Raises:
        RemoteAddressInvalid: the certificates cannot be read.
    """

    def __init__(
        self,
        servers: NatsServers,
        name: str,
        *,
        subscribe: Callable[[Client], Awaitable[None]],
        lost: Callable[[], None] = lambda: None,
        overrun: Callable[[], None] = lambda: None,
    ) -> None:
        self._servers, self._tls, self._name = servers, servers.tls(), name
        self._subscribe, self._lost, self._overrun = subscribe, lost, overrun
        self._client: Client | None = None
        self._up = asyncio.Event()
        self._why = "not yet connected"
        self._told = False
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def up(self) -> bool:
        """Whether a server is there now."""
        return self._client is not None and self._client.is_connected

    @property
    def why(self) -> str:
        """What the newest failure was."""
        return self._why

    @property
    def max_payload(self) -> int | None:
        """Bytes that a message may have, as the server says; None without one."""
        return self._client.max_payload if self._client is not None else None

    def takes(self, message: bytes) -> bool:
        """Whether the server takes one of that size; True without one: nobody knows its limit."""
        most = self.max_payload
        return most is None or len(message) <= most

    async def wait(self, seconds: float) -> bool:
        """Whether a server is there, or comes within so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._up.wait()
        return self.up

    async def publish(self, subject: str, message: bytes, *, reply: str = "") -> None:
        """Send a message.

        Raises:
            Away: it is not sent.
        """
        client = self._client
        if client is None or not client.is_connected:
            raise Away(self._why)
        try:
            async with asyncio.timeout(SEND_S):
                await client.publish(f"{self._servers.subject}.{subject}", message, reply=reply)
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise Away(_named(error)) from None

    async def answer(self, reply: str, message: bytes) -> None:
        """Send an answer to where a request wants it; what cannot be sent is not."""
        client = self._client
        if client is None or not reply:
            return
        with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
            async with asyncio.timeout(SEND_S):
                await client.publish(reply, message)

    async def run(self) -> None:
        """Keeps a connection until cancelled; what is sent by then still goes out."""
        try:
            pause = PAUSE_S
            while True:
                try:
                    await self._one()
                except Exception as error:  # the library's parser raises what it likes
                    pause = PAUSE_S if not self._told else min(2 * pause, LONGEST_PAUSE_S)
                    self._away(error)
                _end_if_cancelled()
                await asyncio.sleep(pause)
        finally:
            if self._closing:
                await asyncio.wait(self._closing, timeout=CLOSE_S)

    async def _one(self) -> None:
        client, ended = SafeClient(), asyncio.Event()

        async def failed(error: Exception) -> None:
            if isinstance(error, nats.errors.SlowConsumerError):
                log.warning("nats_messages_lost", reason=_named(error))
                self._overrun()
            elif "permissions violation" in str(error).lower():
                log.error("nats_forbids", reason=_named(error))
            self._why = _named(error)

        async def closed() -> None:
            ended.set()

        try:
            await client.connect(
                list(self._servers.urls),
                name=self._name,
                token=self._servers.token or None,
                tls=self._tls,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=CONNECT_S,
                pending_size=PENDING_BYTES,
                error_cb=failed,
                closed_cb=closed,
            )
            await self._subscribe(client)
            self._client, self._told = client, False
            self._why = "the connection is lost"
            self._up.set()
            log.info("nats_connected", servers=len(self._servers.urls))
            while not ended.is_set():
                await client.flush(timeout=PONG_S)
                _end_if_cancelled()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PING_EVERY_S):
                        await ended.wait()
            raise nats.errors.ConnectionClosedError
        finally:
            if self._client is not None:
                self._client = None
                self._up.clear()
                self._lost()
            self._close(client)

    def _away(self, error: Exception) -> None:
        if not isinstance(error, _SAYS_LITTLE):
            self._why = _named(error)
        if not self._told:
            self._told = True
            log.error("nats_away", reason=self._why)

    def _close(self, client: Client) -> None:
        """Without waiting: a frozen server would have us wait for ever."""
        closing: asyncio.Task[Any] = asyncio.create_task(_closed(client))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


def _end_if_cancelled() -> None:
    """The library waits with `asyncio.wait_for`, which before Python 3.12 hides a cancellation
    that comes with what it waited for (github.com/python/cpython/issues/86296): we would go on for
    ever, and whoever ends us wait as long.

    Raises:
        asyncio.CancelledError: this task has been told to end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _closed(client: Client) -> None:
    with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            await client.close()


def _named(error: Exception) -> str:
    return str(error).removeprefix("nats: ") or type(error).__name__
