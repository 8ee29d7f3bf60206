"""Two nodes with calls in one process: what calls back at each, and whole services with one real
NATS between them.
"""

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
from voicebot.call_backs import CallBacks
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


class CallingSide:
    """What one node calls back, and what is noted of it."""

    def __init__(self, call_backs: CallBacks) -> None:
        self.call_backs = call_backs
        self.line = ScriptedLine(
            CallInfo("c", NUMBER, "12345"), capabilities=frozenset({Capability.CALLS_OUT})
        )
        self.notes: list[str] = []

    def broke_off(self, handoff: str) -> None:
        wanted = CallBack(NUMBER, Interrupted(handoff, "460200"))
        self.call_backs.begin(self.line, "12345", wanted, self.note)

    async def note(self, note: str) -> None:
        self.notes.append(note)

    def called(self) -> list[str]:
        return [reference for _, _, _, reference in self.line.calls_out]


class Side(CallingSide):
    """One node, whole."""

    def __init__(self, service: Service, member: Member) -> None:
        super().__init__(service.call_backs)
        self.service, self.member = service, member


async def the_newer_matter_is_called_about(a: CallingSide, b: CallingSide) -> None:
    """Somebody whom a calls back breaks off again at b: a gives way, and says so."""
    a.line.ends_of_calls_out = ["busy"]
    a.broke_off("c-1-h1")
    await until(a.called)
    b.broke_off("c-2-h1")
    await until(lambda: len(a.notes) == 2)
    assert a.notes == ["第1次回拨：占线", "已由另一台服务器接着回拨"]
    await until(b.called)
    assert (a.called(), b.called()) == (["c-1-h1"], ["c-2-h1"])
    b.call_backs.offered("c-2-h1", served=True)
    await until(lambda: b.notes)
    assert b.notes == ["第1次回拨已接通，正在转110"]
    assert (a.called(), b.called()) == (["c-1-h1"], ["c-2-h1"])


@asynccontextmanager
async def two_services(
    nats_url: str,
    settings: Settings,
    records: Records,
    engines: Any,
    records_of_b: Records | None = None,
) -> AsyncIterator[tuple[Side, Side]]:
    """Nodes a and b, once each has heard of the other."""
    async with AsyncExitStack() as opened:
        made = []
        for name, own_records in (("a", records), ("b", records_of_b or records)):
            server = settings.server.model_copy(update={"node": name, "roles": ("media",)})
            handoff = settings.handoff.model_copy(update={"call_back_trunk": "carrier"})
            own = settings.model_copy(
                update={"server": server, "nats": Nats(servers=(nats_url,)), "handoff": handoff}
            )
            member = await opened.enter_async_context(open_member(own, RunningCalls(Board())))
            assert member is not None
            service = Service(own, engines, own_records, None, None, member)  # type: ignore[arg-type]
            opened.push_async_callback(service.call_backs.close)
            made.append(Side(service, member))
        first, second = made
        await until(lambda: first.member.nodes.named("b") and second.member.nodes.named("a"))
        yield first, second
