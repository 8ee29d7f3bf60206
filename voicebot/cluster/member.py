"""This process among the others: what it tells them, and what it knows of them.

It tells who it is and what runs here once a second, and each live event as it comes. Without NATS
its calls go on; the others take it for gone after `nodes.GONE_S`.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import structlog

from voicebot.call.live import LiveFeed
from voicebot.cluster import subjects
from voicebot.cluster.bus import Bus, open_bus
from voicebot.cluster.errors import BusError, BusSettingsError
from voicebot.cluster.live_events import (
    Follower,
    RunningCalls,
    Standing,
    ToldFeed,
    event_of,
    standing_of,
)
from voicebot.cluster.node_certificates import nodes_tls
from voicebot.cluster.nodes import BEAT_S, MOST, Node, Nodes, node_of
from voicebot.config import Settings
from voicebot.config_roles import EMBEDDED
from voicebot.metrics.standing import BusStanding

log = structlog.get_logger()

ASKED_S = 2.0
"""How long another process may take to answer."""
LOOK_S = 0.5
OF_OTHERS = frozenset({"police_word"})
"""Kinds of events that are told of calls of another process as well."""


class Member:
    """Made by `open_member`.

    Parameters:
        running: the calls of this process as they stand.

    Raises:
        BusSettingsError: it has no address, or `server.nodes_ca` cannot be used.
    """

    def __init__(self, settings: Settings, bus: Bus, running: RunningCalls) -> None:
        self.bus, self.nodes = bus, Nodes(settings.node)
        self.run_id = secrets.token_hex(8)
        self.roles = frozenset(settings.server.roles)
        self._own = Node(
            settings.node,
            self.run_id,
            tuple(settings.server.roles),
            address_of(settings),
            tells_arrivals="media" in self.roles,
        )
        self._nodes_ca = settings.server.nodes_ca
        self.nodes_tls = nodes_tls(self._nodes_ca if "web" in self.roles else "")
        """How the certificates of nodes are checked that requests are sent to."""
        self._running, self._seq = running, 0
        self._feed = ToldFeed(self._tell_event)
        self._follower = Follower(self._feed.take, self._standing_of)
        self._describe: Callable[[Node], Node] = lambda node: node
        self._told: set[str] = set()
        self._follows = False
        bus.subscribe(subjects.HEARTBEATS, self.heard)
        bus.subscribe(subjects.WORDS, self._word)
        if "web" in self.roles:
            bus.subscribe(subjects.LIVE, self._event)
        if "media" in self.roles:
            bus.answer(subjects.standing(settings.node), self._stand)

    @property
    def standing(self) -> BusStanding:
        """For the metrics."""
        figures = self.bus.figures
        roles = Counter(role for node in self.nodes.all for role in node.roles)
        return BusStanding(
            self.bus.connected,
            {
                "sent": figures.sent,
                "lost": figures.lost,
                "received": figures.received,
                "unreadable": figures.unreadable,
            },
            {role: roles[role] for role in EMBEDDED},
        )

    @property
    def live(self) -> LiveFeed:
        """The feed of this process; of others too, where it shows pages."""
        return self._feed

    def follow(self) -> None:
        """Somebody shows from now on what happens at the other nodes: it is told from here on, and
        what runs there already comes first.
        """
        self._follows = True

    def describe_with(self, describe: Callable[[Node], Node]) -> None:
        """What this process says of itself beside its name, asked before each heartbeat."""
        self._describe = describe

    def beat(self) -> None:
        """Tell the others at once what has changed here."""
        try:
            node = replace(self._describe(self._own), seq=self._seq)
        except Exception:
            log.exception("heartbeat_not_described")
            node = replace(self._own, seq=self._seq)
        self.bus.publish(subjects.HEARTBEATS, node.message(), newest_only=True)

    async def run(self) -> None:
        """Until it is cancelled."""
        beaten_at = float("-inf")
        try:
            while True:
                now = time.monotonic()
                if now - beaten_at >= BEAT_S:
                    beaten_at = now
                    self.beat()
                for node in self.nodes.silent(now):
                    self._follower.gone(node.name)
                await asyncio.sleep(LOOK_S)
        finally:
            self._follower.end()
            last = replace(self._own, leaves=True)
            self.bus.publish(subjects.HEARTBEATS, last.message(), newest_only=True)

    async def _standing_of(self, name: str) -> Standing:
        answer = await self.bus.request(subjects.standing(name), {}, ASKED_S)
        try:
            return standing_of(answer)
        except (KeyError, TypeError, ValueError) as error:
            raise BusError(f"{name} tells its calls otherwise: {error!r}.") from None

    async def _stand(self, _: dict[str, Any]) -> dict[str, Any]:
        return self._running.message()

    def _tell_event(self, message: dict[str, Any]) -> None:
        told = {"node": self._own.name, "run": self.run_id, "event": message}
        if message["kind"] in OF_OTHERS:
            self.bus.publish(subjects.WORDS, told)
            return
        self._seq += 1
        self._running.take(self._seq, message, time.time())
        self.bus.publish(subjects.LIVE, {**told, "seq": self._seq})
        if message["kind"] == "call":  # who asks for the call finds it without delay
            asyncio.get_running_loop().call_soon(self.beat)

    def _event(self, told: dict[str, Any]) -> None:
        # Who is not heard of yet, or no more, has his events in what he tells with a heartbeat.
        node = self.nodes.named(told["node"])
        if self._follows and node is not None and node.run == told["run"]:
            event = event_of(told["event"])
            self._follower.event(node.name, node.run, int(told["seq"]), event)

    def _word(self, told: dict[str, Any]) -> None:
        if told["node"] != self._own.name:
            self._feed.take(event_of(told["event"]))

    def heard(self, message: dict[str, Any]) -> None:
        """What another process says of itself."""
        try:
            node = node_of(message, tokens_go_there="web" in self.roles, ca=self._nodes_ca)
        except ValueError as error:
            self._tell_once("node_refused", str(message.get("name"))[:64], str(error))
            return
        if node.name == self._own.name:
            if node.run != self.run_id:
                self._tell_once("node_name_taken", node.name, "give each a server.node")
            return
        now = time.monotonic()
        self.nodes.heard(node, now)
        if node.leaves:
            self._follower.gone(node.name)
        elif self._shows(node):
            self._follower.beat(node.name, node.run, node.seq, now)

    def _shows(self, node: Node) -> bool:
        """The calls of a node that is listed, on the pages of this one."""
        follows = self._follows and "web" in self.roles and "media" in node.roles
        return follows and self.nodes.named(node.name) is not None

    def _tell_once(self, what: str, node: str, hint: str) -> None:
        if what + node not in self._told and len(self._told) < MOST:
            self._told.add(what + node)
            log.error(what, node=node, hint=hint)


def address_of(settings: Settings) -> str:
    """Where the other processes reach this one, without a slash at the end.

    Raises:
        BusSettingsError: it listens at all addresses of the machine, and none is said.
    """
    server = settings.server
    if server.address:
        return server.address.rstrip("/")
    if server.host in ("0.0.0.0", "::"):  # noqa: S104 - compared with
        raise BusSettingsError(
            f"server.host {server.host} says not where the other processes reach this one: set "
            'server.address, such as "https://media1.example:8445".'
        )
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"http{'s' if server.tls_certificate else ''}://{host}:{server.port}"


@contextlib.asynccontextmanager
async def open_member(settings: Settings, running: RunningCalls) -> AsyncIterator[Member | None]:
    """This process among the others until the block ends; None where it is the only one.

    Raises:
        BusSettingsError: what [nats] or `server.nodes_ca` names cannot be read, or this process
            has no address.
    """
    if not settings.joins_others:
        yield None
        return
    async with open_bus(settings.nats, settings.node) as bus:
        member = Member(settings, bus, running)
        beating = asyncio.create_task(member.run(), name="heartbeats")
        try:
            yield member
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            await bus.flush()
