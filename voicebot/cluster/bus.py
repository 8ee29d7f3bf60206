"""One connection to NATS, for everything that processes of an installation tell each other.

Messages are JSON objects. Whatever becomes of NATS, nobody on the path of a call waits for it or
is told of it: what cannot be sent waits in a short queue, then the oldest is lost and counted, and
whoever needs every message numbers them (`voicebot.cluster.live_events`). A connection is tried
again for ever. Of what comes, nothing can fill the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from asr.errors import RemoteAddressInvalid
from asr.nodes.connection import INBOX, Away, Connection
from voicebot.cluster.errors import (
    BusAway,
    BusError,
    BusMessageTooLarge,
    BusSettingsError,
    NobodyAnswers,
    Refused,
)
from voicebot.cluster.messages import Message, decoded, encoded
from voicebot.cluster.nats_servers import servers_of
from voicebot.cluster.outbox import Outbox
from voicebot.config_nats import Nats

log = structlog.get_logger()

Handler = Callable[[Message], None]
Answerer = Callable[[Message], Awaitable[Message | None]]

MOST_UNHANDLED: Final = 20_000
"""Received messages of a subject that wait for their handler; then the newest are lost."""
AT_ONCE: Final = 64
"""Requests that one `answer` has in hand at a time; the next ones wait."""
TOLD_EVERY_S: Final = 1.0
"""So often one and the same failure is in the log at most."""
ERROR: Final = "$error"
"""Key of an answer that is none: the code of the error."""


@dataclass(slots=True)
class BusFigures:
    """Messages since the start, and connections that were lost."""

    sent: int = 0
    lost: int = 0
    """Never sent, or came faster than they were taken."""
    received: int = 0
    unreadable: int = 0
    """Received, and no JSON object, or its handler failed."""
    disconnected: int = 0


@dataclass(frozen=True, slots=True)
class _Wanted:
    subject: str
    queue: str
    take: Callable[[Msg], Awaitable[None]]


class Bus:
    """Made by `open_bus`.

    Parameters:
        settings: with at least one server.
        name: of this process, for the server's own lists.

    Raises:
        BusSettingsError: the token or the certificates cannot be read.
    """

    def __init__(self, settings: Nats, name: str) -> None:
        self._outbox = Outbox()
        self._wanted: list[_Wanted] = []
        self._subscribed = 0
        self._wake = asyncio.Event()
        self._client: Client | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._subject = settings.subject
        self._told_at: dict[str, float] = {}
        self.figures = BusFigures()
        try:
            self._connection = Connection(
                servers_of(settings),
                name,
                subscribe=self._begin,
                lost=self._lost,
                overrun=self._overrun,
            )
        except RemoteAddressInvalid as error:
            raise BusSettingsError(str(error)) from None

    @property
    def connected(self) -> bool:
        """Whether a server is there now."""
        return self._connection.up

    def publish(self, subject: str, message: Message, *, newest_only: bool = False) -> None:
        """To whoever subscribes; returns at once and never raises.

        Parameters:
            newest_only: it is all that is to be told of the subject: one that waits is not sent.
        """
        try:
            payload = encoded(message)
        except (TypeError, ValueError):
            self._failed("bus_message_unreadable", subject)
            return
        self.figures.lost += self._outbox.put(subject, payload, newest_only=newest_only)
        self._wake.set()

    def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> None:
        """Every message of `subject` from the next connection on, in order; until the bus ends.

        Parameters:
            handler: quick; what it raises is logged.
            queue: of several subscribers with the same name, one gets each message.
        """

        async def take(received: Msg) -> None:
            message = self._decoded(received)
            if message is not None:
                try:
                    handler(message)
                except Exception:
                    self._failed("bus_message_not_handled", subject)

        self._want(_Wanted(self._full(subject), queue, take))

    def answer(self, subject: str, handler: Answerer, *, queue: str = "") -> None:
        """Answers each request of `subject`, several at a time; until the bus ends.

        Parameters:
            handler: what it raises reaches the asker as `Refused`, by its code alone; None is no
                answer, where others are asked as well.
            queue: of several that answer under the same name, one gets each request.
        """
        free = asyncio.Semaphore(AT_ONCE)

        async def reply(message: Message, received: Msg) -> None:
            try:
                answer = await handler(message)
                payload = self._that_fits(encoded(answer)) if answer is not None else b""
            except Exception as error:
                self._failed("bus_request_failed", subject, counted=False)
                payload = encoded({ERROR: str(getattr(error, "code", type(error).__name__))})
            finally:
                free.release()
            if payload:
                await self._connection.answer(received.reply, payload)

        async def take(received: Msg) -> None:
            message = self._decoded(received)
            # An answer goes to who waits for it, and to no subject that others read.
            if message is not None and received.reply.startswith(INBOX):
                await free.acquire()
                self._spawn(reply(message, received))

        self._want(_Wanted(self._full(subject), queue, take))

    async def request(self, subject: str, message: Message, timeout_s: float) -> Message:
        """The answer of one of those that answer `subject`.

        Raises:
            BusAway: no connection; at once.
            BusMessageTooLarge: nor is it asked.
            NobodyAnswers: nobody takes such requests, or not within `timeout_s`.
            Refused: he who took it failed.
        """
        client = self._client
        if client is None or not self.connected:
            raise BusAway("There is no connection to NATS now.")
        payload = self._that_fits(encoded(message))
        try:
            async with asyncio.timeout(timeout_s):
                received = await client.request(self._full(subject), payload, timeout=timeout_s)
        except (nats.errors.NoRespondersError, TimeoutError):
            raise NobodyAnswers(f"Nobody has answered {subject} within {timeout_s:g} s.") from None
        except (nats.errors.Error, OSError) as error:
            raise BusAway(f"The connection to NATS is lost ({type(error).__name__}).") from None
        answer = self._decoded(received)
        if answer is None:
            raise BusError(f"The answer to {subject} cannot be read.")
        if ERROR in answer:
            raise Refused(str(answer[ERROR]))
        return answer

    async def run(self) -> None:
        """Keeps the connection, until cancelled."""
        sending = asyncio.create_task(self._send(), name="bus-sending")
        try:
            await self._connection.run()
        finally:
            for task in (sending, *self._tasks):
                task.cancel()

    async def flush(self, within_s: float = 1.0) -> None:
        """Waits until what was published and subscribed is with the server, if it is there."""
        with contextlib.suppress(TimeoutError, nats.errors.Error, OSError):
            async with asyncio.timeout(within_s):
                while self.connected and self._unsent:  # noqa: ASYNC110 - rare, and soon over
                    await asyncio.sleep(0.01)
                if self._client is not None:
                    await self._client.flush(max(1, int(within_s)))

    @property
    def _unsent(self) -> bool:
        return bool(self._outbox) or self._subscribed < len(self._wanted)

    # ── the connection ────────────────────────────────────────────────────────────

    async def _begin(self, client: Client) -> None:
        self._subscribed = 0
        await self._subscribe_rest(client)
        self._client = client
        self._wake.set()

    def _lost(self) -> None:
        self._client = None
        self.figures.disconnected += 1

    def _overrun(self) -> None:
        self.figures.lost += 1

    async def _subscribe_rest(self, client: Client) -> None:
        while self._subscribed < len(self._wanted):
            wanted = self._wanted[self._subscribed]
            self._subscribed += 1
            await client.subscribe(
                wanted.subject, wanted.queue, wanted.take, pending_msgs_limit=MOST_UNHANDLED
            )

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._client is not None:
                with contextlib.suppress(nats.errors.Error, OSError):
                    await self._subscribe_rest(self._client)
            while self.connected and self._outbox:
                subject, payload = self._outbox.take()
                try:
                    await self._connection.publish(subject, self._that_fits(payload))
                    self.figures.sent += 1
                except BusMessageTooLarge:
                    self._failed("bus_message_too_large", subject, counted=False)
                    self.figures.lost += 1
                except Away:
                    self.figures.lost += 1

    def _want(self, wanted: _Wanted) -> None:
        self._wanted.append(wanted)
        self._wake.set()

    def _full(self, subject: str) -> str:
        return f"{self._subject}.{subject}"

    def _that_fits(self, payload: bytes) -> bytes:
        """Raises:
        BusMessageTooLarge: the server would not take it; known here, so that it can be told.
        """
        if not self._connection.takes(payload):
            raise BusMessageTooLarge(f"NATS takes no message of {len(payload)} bytes.")
        return payload

    def _decoded(self, received: Msg) -> Message | None:
        self.figures.received += 1
        try:
            return decoded(received.data)
        except ValueError:
            self.figures.unreadable += 1
            return None

    def _failed(self, what: str, subject: str, *, counted: bool = True) -> None:
        """Within an ``except``."""
        self.figures.unreadable += counted
        now, key = time.monotonic(), f"{what} {subject}"
        if now - self._told_at.get(key, float("-inf")) >= TOLD_EVERY_S:
            self._told_at[key] = now
            log.exception(what, subject=subject)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@contextlib.asynccontextmanager
async def open_bus(settings: Nats, name: str) -> AsyncIterator[Bus]:
    """The bus, connecting by itself, until the block ends; NATS need not be there.

    Raises:
        BusSettingsError: the token or the certificates cannot be read.
    """
    bus = Bus(settings, name)
    running = asyncio.create_task(bus.run(), name="bus")
    try:
        yield bus
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
