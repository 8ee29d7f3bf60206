"""What comes from the nodes: replies to whoever waits for them, and how each node is."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from asr.nodes import messages
from asr.nodes.address import NatsServers
from asr.nodes.connection import Away, Connection
from asr.nodes.messages import Answer, Status, Unreadable
from asr.nodes.roster import Roster

log = structlog.get_logger()

UNREADABLE_EVERY_S: Final = 1.0
"""Log lines of messages that nobody can read are no more frequent."""
_NO_RESPONDERS: Final = "503"


class Nobody:
    """NATS says that nobody takes what was sent."""


Reply = Answer | Nobody | Away
"""`Away`: the connection was lost; nobody will reply any more."""


class Replies:
    """To the messages of one request; made by `Mailbox.replies`."""

    def __init__(self, mailbox: Mailbox, key: str) -> None:
        self._mailbox, self._key = mailbox, key
        self._came: asyncio.Queue[tuple[str, Reply]] = asyncio.Queue()

    async def send(self, subject: str, message: bytes) -> str:
        """The mark of what was sent, which its replies have.

        Raises:
            Away: it was not sent.
        """
        mark = self._mailbox.new_mark()
        await self._mailbox.connection.publish(
            subject, message, reply=f"{self._mailbox.inbox}.{self._key}.{mark}"
        )
        return mark

    async def next(self, seconds: float) -> tuple[str, Reply | None]:
        """With the mark of what it replies to; ("", None) where none comes within so long."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                return await self._came.get()
        except TimeoutError:
            return "", None

    def came(self, mark: str, reply: Reply) -> None:
        """A reply to what was sent with the mark; "" of none."""
        self._came.put_nowait((mark, reply))


class Mailbox:
    """Made in the loop that the connection runs in.

    Args:
        servers: where the nodes are met.
        roster: is told how they are.
        counts: of what nobody can read ("unreadable").

    Raises:
        RemoteAddressInvalid: the servers' certificates cannot be read.
    """

    def __init__(self, servers: NatsServers, roster: Roster, counts: Counter[str]) -> None:
        self._subject, self._roster, self._counts = servers.subject, roster, counts
        self.connection = Connection(
            servers, "transcriber", subscribe=self._subscribe, lost=self._lost
        )
        self.inbox = ""
        self.up_at = self.lost_at = float("-inf")
        """When the connection was last made, and lost; of `time.monotonic`."""
        self.heard_of_one = asyncio.Event()
        """Some node has said how it is."""
        self._numbers = itertools.count()
        self._waiting: dict[str, Replies] = {}
        self._unreadable_at = float("-inf")

    @contextmanager
    def replies(self) -> Iterator[Replies]:
        """Of one request, until the block ends."""
        key = self.new_mark()
        self._waiting[key] = waiting = Replies(self, key)
        try:
            yield waiting
        finally:
            del self._waiting[key]

    def new_mark(self) -> str:
        """One that there was not yet."""
        return f"{next(self._numbers):x}"

    async def _subscribe(self, client: Client) -> None:
        self.inbox = client.new_inbox()
        await client.subscribe(f"{self.inbox}.*.*", cb=self._replied)
        await client.subscribe(f"{self._subject}.asr.status", cb=self._told)
        await client.publish(f"{self._subject}.asr.hello")
        self.up_at = time.monotonic()

    def _lost(self) -> None:
        self.lost_at = time.monotonic()
        self._roster.lose_all()
        for waiting in self._waiting.values():
            waiting.came("", Away(self.connection.why))

    async def _replied(self, received: Msg) -> None:
        key, _, mark = received.subject.removeprefix(f"{self.inbox}.").partition(".")
        waiting = self._waiting.get(key)
        if waiting is None:  # it has its answer, or was given up
            return
        if (received.headers or {}).get("Status") == _NO_RESPONDERS:
            waiting.came(mark, Nobody())
            return
        answer = self._read(received)
        if answer is not None:
            waiting.came(mark, answer)
        if isinstance(answer, Status):
            self._roster.told(answer, time.monotonic())

    async def _told(self, received: Msg) -> None:
        status = self._read(received)
        if isinstance(status, Status):
            self._roster.told(status, time.monotonic())
            self.heard_of_one.set()

    def _read(self, received: Msg) -> Answer | None:
        try:
            return messages.answer(received.data)
        except Unreadable as error:
            self._counts["unreadable"] += 1
            now = time.monotonic()
            if now - self._unreadable_at >= UNREADABLE_EVERY_S:
                self._unreadable_at = now
                log.warning("node_unreadable", reason=str(error), count=self._counts["unreadable"])
            return None
