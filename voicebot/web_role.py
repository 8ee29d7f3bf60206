"""A process without calls: the roles `web` and `worker` where `media` is another's.

It has the pages and the API, the knowledge base and what it takes to search, voice and propose;
neither endpoints nor recognisers. What concerns a running call goes to the node that has it
(`voicebot.web.forwarding`), and what happens there is told by NATS.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import WebSocket

from asr.pool import PoolFigures
from telephony.call_control import IncomingCall, Rejection
from telephony.dialing import DutyDirectory
from voicebot.admission import Room
from voicebot.call.agent_desks import AgentDesks
from voicebot.call.engines import Engines, open_engines
from voicebot.call.live import LiveFeed
from voicebot.call.pipeline import refuse
from voicebot.call.waiting_lines import WaitingLines
from voicebot.cluster.everywhere import surge_everywhere, waiting_elsewhere, with_nodes
from voicebot.cluster.nodes import Node
from voicebot.cluster.surge_elsewhere import follow_surge, surge_elsewhere
from voicebot.config import Settings
from voicebot.duty.following import follow_directory
from voicebot.jobs import jobs_of
from voicebot.knowledge import KnowledgeBase, open_embedder, unreadable
from voicebot.knowledge_following import follow_knowledge, published_or_none
from voicebot.loop_lag import LoopLag
from voicebot.metrics.instruments import Metrics
from voicebot.metrics.standing import Standing
from voicebot.readiness import Readiness
from voicebot.records.store import Records
from voicebot.surge.control import SurgeControl

if TYPE_CHECKING:
    from voicebot.call.session import CallSession
    from voicebot.cluster.member import Member

log = structlog.get_logger()


class CallFreeService:
    """What `voicebot.web.service.Service` asks for, without calls. Made by `open_call_free`."""

    def __init__(
        self,
        settings: Settings,
        engines: Engines,
        records: Records,
        directory: DutyDirectory,
        member: Member | None,
    ) -> None:
        self.settings, self.engines, self.records = settings, engines, records
        self.member = member
        self.live = member.live if member is not None else LiveFeed()
        self.loop_lag, self.metrics = LoopLag(), Metrics()
        self.waiting = WaitingLines(others=partial(waiting_elsewhere, member))
        self.desks = AgentDesks()
        self.sessions: Mapping[str, CallSession] = {}
        self.directory = directory
        self.surge = SurgeControl(
            settings,
            records,
            self._room,
            lambda number, at: False,
            lambda number: False,
            surge_elsewhere(member),
        )
        self.started_at = time.time()
        self._stopping = False
        if member is not None:
            follow_surge(member, self.surge)
            member.describe_with(self._described)

    @property
    def calls_in_progress(self) -> int:
        return 0

    @property
    def recognition(self) -> PoolFigures:
        return self.engines.pool.figures(
            self.settings.asr.partial_every_s, self.settings.admission.final_within_s
        )

    @property
    def transcriber_counts(self) -> dict[str, int]:
        return {}

    @property
    def listener_counts(self) -> dict[str, int]:
        return {}

    @property
    def standing(self) -> Standing:
        return Standing(
            *(0, 0, 0, 0, self._stopping),
            self.records.available,
            self.recognition,
            self.loop_lag.figures,
            bus=self.member.standing if self.member is not None else None,
        )

    @property
    def installation(self) -> Standing:
        return with_nodes(self.standing, self.member)

    def surge_status(self) -> dict[str, Any]:
        return surge_everywhere(self.surge, self.settings, self.member)

    @property
    def readiness(self) -> Readiness:
        """Pages are answered until the process ends, whichever node is away."""
        return Readiness("stopping" if self._stopping else "", {})

    @property
    def greetings(self) -> frozenset[str]:
        return frozenset(self.engines.prompts)

    def take_settings(self, settings: Settings) -> None:
        self.settings = settings
        self.surge.take_settings(settings)

    def take_directory(self, directory: DutyDirectory) -> None:
        self.directory = directory

    async def handle_media(self, websocket: WebSocket, *, authorised: bool) -> None:
        """Reached only while no node takes calls."""
        await refuse(websocket, "No node that takes calls is there now.")

    async def take(self, call: IncomingCall) -> None:
        await call.reject(Rejection.STOPPING, self.settings.admission.retry_after_s)

    async def drain(self) -> None:
        """Nobody is kept waiting here."""
        self._stopping = True
        if self.member is not None:
            self.member.beat()

    async def ended(self) -> None:
        """Nothing runs."""

    def _room(self) -> Room:
        everything = self.installation
        return Room(everything.calls, everything.room, everything.lines_room, everything.lines)

    def _described(self, node: Node) -> Node:
        return replace(node, ready=self.readiness.ready, stopping=self._stopping)


@contextlib.asynccontextmanager
async def open_call_free(
    settings: Settings, member: Member | None
) -> AsyncIterator[CallFreeService]:
    """The service with what pages and jobs need, and its background work, until the block ends.

    Raises:
        VoicebotError: a model that it cannot do without is missing.
    """
    records = await Records.open(settings, member.run_id if member is not None else "")
    tasks: list[asyncio.Task[None]] = []
    knowledge = KnowledgeBase(settings)
    try:
        embedder = open_embedder(settings)
        # Without pages nothing is searched, and 0.2 GB of 0.7 are not needed.
        published = (
            await asyncio.to_thread(published_or_none, knowledge, embedder)
            if "web" in settings.server.roles
            else unreadable()
        )
        engines = await asyncio.to_thread(
            partial(open_engines, settings, published, embedder, hears=False)
        )
        directory = await records.duty_directory()
        service = CallFreeService(settings, engines, records, directory, member)
        tasks = [
            asyncio.create_task(service.loop_lag.run()),
            asyncio.create_task(jobs_of(settings, records, embedder, service.metrics, member)),
        ]
        if "web" in settings.server.roles:
            tasks += [
                asyncio.create_task(service.surge.run()),
                asyncio.create_task(follow_knowledge(knowledge, engines)),
                asyncio.create_task(follow_directory(records, directory, service.take_directory)),
            ]
        gc.collect()
        gc.freeze()
        yield service
    finally:
        gc.unfreeze()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        knowledge.close()
        await records.close()
