"""What runs at the other nodes is asked for once there are pages to show it, and not before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.voicebot.test_web import _opened, _Service
from voicebot.cluster import subjects
from voicebot.cluster.bus import Bus
from voicebot.cluster.errors import BusAway
from voicebot.cluster.live_events import RunningCalls, Standing
from voicebot.cluster.member import Member
from voicebot.cluster.nodes import Node
from voicebot.config import Settings
from voicebot.config_nats import Nats
from voicebot.web.console.board import Board
from voicebot.web.console.live import ConsoleLive

ROW = {"call_id": "C1", "text": "厨房着火了"}
MEDIA = Node("one", "r1", ("media",), "http://127.0.0.1:1", seq=7, calls=("C1",))


async def test_a_web_node_that_begins_shows_the_calls_that_run_already(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heartbeats come as soon as NATS is there, seconds before the pages."""
    asked: list[str] = []

    async def standing(_: Member, name: str) -> Standing:
        asked.append(name)
        return Standing(7, [ROW])

    monkeypatch.setattr(Member, "_standing_of", standing)
    server = settings.server.model_copy(update={"roles": ("web",), "node": "web"})
    web = settings.model_copy(update={"server": server})
    member = Member(web, Bus(Nats(servers=("nats://127.0.0.1:1",)), "web"), RunningCalls(Board()))
    service = _Service(web, await _opened(settings))
    service.member, service.live = member, member.live  # type: ignore[assignment]
    member.heard(MEDIA.message())
    await asyncio.sleep(0)
    assert asked == []
    live = ConsoleLive(service)  # type: ignore[arg-type]
    async with live.running(), asyncio.timeout(10):
        while not live.board.rows:
            member.heard(MEDIA.message())
            await asyncio.sleep(0.01)
    assert [row.text for row in live.board.rows] == ["厨房着火了"]
    assert asked == ["one"]
    await service.records.close()


class Wire:
    """What is subscribed to, so that a test can say what another node tells."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._takes: dict[str, Callable[[dict[str, Any]], None]] = {}

    def subscribe(self, subject: str, take: Callable[[dict[str, Any]], None]) -> None:
        self._takes[subject] = take

    async def request(self, subject: str, *_: object) -> dict[str, Any]:
        self.asked.append(subject)
        raise BusAway("away")

    def tells(self, node: str, run: str, seq: int) -> None:
        event = {"call_id": "C1", "at": 1.0, "kind": "say", "text": "您好"}
        self._takes[subjects.LIVE]({"node": node, "run": run, "seq": seq, "event": event})


async def test_only_a_node_that_has_said_who_it_is_is_followed(settings: Settings) -> None:
    """Whoever else tells events under whatever names is asked nothing, and remembered nowhere."""
    server = settings.server.model_copy(update={"roles": ("web",), "node": "web"})
    wire = Wire()
    member = Member(
        settings.model_copy(update={"server": server}),
        wire,  # type: ignore[arg-type]
        RunningCalls(Board()),
    )
    member.follow()
    for number in range(1000):
        wire.tells(f"n{number}", "r1", 1)
        wire.tells("one", f"r{number}", 1)
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1
    member.heard(MEDIA.message())
    wire.tells("one", "another run", 8)
    wire.tells("one", "r1", 8)
    await asyncio.sleep(0)
    assert wire.asked == [subjects.standing("one")]
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
