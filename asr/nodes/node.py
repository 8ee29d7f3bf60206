"""A node: answers the decodes of processes that have no transcriber of their own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from asr.errors import DecodeFailed
from asr.hypothesis import Hypothesis, Pcm, Recognizer
from asr.nodes import messages
from asr.nodes.address import NatsServers
from asr.nodes.connection import INBOX, Connection
from asr.nodes.messages import Header, Heard, Refused, Status, Taken, Unreadable, Why
from asr.pool import DecodePool, PoolFigures, open_pool
from asr.urgency import Urgency

log = structlog.get_logger()

QUEUE: Final = "asr"
STATUS_EVERY_S: Final = 1.0
UNREADABLE_EVERY_S: Final = 1.0
"""Log lines of messages that nobody can read are no more frequent."""
_PARTIALS_EVERY_S: Final = 0.9
_FINAL_WITHIN_S: Final = 0.75


def takes(urgency: Urgency, waiting: int, workers: int) -> bool:
    """Whether a node takes one more request where so many wait. Pure.

    Who asks for a partial soon asks again, so one does not wait for more than one decode.
    """
    match urgency:
        case Urgency.FINAL:
            return waiting < max(8, 4 * workers)
        case Urgency.SENTINEL:
            return waiting < max(4, 2 * workers)
        case Urgency.PARTIAL:
            return waiting < workers
        case Urgency.SPARE:
            return not waiting


@dataclass(slots=True)
class Counts:
    """Since the start."""

    answered: int = 0
    full: int = 0
    late: int = 0
    """Waited for longer than whoever asked would."""
    failed: int = 0
    unreadable: int = 0


class Node:
    """Made in the loop that ``run`` then runs in.

    Args:
        engine: the transcriber, shared by all that ask.
        servers: where they are met.
        name: of the node, 1..64 letters, digits, "-" and "_"; no other has it.
        label: instead of the engine's name in hypotheses.
        model: its weights, for people.

    Raises:
        RemoteAddressInvalid: the servers' certificates cannot be read.
    """

    def __init__(
        self,
        engine: Recognizer,
        servers: NatsServers,
        *,
        name: str,
        label: str = "",
        model: str = "",
    ) -> None:
        self._engine, self._name, self._model = engine, name, model
        self._label = label or engine.name
        self._workers = int(getattr(engine, "workers", 1))
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="decode")
        self._pool: DecodePool = open_pool(engine, self._executor)
        self._subject = servers.subject
        self._connection = Connection(servers, f"asr {name}", subscribe=self._subscribe)
        self._group: Subscription | None = None
        self._in_hand: set[asyncio.Task[None]] = set()
        self._leaving = False
        self._unreadable_at = float("-inf")
        self.counts = Counts()

    @property
    def connected(self) -> bool:
        """Whether NATS is there: without it nobody asks."""
        return self._connection.up

    @property
    def why_away(self) -> str:
        """What keeps it from NATS; "" where it is there."""
        return "" if self.connected else self._connection.why

    @property
    def figures(self) -> PoolFigures:
        """How busy it is."""
        return self._pool.figures(_PARTIALS_EVERY_S, _FINAL_WITHIN_S)

    @property
    def status(self) -> Status:
        """As the others are told."""
        return Status(
            self._name,
            self._label,
            self._model,
            self._workers,
            waiting=self._waiting,
            at_work=len(self._in_hand) - self._waiting,
            utilisation=self.figures.utilisation,
            leaving=self._leaving,
        )

    @property
    def _waiting(self) -> int:
        return max(0, len(self._in_hand) - self._workers)

    async def run(self, stopping: asyncio.Event, *, drain_s: float = 30.0) -> None:
        """Answers until `stopping` is set, and then what it has in hand.

        Args:
            drain_s: how long that may take, seconds.
        """
        async with asyncio.TaskGroup() as tasks:
            working = [
                tasks.create_task(self._pool.run()),
                tasks.create_task(self._connection.run()),
                tasks.create_task(self._tell()),
            ]
            await stopping.wait()
            await self._leave(drain_s)
            for task in working:
                task.cancel()
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _leave(self, drain_s: float) -> None:
        """No more requests; whoever asks by name is told to ask another."""
        self._leaving = True
        log.info("asr_node_leaving", in_hand=len(self._in_hand))
        await self._connection.answer(self._full("status"), messages.said(self.status))
        if self._group is not None:
            with contextlib.suppress(Exception):  # then NATS forgets it with the connection
                async with asyncio.timeout(2.0):
                    await self._group.drain()  # type: ignore[no-untyped-call]
        if self._in_hand:
            _, left = await asyncio.wait(self._in_hand, timeout=drain_s)
            if left:
                log.warning("asr_node_left_undone", decodes=len(left))

    async def _tell(self) -> None:
        while True:
            if not self._leaving:
                await self._connection.answer(self._full("status"), messages.said(self.status))
            await asyncio.sleep(STATUS_EVERY_S)

    async def _subscribe(self, client: Client) -> None:
        await client.subscribe(self._full("hello"), cb=self._greeted)
        await client.subscribe(self._full(f"node.{self._name}"), cb=self._asked)
        if not self._leaving:
            self._group = await client.subscribe(self._full("decode"), QUEUE, cb=self._asked)
        await client.publish(self._full("status"), messages.said(self.status))

    def _full(self, subject: str) -> str:
        return f"{self._subject}.asr.{subject}"

    # ── requests ──────────────────────────────────────────────────────────────────

    async def _greeted(self, received: Msg) -> None:
        await self._connection.answer(self._full("status"), messages.said(self.status))

    async def _asked(self, received: Msg) -> None:
        if not received.data:
            await self._connection.answer(received.reply, messages.said(self.status))
            return
        try:
            header, pcm = messages.unpacked(received.data)
            if not received.reply.startswith(INBOX):  # nor is it a subject that others read
                raise Unreadable("nobody waits for its answer")
        except Unreadable as error:
            self._note_unreadable(str(error))
            await self._refuse(received.reply, "unreadable")
            return
        if self._leaving:
            await self._refuse(received.reply, "leaving")
        elif not takes(header.urgency, self._waiting, self._workers):
            self.counts.full += 1
            await self._refuse(received.reply, "full")
        else:
            task = asyncio.create_task(self._decode(header, pcm, received.reply))
            self._in_hand.add(task)
            task.add_done_callback(self._in_hand.discard)
            await self._connection.answer(received.reply, messages.said(Taken(self._name)))

    async def _decode(self, header: Header, pcm: Pcm, reply: str) -> None:
        until = time.monotonic() + header.within_s
        audio_s = len(pcm) / messages.SAMPLE_RATE

        def job() -> tuple[Hypothesis, float] | None:
            began = time.monotonic()
            if began > until:
                return None
            heard = _heard(self._engine, pcm, final=header.final)
            return heard, time.monotonic() - began

        try:
            done = await self._pool.decode(object(), job, header.urgency, audio_s=audio_s)
        except Exception as error:  # its text may hold what a caller said
            self.counts.failed += 1
            failed = isinstance(error, DecodeFailed)
            log.error("asr_node_failed", error=type(error).__name__)
            await self._refuse(reply, "failed" if failed else "lost")
            return
        if done is None:
            late = time.monotonic() > until
            self.counts.late += late
            self.counts.full += not late
            await self._refuse(reply, "late" if late else "full")
            return
        hypothesis, seconds = done
        self.counts.answered += 1
        hypothesis = replace(hypothesis, engine=self._label)
        await self._connection.answer(
            reply, messages.said(Heard(self._name, hypothesis, round(seconds, 4)))
        )

    async def _refuse(self, reply: str, why: Why) -> None:
        await self._connection.answer(reply, messages.said(Refused(self._name, why)))

    def _note_unreadable(self, reason: str) -> None:
        self.counts.unreadable += 1
        now = time.monotonic()
        if now - self._unreadable_at >= UNREADABLE_EVERY_S:
            self._unreadable_at = now
            log.warning("asr_request_unreadable", reason=reason, count=self.counts.unreadable)


def _heard(engine: Recognizer, pcm: Pcm, *, final: bool) -> Hypothesis:
    if final:
        return engine.transcribe(pcm)
    stream = engine.stream()
    stream.feed(pcm)
    return stream.decode(final=False)
