"""Asking the nodes: one decode at one of them, and at another where that one is lost.

A node that has a request in hand is asked every now and then how it is: NATS says at once that a
node is gone, and one that does not answer is frozen. So a decode may take as long as it must, and
a lost node is noticed long before the deadline. Everything here is in the loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import structlog

from asr.errors import DecodeFailed, EngineError, EngineLost, NodesAway
from asr.hypothesis import Hypothesis, Pcm
from asr.nodes import messages
from asr.nodes.address import NatsServers
from asr.nodes.connection import Away
from asr.nodes.mailbox import Mailbox, Nobody, Replies
from asr.nodes.messages import Header, Heard, Refused, Status, Taken
from asr.nodes.roster import Roster
from asr.urgency import Urgency

log = structlog.get_logger()

ATTEMPTS: Final = 4
"""Nodes that may be lost at one decode."""
DEADLINES: Final = 2
"""So often a decode may be late: it is given up then, however many nodes there are."""
TAKEN_S: Final = 0.7
"""Within which a node says that it has a request in hand."""
PROBE_S: Final = 0.25
"""Between two questions to a node at work."""
FROZEN_S: Final = 1.5
"""A node that says nothing for so long is frozen."""
WARY_S: Final = 30.0
"""Since a node did not take a request or froze: until NATS drops it from the queue group it would
be given others, so nodes are chosen by what they say of themselves meanwhile."""
AGAIN_S: Final = 0.1
"""Before the nodes are asked again of which none had room for a final."""
BACK_S: Final = 1.0
"""A connection that was lost a moment ago is waited for, by finals; so are the nodes after it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one node may take for a decode; another is asked then, seconds."""

    final_s: float = 6.0
    """A second look of Whisper with its long window takes 3 s of an idle core."""
    sentinel_s: float = 3.0
    partial_s: float = 2.0

    def of(self, urgency: Urgency, *, final: bool) -> float:
        """For such a decode."""
        if final:
            return self.final_s
        return self.sentinel_s if urgency is Urgency.SENTINEL else self.partial_s


class NoAnswer(Exception):
    """Of a partial: there was no room for it, or none in time. No fault."""


@dataclass(slots=True)
class _Request:
    """One decode that is waited for."""

    message: bytes
    final: bool
    urgency: Urgency
    seconds: float
    replies: Replies
    tried: set[str] = field(default_factory=set)
    """Nodes that are not asked again."""


@dataclass(frozen=True, slots=True)
class _Lost:
    """An attempt without an answer, and why."""

    how: str


class _NotYet:
    """The connection is new, and the nodes' may come in a moment."""


class _NotThere:
    """The node that was meant is gone; nothing was lost by it."""


_Outcome = Heard | Refused | _Lost | _NotYet | _NotThere


class Asking:
    """Made in the loop that ``run`` then runs in.

    Args:
        servers: where the nodes are met.
        limits: deadlines.

    Raises:
        RemoteAddressInvalid: the servers' certificates cannot be read.
    """

    def __init__(self, servers: NatsServers, limits: Limits) -> None:
        self._limits = limits
        self.roster = Roster()
        self.counts: Counter[str] = Counter(
            lost_nodes=0, late=0, dropped_partials=0, failed=0, unreadable=0
        )
        """What did not go as it should."""
        self.mailbox = Mailbox(servers, self.roster, self.counts)
        self._connection = self.mailbox.connection
        self._wary_until = float("-inf")
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Keeps the connection, until cancelled or ``leave``."""
        self._running = asyncio.create_task(self._connection.run())
        await self._running

    async def leave(self) -> None:
        """Lets NATS go."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def decode(self, pcm: Pcm, *, final: bool, urgency: Urgency) -> Hypothesis:
        """What a node hears in the audio, whose times begin with it.

        Raises:
            NoAnswer: of a partial alone, whatever the reason.
            NodesAway: no node is there, or no server.
            EngineLost: those that were asked were lost.
            DecodeFailed: a node's engine raised.
        """
        seconds = self._limits.of(urgency, final=final)
        message = messages.packed(Header(final, urgency, seconds), pcm)
        with self.mailbox.replies() as replies:
            try:
                return await self._decode(_Request(message, final, urgency, seconds, replies))
            except EngineError as error:
                if final:
                    self.counts["failed"] += 1
                    raise
                self.counts["dropped_partials"] += 1
                raise NoAnswer(str(error)) from None
            except NoAnswer:
                self.counts["dropped_partials"] += 1
                raise

    async def _decode(self, request: _Request) -> Hypothesis:
        self._check_size(request)
        now, attempts, lost = time.monotonic(), 0, _Lost("")
        until = now + DEADLINES * request.seconds
        node = self.roster.another((), now) if now < self._wary_until else None
        while attempts < ATTEMPTS and time.monotonic() < until:
            outcome = await self._attempt(request, node)
            if isinstance(outcome, Heard):
                self.roster.decoded(outcome.decode_s, time.monotonic())
                return outcome.hypothesis
            if isinstance(outcome, _Lost):
                attempts, lost = attempts + 1, outcome
                self.counts["lost_nodes"] += 1
                log.warning("node_lost", how=lost.how, final=request.final)
                if request.urgency >= Urgency.PARTIAL:
                    break
            node = self.roster.another(request.tried, time.monotonic())
            if isinstance(outcome, _NotYet) or (node is None and isinstance(outcome, Refused)):
                if not request.final:
                    raise NoAnswer("no node has room")
                await asyncio.sleep(AGAIN_S)
                request.tried.clear()
                node, lost = None, _Lost("no node has room")
        raise EngineLost(f"No node has answered: {lost.how}.")

    def _check_size(self, request: _Request) -> None:
        if not self._connection.takes(request.message):
            raise EngineLost(
                f"NATS takes no message of {len(request.message)} bytes; set max_payload in its "
                "configuration to 1MB, as it is by default."
            )

    async def _attempt(self, request: _Request, node: str | None) -> _Outcome:
        """At `node`, or at whichever gets it."""
        try:
            await self._connected(request)
            subject = f"asr.node.{node}" if node else "asr.decode"
            mark = await request.replies.send(subject, request.message)
        except Away as error:
            raise NodesAway(f"NATS cannot be reached ({error}); check that it runs.") from None
        return await self._outcome(request, node, mark)

    async def _connected(self, request: _Request) -> None:
        """A connection that was lost a moment ago is given the time to come back."""
        left = BACK_S - (time.monotonic() - self.mailbox.lost_at)
        if not self._connection.up and request.final and left > 0:
            await self._connection.wait(left)

    async def _outcome(self, request: _Request, node: str | None, mark: str) -> _Outcome:
        """What becomes of a request that was sent.

        Raises:
            NodesAway: there is no node.
            DecodeFailed: its engine raised.
        """
        sent = alive = probed = time.monotonic()
        taken: str | None = None
        probes: set[str] = set()
        while True:
            now = time.monotonic()
            if now >= sent + request.seconds:
                self.counts["late"] += 1
                return self._given_up(request, taken or node, "no answer in time")
            if taken is None and now >= sent + TAKEN_S:
                return self._frozen(request, node, "a node did not take it")
            if taken is not None and now >= alive + FROZEN_S:
                return self._frozen(request, taken, "a node is frozen")
            if taken is not None and now >= probed + PROBE_S:
                probed = now
                with contextlib.suppress(Away):  # whoever waits is told of it
                    probes.add(await request.replies.send(f"asr.node.{taken}", b""))
            wake = sent + TAKEN_S if taken is None else min(alive + FROZEN_S, probed + PROBE_S)
            replied, reply = await request.replies.next(min(wake, sent + request.seconds) - now)
            match reply:
                case Heard():
                    return reply
                case Nobody() if taken is None and replied == mark:
                    return self._nobody(request, node)
                case Nobody() if taken is not None and replied in probes:
                    return self._gone(request, taken)
                case Away():
                    return _Lost(str(reply))
                case Taken() if replied == mark:
                    taken, alive = reply.node, time.monotonic()
                case Status() if reply.node == taken:
                    alive = time.monotonic()
                case Refused(why="failed") if replied == mark:
                    raise DecodeFailed("The recogniser failed at this audio, in its node.")
                case Refused(why="full" | "leaving") if replied == mark:
                    request.tried.add(reply.node)
                    return reply
                case Refused() if replied == mark:
                    return self._given_up(request, reply.node, f"its engine: {reply.why}")

    def _nobody(self, request: _Request, node: str | None) -> _Outcome:
        """Nobody takes the request, or not the node that was meant.

        Raises:
            NodesAway: there is no node.
        """
        if node is not None:
            self._gone(request, node)
            return _NotThere()
        again = self.mailbox.lost_at > float("-inf")
        if again and time.monotonic() < self.mailbox.up_at + BACK_S:
            return _NotYet()
        raise NodesAway("No node with a transcriber is there.")

    def _gone(self, request: _Request, node: str) -> _Lost:
        self.roster.gone(node)
        return self._given_up(request, node, "a node is gone")

    def _frozen(self, request: _Request, node: str | None, how: str) -> _Lost:
        self._wary_until = time.monotonic() + WARY_S
        if node is not None:
            self.roster.gone(node)
        return self._given_up(request, node, how)

    def _given_up(self, request: _Request, node: str | None, how: str) -> _Lost:
        if node is not None:
            request.tried.add(node)
        return _Lost(how)
