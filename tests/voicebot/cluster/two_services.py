"""Two nodes with calls in one process: whole services, one real NATS between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from flows.actions import CallBack
from flows.events import Interrupted
from telephony.call_control import CallInfo, Capability
from telephony.scripted import ScriptedLine
from voicebot.app import Service
from voicebot.cluster.live_events import RunningCalls
from voicebot.cluster.member import Member, open_member
from voicebot.config import Settings
from voicebot.config_nats import Nats
from voicebot.records.store import Records
from voicebot.web.console.board import Board

NUMBER, OTHER = "13800138000", "13900139000"

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


async def until(holds: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what others tell
            await asyncio.sleep(0.01)


class Side:
    """One node."""

    def __init__(self, service: Service, member: Member) -> None:
        self.service, self.member = service, member
        self.line = ScriptedLine(
            CallInfo("c", NUMBER, "12345"), capabilities=frozenset({Capability.CALLS_OUT})
        )
        self.notes: list[str] = []

    def broke_off(self, handoff: str) -> None:
        wanted = CallBack(NUMBER, Interrupted(handoff, "460200"))
        self.service.call_backs.begin(self.line, "12345", wanted, self.note)

    async def note(self, note: str) -> None:
        self.notes.append(note)

    def called(self) -> list[str]:
        return [reference for _, _, _, reference in self.line.calls_out]


@asynccontextmanager
async def two_services(
    nats_url: str, settings: Settings, records: Records, engines: Any
) -> AsyncIterator[tuple[Side, Side]]:
    """Nodes a and b, once each has heard of the other."""
    async with AsyncExitStack() as opened:
        made = []
        for name in ("a", "b"):
            server = settings.server.model_copy(update={"node": name, "roles": ("media",)})
            handoff = settings.handoff.model_copy(update={"call_back_trunk": "carrier"})
            own = settings.model_copy(
                update={"server": server, "nats": Nats(servers=(nats_url,)), "handoff": handoff}
            )
            member = await opened.enter_async_context(open_member(own, RunningCalls(Board())))
            assert member is not None
            service = Service(own, engines, records, None, None, member)  # type: ignore[arg-type]
            opened.push_async_callback(service.call_backs.close)
            made.append(Side(service, member))
        first, second = made
        await until(lambda: first.member.nodes.named("b") and second.member.nodes.named("a"))
        yield first, second
