"""Agents' desks whose pages are at some nodes and whose calls are at others.

Each node tells what it knows by itself, whole, at once when it changes and once a second: whose
pages are open and what they have said of themselves, what rings, who has which call
(`voicebot.call.desk_shares`); nodes that have calls also what a desk shows of them. Nothing is
agreed upon: the node that has the caller gives him to who answers first, and what a node has told
holds until it has been silent for `GONE_S`. Without NATS each node goes by its own desks alone, and
callers fall to the next route.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import structlog
from pydantic import TypeAdapter

from voicebot.call.desk_shares import DeskShare
from voicebot.cluster.bus import Bus
from voicebot.cluster.messages import Message, as_told
from voicebot.cluster.nodes import BEAT_S, GONE_S, MOST, NodeName
from voicebot.web.console.agent.standing import Facts, running
from voicebot.web.console.agent.streams import PAUSE_S, wake_on_news

if TYPE_CHECKING:
    from voicebot.web.service import Service

log = structlog.get_logger()

SHARES: Final = "desks"
"""Subject: what each node knows of desks."""
RUNNING: Final = "desks-calls"
"""Subject: what desks show of the calls of each node."""
SHARE_PAUSE_S: Final = 0.01
"""So that what changes together is told together."""
LOOK_S: Final = 0.25
_NAME: Final = TypeAdapter(NodeName)
_SHARE: Final = TypeAdapter(DeskShare)
_RUNNING: Final = TypeAdapter(dict[str, Facts])


@asynccontextmanager
async def exchanged(service: Service) -> AsyncIterator[None]:
    """Keeps the desks of a service and those of the other nodes up to date until the block ends;
    nothing where it is the only one.
    """
    member = service.member
    if member is None:
        yield
        return
    exchange = DeskExchange(
        member.bus,
        member.nodes.own,
        service,
        has_pages="web" in member.roles,
        has_calls="media" in member.roles,
    )
    telling = asyncio.create_task(exchange.run(), name="desks")
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


class DeskExchange:
    """Keeps the desks of a service up to date with those of the other nodes.

    Parameters:
        bus: not yet connected, or connected already.
        node: the name of this process, as `voicebot.cluster.nodes.Node` has it.
        has_pages: agents' pages are here, which show the calls of all nodes.
        has_calls: calls are here, which the pages of all nodes show.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        bus: Bus,
        node: str,
        service: Service,
        *,
        has_pages: bool,
        has_calls: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus, self._node, self._service, self._clock = bus, node, service, clock
        self._has_calls = has_calls
        self._heard_at: dict[str, float] = {}
        self._told: dict[tuple[str, str], Any] = {}
        bus.subscribe(SHARES, self._take_share)
        if has_pages:
            bus.subscribe(RUNNING, self._take_running)

    async def run(self) -> None:
        """Until cancelled; then the others know at once that nothing is here any more."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._tell_share())
                tasks.create_task(self._forget_silent())
                if self._has_calls:
                    tasks.create_task(self._tell_running())
        finally:
            self._publish(SHARES, {"leaves": True})

    # ── what is told ──────────────────────────────────────────────────────────────

    async def _tell_share(self) -> None:
        changed = asyncio.Event()
        with self._service.desks.watched(changed.set, here=True):
            await self._tell(SHARES, self._share, changed, SHARE_PAUSE_S)

    async def _tell_running(self) -> None:
        changed = asyncio.Event()
        news = asyncio.create_task(wake_on_news(self._service, changed))
        try:
            with self._service.desks.watched(changed.set, here=True):
                await self._tell(RUNNING, self._running, changed, PAUSE_S)
        finally:
            news.cancel()
            await asyncio.gather(news, return_exceptions=True)

    async def _tell(
        self, subject: str, known: Callable[[], Any], changed: asyncio.Event, pause_s: float
    ) -> None:
        loop = asyncio.get_running_loop()
        told: Any = None
        due = loop.time()
        while True:
            changed.clear()
            try:
                now = known()
            except Exception:  # the next time it may be told again
                log.exception("desks_not_told", subject=subject)
                now = told
            if now is not None and (now != told or loop.time() >= due):
                self._publish(subject, {"known": now})
                told = now
            if loop.time() >= due:
                due = loop.time() + BEAT_S
            await asyncio.sleep(pause_s)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await changed.wait()

    def _publish(self, subject: str, message: Message) -> None:
        self._bus.publish(subject, {"node": self._node, **message}, newest_only=True)

    def _share(self) -> dict[str, Any]:
        return self._service.desks.share().model_dump(mode="json")

    def _running(self) -> dict[str, Any]:
        service = self._service
        return running(service.sessions, service.settings, service.desks)

    # ── what is heard ─────────────────────────────────────────────────────────────

    def _take_share(self, message: Message) -> None:
        node = as_told(_NAME, message["node"])
        if node == self._node or not self._may_be_listed(node):
            return
        if message.get("leaves"):
            self._forget(node)
            return
        if self._is_news(SHARES, node, message):
            self._service.desks.take_share(node, as_told(_SHARE, message["known"]))
            self._told[SHARES, node] = message["known"]
        self._heard_at[node] = self._clock()

    def _take_running(self, message: Message) -> None:
        node = as_told(_NAME, message["node"])
        if node in self._heard_at and self._is_news(RUNNING, node, message):
            running_there = as_told(_RUNNING, message["known"])
            known = {call_id: asdict(each) for call_id, each in running_there.items()}
            self._service.desks.take_running(node, known)
            self._told[RUNNING, node] = message["known"]

    def _may_be_listed(self, node: str) -> bool:
        return node in self._heard_at or len(self._heard_at) < MOST

    def _is_news(self, subject: str, node: str, message: Message) -> bool:
        """Not what the node has told the last time; pages need not look then."""
        return bool(self._told.get((subject, node)) != message["known"])

    async def _forget_silent(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            now = self._clock()
            for node in [each for each, at in self._heard_at.items() if now - at >= GONE_S]:
                self._forget(node)

    def _forget(self, node: str) -> None:
        if self._heard_at.pop(node, None) is not None:
            for subject in (SHARES, RUNNING):
                self._told.pop((subject, node), None)
            self._service.desks.forget(node)
