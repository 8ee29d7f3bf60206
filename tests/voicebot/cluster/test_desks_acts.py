"""What an agent does with a call of another node whose line can do everything, hold too.

Two nodes with their own HTTP servers, PostgreSQL and NATS between them; the caller's line is
scripted (`telephony.scripted`) and models are stand-ins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from telephony.dialing import DutyDirectory, DutyNumber
from telephony.loopback_server import LoopbackServer, free_port
from telephony.scripted import ScriptedLine
from telephony.scripted_desk import Wait
from tests.nats_server import NatsServer, nats_server  # noqa: F401 - fixture
from tests.voicebot.cluster.desks_stage import Page, opened_page
from tests.voicebot.ear_doubles import LoudIsVoice
from tests.voicebot.test_session import (
    ANSWERS,
    POLICE,
    CountingListener,
    offered,
    scripted_engines,
)
from voicebot.app import Service
from voicebot.cluster.desks import exchanged
from voicebot.cluster.live_events import RunningCalls
from voicebot.cluster.member import Member, open_member
from voicebot.config import Settings
from voicebot.config_roles import Role
from voicebot.records.store import Records
from voicebot.security import TokenStore
from voicebot.web.api import create_app
from voicebot.web.console.board import Board
from voicebot.web_role import CallFreeService

AGENT_HZ = 600.0


@dataclass
class Nodes:
    """A node with calls, and one with pages."""

    settings: Settings
    nats_url: str
    folder: Path
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        self.media = await self._stack.enter_async_context(self._media())
        self.url = await self._stack.enter_async_context(self._web())
        self.tokens = TokenStore(self.settings.database_url)
        self._stack.callback(self.tokens.close)

    async def close(self) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def _member(self, role: Role) -> AsyncIterator[tuple[Settings, Member]]:
        port = free_port()
        server = self.settings.server.model_copy(
            update={"roles": (role,), "node": role, "port": port}
        )
        nats = self.settings.nats.model_copy(update={"servers": (self.nats_url,)})
        settings = self.settings.model_copy(update={"server": server, "nats": nats})
        async with open_member(settings, RunningCalls(Board())) as member:
            assert member is not None
            yield settings, member

    @asynccontextmanager
    async def _media(self) -> AsyncIterator[Service]:
        engines = scripted_engines(self.folder, listener=CountingListener())
        async with self._member("media") as (settings, member):
            records = await Records.open(settings)
            service = Service(settings, engines, records, numbers(), None, member)
            pool = asyncio.create_task(engines.pool.run())
            app = create_app(service)
            async with exchanged(service), LoopbackServer(app, port=settings.server.port):
                yield service
                app.state.console_live.end()
            for session in service.sessions.values():  # of a test that failed
                session._ended.set()
            await service.ended()
            pool.cancel()
            await records.close()

    @asynccontextmanager
    async def _web(self) -> AsyncIterator[str]:
        engines = scripted_engines(self.folder)
        async with self._member("web") as (settings, member):
            records = await Records.open(settings)
            service = CallFreeService(settings, engines, records, numbers(), member)
            app = create_app(service)
            async with exchanged(service), LoopbackServer(app, port=settings.server.port):
                yield f"http://127.0.0.1:{settings.server.port}"
                app.state.console_live.end()
            await records.close()


def numbers() -> DutyDirectory:
    return DutyDirectory(
        [
            DutyNumber(POLICE, "110", "460000", "trunk:police/110", "省厅110"),
            DutyNumber("seat", "seat", "", "trunk:seats/8000", "人工座席"),
        ]
    )


@pytest.fixture
async def nodes(
    settings: Settings,
    postgresql_url: str,
    nats_server: NatsServer,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Nodes]:
    for module in ("voice", "engines"):
        monkeypatch.setattr(f"voicebot.call.{module}.VoiceDetector", LoudIsVoice)
    database = settings.database.model_copy(update={"url": postgresql_url})
    shared = settings.model_copy(update={"database": database})
    made = Nodes(shared, nats_server.url, tmp_path)
    await made.start()
    yield made
    await made.close()


@asynccontextmanager
async def call(nodes: Nodes, line: ScriptedLine) -> AsyncIterator[ScriptedLine]:
    taking = asyncio.create_task(nodes.media.take(line))
    try:
        yield line
    finally:
        line.caller_hangs_up()
        await asyncio.wait_for(taking, 20)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for comes from another node
            await asyncio.sleep(0.02)


@asynccontextmanager
async def taken(nodes: Nodes, page: Page, call_id: str) -> AsyncIterator[None]:
    """The agent has taken the call in his browser, and talks."""
    await page.sees_call(call_id)
    assert (await page.acts(call_id, "take")).status_code == 202
    async with page.answers(await page.rings(call_id), AGENT_HZ):
        await page.sees_call(call_id, who="seat", holder=page.me)
        yield


async def test_a_caller_is_held_and_fetched_back(nodes: Nodes) -> None:
    async with (
        opened_page(nodes.url, nodes.tokens, "甲") as page,
        call(nodes, ScriptedLine(offered("c-hold"))) as line,
        taken(nodes, page, "c-hold"),
    ):
        assert (await page.acts("c-hold", "hold")).status_code == 202
        await until(lambda: line.held)
        assert (await page.standing("c-hold"))["held"]
        assert (await page.acts("c-hold", "resume")).status_code == 202
        await until(lambda: not line.held)


async def test_110_comes_by_one_key_and_the_agent_leaves_it_the_caller(nodes: Nodes) -> None:
    line = ScriptedLine(offered("c-police"))
    line.desks[POLICE] = (*ANSWERS, Wait(60.0))
    async with (
        opened_page(nodes.url, nodes.tokens, "甲") as page,
        call(nodes, line),
        taken(nodes, page, "c-police"),
    ):
        assert (await page.acts("c-police", "police")).json()["act"] == "police"
        await page.sees_call("c-police", who="110", holder="")
        assert line.hang_ups == 0


async def test_without_nats_an_agent_on_a_call_still_brings_110_by_one_key(
    nodes: Nodes,
    nats_server: NatsServer,  # noqa: F811
) -> None:
    line = ScriptedLine(offered("c-away"))
    line.desks[POLICE] = (*ANSWERS, Wait(60.0))
    async with (
        opened_page(nodes.url, nodes.tokens, "甲") as page,
        call(nodes, line),
        taken(nodes, page, "c-away"),
    ):
        nats_server.kill()
        await until(lambda: page.shown["calls"] == [])  # nobody tells of it any more
        assert (await page.standing("c-away"))["mine"]
        assert (await page.acts("c-away", "join_police")).status_code == 202
        await until(lambda: any(leg.number.number == POLICE for leg in line.legs))
        async with asyncio.timeout(20):
            while (await page.standing("c-away"))["who"] != "together":  # noqa: ASYNC110
                await asyncio.sleep(0.2)


async def test_a_call_is_passed_on_to_a_telephone(nodes: Nodes) -> None:
    line = ScriptedLine(offered("c-passed"))
    line.desks["seat"] = (*ANSWERS, Wait(60.0))
    async with (
        opened_page(nodes.url, nodes.tokens, "甲") as page,
        call(nodes, line),
        taken(nodes, page, "c-passed"),
    ):
        passed = await page.acts("c-passed", "transfer", destination="seat")
        assert passed.status_code == 202
        await page.sees_call("c-passed", who="seat", holder="")
        claimed = await page.post("/v1/agent/calls/c-passed/claim")
        assert claimed.status_code == 200
        await page.sees_call("c-passed", holder=page.me)


async def test_an_agent_on_a_call_takes_no_second_one(nodes: Nodes) -> None:
    async with (
        opened_page(nodes.url, nodes.tokens, "甲") as page,
        call(nodes, ScriptedLine(offered("c-one"))),
        call(nodes, ScriptedLine(offered("c-two", caller="13800138001"))),
        taken(nodes, page, "c-one"),
    ):
        refused = await page.acts("c-two", "take")
        assert (refused.status_code, refused.json()["code"]) == (409, "agent.you_talk")
