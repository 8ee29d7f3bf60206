"""Agents whose pages are at a node without calls, and callers at a node without pages: each node a
process, with PostgreSQL and NATS between them, and calls over the media WebSocket.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from telephony.loopback_server import free_port
from tests.end_to_end import conftest as end_to_end
from tests.end_to_end.parties import desk
from tests.nats_server import NatsServer
from tests.voicebot.cluster.desks_stage import PATIENCE_S, Stage, start_node
from tests.voicebot.postgres import Postgres
from tests.voicebot.tools import FETCHED, needs

speak = end_to_end.speak

OFFICER = "您好，这里是一一零报警服务台，请讲。"
AGENT_HZ, OTHER_HZ, CALLER_HZ = 600.0, 900.0, 1300.0


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, postgres_server: Postgres
) -> Iterator[Stage]:
    server = NatsServer(needs("nats-server", FETCHED / "nats", "`scripts/setup.sh --all`"))
    server.start()
    name = postgres_server.create()
    folder, database = tmp_path_factory.mktemp("nodes"), postgres_server.url(name)
    desk_port = free_port()
    media = start_node("media", folder / "media", database, server.url, desk_port)
    web = start_node("web", folder / "web", database, server.url, desk_port)
    made = Stage(media, web, database)
    yield made
    made.close()
    server.kill()
    postgres_server.drop(name)


@pytest_asyncio.fixture
async def police(
    stage: Stage, speak: Callable[[str], Path], tmp_path: Path
) -> AsyncIterator[object]:
    async with desk(stage.media, tmp_path, speak(OFFICER)) as answering:
        yield answering


async def test_a_caller_who_wants_a_person_rings_at_every_ready_desk_and_one_agent_gets_him(
    stage: Stage,
) -> None:
    async with (
        stage.page("甲") as one,
        stage.page("乙") as other,
        stage.page("丙") as away,
        stage.caller("c-rings", hertz=CALLER_HZ) as caller,
    ):
        assert (await away.put("/v1/agent/presence", presence="away")).status_code == 200
        await one.sees_call("c-rings", number="138******00", who="bot")
        await caller.presses("0")
        leg = await one.rings("c-rings")
        assert await other.rings("c-rings") == leg
        assert away.shown["offers"] == []
        async with one.answers(leg, AGENT_HZ) as line:
            await caller.hears(AGENT_HZ)
            await line.hears(CALLER_HZ)
            call = await other.sees_call("c-rings", holder=one.me)
            assert call["agent"] == "甲"
            async with other.answers(leg, OTHER_HZ) as too_late:
                await asyncio.wait_for(too_late.over.wait(), PATIENCE_S)
            card = (await one.get("/v1/agent/calls/c-rings/card")).json()
            assert card["number"] == "13800138000", "his own"
            card = (await other.get("/v1/agent/calls/c-rings/card")).json()
            assert card["number"] == "138******00"
            held = await one.acts("c-rings", "hold")
            assert (held.status_code, held.json()["code"]) == (409, "agent.line_cannot_hold")
            taken = await other.acts("c-rings", "take")
            assert (taken.status_code, taken.json()["code"]) == (409, "agent.agent_on_the_line")
            await line.hangs_up()
            await asyncio.wait_for(caller.over.wait(), PATIENCE_S)
        # What is left to do is his still, though the call is over and was elsewhere.
        record = await stage.record("c-rings")
        assert record["outcome"] == "human"
        card = (await one.get("/v1/agent/calls/c-rings/card")).json()
        assert card["number"] == "13800138000"
        card = (await other.get("/v1/agent/calls/c-rings/card")).json()
        assert card["number"] == "138******00"


async def test_an_agent_takes_a_call_brings_110_in_by_one_key_and_leaves(
    stage: Stage, police: object
) -> None:
    async with stage.page("甲") as page, stage.caller("c-police") as caller:
        await page.sees_call("c-police")
        assert (await page.acts("c-police", "take")).status_code == 202
        async with page.answers(await page.rings("c-police"), AGENT_HZ) as line:
            await caller.hears(AGENT_HZ)
            asked = await page.acts("c-police", "join_police")
            assert asked.json() == {"act": "join_police", "destination": ""}
            await page.sees_call("c-police", who="together")
            standing = await page.standing("c-police")
            states = {leg["line"]: leg["leg"] for leg in standing["handoff"]["legs"]}
            assert (states["110"], states["seat"]) == ("confirmed", "confirmed")
            await asyncio.sleep(0.5)
            assert (await page.acts("c-police", "leave")).status_code == 202
            await asyncio.wait_for(line.over.wait(), PATIENCE_S)
        await page.sees_call("c-police", holder="")
        assert not caller.over.is_set(), "the caller is with 110"
    record = await stage.record("c-police")
    assert record["outcome"] == "handed_off"


async def test_a_call_is_passed_on_from_one_agents_page_to_anothers(stage: Stage) -> None:
    async with (
        stage.page("甲") as one,
        stage.page("乙") as other,
        stage.caller("c-passed") as caller,
    ):
        await one.sees_call("c-passed")
        assert (await one.acts("c-passed", "take")).status_code == 202
        async with one.answers(await one.rings("c-passed"), AGENT_HZ):
            await caller.hears(AGENT_HZ)
            found = (await one.get("/v1/agent/destinations")).json()["destinations"]
            (to,) = [each["destination"] for each in found if each["name"] == "乙"]
            passed = await one.acts("c-passed", "transfer", destination=to)
            assert passed.status_code == 202
            async with other.answers(await other.rings("c-passed"), OTHER_HZ):
                await caller.hears(OTHER_HZ)
                await other.sees_call("c-passed", holder=other.me)


async def test_an_agents_lost_line_hands_the_caller_to_whoever_else_is_there(
    stage: Stage,
) -> None:
    async with stage.page("甲") as one, stage.caller("c-lost") as caller:
        await one.sees_call("c-lost")
        assert (await one.acts("c-lost", "take")).status_code == 202
        async with stage.page("乙") as other:
            async with one.answers(await one.rings("c-lost"), AGENT_HZ) as line:
                await caller.hears(AGENT_HZ)
                line.vanishes()
                await asyncio.wait_for(line.over.wait(), PATIENCE_S)
            async with other.answers(await other.rings("c-lost"), OTHER_HZ):
                await caller.hears(OTHER_HZ)
        assert not caller.over.is_set()


async def test_a_node_that_is_killed_takes_its_calls_off_the_pages_within_seconds(
    stage: Stage,
) -> None:
    async with stage.page("甲") as page, stage.caller("c-killed") as caller:
        await page.sees_call("c-killed")
        await caller.presses("0")
        await page.rings("c-killed")
        stage.media.process.kill()
        killed = time.monotonic()
        async with asyncio.timeout(PATIENCE_S):
            while page.shown["offers"] or page.shown["calls"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        print(f"\nkilled → off the page: {time.monotonic() - killed:.1f} s")
        assert page.shown["presence"]["presence"] == "ready"
