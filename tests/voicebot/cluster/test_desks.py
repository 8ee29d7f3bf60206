"""Agents' desks of several nodes over a real NATS server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from flows.state import State
from telephony.errors import LegError
from tests.nats_server import NatsServer, nats_server  # noqa: F401 - fixture
from voicebot.call.agent_desks import AgentDesks, Presence, desk_number
from voicebot.call.live import LiveFeed
from voicebot.cluster.bus import open_bus
from voicebot.cluster.desks import RUNNING, SHARES, DeskExchange
from voicebot.cluster.nodes import GONE_S, MOST
from voicebot.config import Settings
from voicebot.config_nats import Nats
from voicebot.security import Principal
from voicebot.web.console.agent import streams
from voicebot.web.console.agent.standing import row

AGENT = Principal("王芳", "agent", token_id="ab12")
NUMBER = "13812345678"


class Session:
    """A running call, as far as a list of calls shows it."""

    def __init__(self, call_id: str) -> None:
        self.state = State(call_id=call_id, caller=NUMBER, did="12345", started=True)
        self.answered_at = 1_790_000_000.0
        self.confidential = False


@dataclass
class Node:
    """What the exchange needs of a service; its desks, its calls, and its clock."""

    settings: Settings
    name: str
    desks: AgentDesks = field(default_factory=AgentDesks)
    live: LiveFeed = field(default_factory=LiveFeed)
    sessions: dict[str, Any] = field(default_factory=dict)
    at: float = 0.0

    def calls(self, call_id: str) -> None:
        """A call begins."""
        self.sessions[call_id] = Session(call_id)
        self.live.publish({"call_id": call_id, "at": 0.0, "kind": "call", "state": "started"})


class Nodes:
    def __init__(self, server: NatsServer, settings: Settings) -> None:
        self._nats, self._settings = Nats(servers=(server.url,)), settings
        self._stack = AsyncExitStack()

    def made(self, name: str) -> Node:
        """Which is not heard of yet: ``media…`` will have calls, ``web…`` pages."""
        return Node(self._settings, name)

    async def node(self, name: str) -> Node:
        """One that tells and is told, to the end of the test."""
        node = self.made(name)
        await self._stack.enter_async_context(self.running(node))
        return node

    @asynccontextmanager
    async def running(self, node: Node, *, killed: bool = False) -> AsyncIterator[None]:
        """`killed`: it ends without a word."""
        async with open_bus(self._nats, node.name) as bus:
            exchange = DeskExchange(
                bus,
                node.name,
                node,  # type: ignore[arg-type]
                has_pages=node.name.startswith("web"),
                has_calls=node.name.startswith("media"),
                clock=lambda: node.at,
            )
            at_work = asyncio.create_task(exchange.run())
            try:
                yield
            finally:
                if killed:
                    bus.publish = lambda *_, **__: None  # type: ignore[method-assign]
                at_work.cancel()
                await asyncio.gather(at_work, return_exceptions=True)
                await asyncio.sleep(0.1)  # the last word goes out

    async def close(self) -> None:
        await self._stack.aclose()


@pytest.fixture
async def nodes(nats_server: NatsServer, settings: Settings) -> AsyncIterator[Nodes]:  # noqa: F811
    made = Nodes(nats_server, settings)
    yield made
    await made.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for comes from another node
            await asyncio.sleep(0.005)


def nothing() -> None: ...


def leg(node: Node, call_id: str) -> Any:
    number = desk_number("seat@")
    assert number is not None
    return node.desks.new_leg(number, call_id, answer_timeout_s=30.0)


async def shown(node: Node) -> dict[str, Any]:
    """What the agent's page shows at the moment."""
    stream = streams.desk(node, AGENT)  # type: ignore[arg-type]
    found = {}
    async for text in stream:
        name, data = text.removeprefix("event: ").split("\n", 1)
        found[name] = json.loads(data.removeprefix("data: "))
        if len(found) == 3:
            break
    await stream.aclose()
    return found


async def test_a_call_of_another_node_is_listed_and_rings_on_the_page(nodes: Nodes) -> None:
    media, web = await nodes.node("media-1"), await nodes.node("web-1")
    media.calls("c-1")
    with web.desks.open(AGENT.token_id, AGENT.name, nothing):
        await until(lambda: media.desks.ready == 1)
        ringing = leg(media, "c-1")
        await ringing.connect({})
        await until(lambda: web.desks.rings(AGENT.token_id))
        await until(lambda: "c-1" in web.desks.elsewhere.running)
        page = await shown(web)
        assert [(each["call_id"], each["number"]) for each in page["calls"]] == [
            ("c-1", "138******78")
        ]
        assert "caller" not in page["calls"][0]
        assert [(each["leg"], each["number"]) for each in page["offers"]] == [
            (ringing.id, "138******78")
        ]
        assert media.desks.answer(ringing.id, AGENT.token_id) is not None
        await until(lambda: web.desks.talks(AGENT.token_id))
        await until(lambda: web.desks.elsewhere.running["c-1"]["agent"] == "王芳")
        page = await shown(web)
        assert page["offers"] == []
        assert page["calls"][0]["holder"] == AGENT.token_id
        await ringing.hangup()


async def test_what_an_agent_says_of_himself_is_known_where_calls_are(nodes: Nodes) -> None:
    media, web = await nodes.node("media-1"), await nodes.node("web-1")
    with web.desks.open(AGENT.token_id, AGENT.name, nothing):
        await until(lambda: media.desks.ready == 1)
        web.desks.set_presence(AGENT.token_id, Presence.AWAY)
        await until(lambda: media.desks.ready == 0)
        assert media.desks.presence(AGENT.token_id) is Presence.AWAY
        web.desks.set_presence(AGENT.token_id, Presence.READY)
        await until(lambda: media.desks.ready == 1)
    await until(lambda: not media.desks.is_open(AGENT.token_id))


async def test_a_node_that_is_killed_is_believed_for_five_seconds(nodes: Nodes) -> None:
    web, media = await nodes.node("web-1"), nodes.made("media-1")
    with web.desks.open(AGENT.token_id, AGENT.name, nothing):
        async with nodes.running(media, killed=True):
            await until(lambda: media.desks.ready == 1)
            media.calls("c-1")
            ringing = leg(media, "c-1")
            await ringing.connect({})
            await until(lambda: web.desks.rings(AGENT.token_id))
        web.at += GONE_S - 0.1
        await asyncio.sleep(0.6)
        assert web.desks.rings(AGENT.token_id)
        web.at += 0.2
        await until(lambda: not web.desks.rings(AGENT.token_id))
        assert web.desks.elsewhere.running == {}
        await ringing.hangup()


async def test_a_node_of_pages_that_is_killed_is_believed_for_five_seconds(nodes: Nodes) -> None:
    media, web = await nodes.node("media-1"), nodes.made("web-1")
    with web.desks.open(AGENT.token_id, AGENT.name, nothing):
        async with nodes.running(web, killed=True):
            await until(lambda: media.desks.ready == 1)
    media.at += GONE_S - 0.1
    await asyncio.sleep(0.6)
    assert media.desks.ready == 1
    media.at += 0.2
    await until(lambda: media.desks.ready == 0)
    with pytest.raises(LegError, match="No agent's desk is open"):
        await leg(media, "c-1").connect({})


async def test_a_node_that_ends_says_so(nodes: Nodes) -> None:
    web, media = await nodes.node("web-1"), nodes.made("media-1")
    with web.desks.open(AGENT.token_id, AGENT.name, nothing):
        async with nodes.running(media):
            await until(lambda: media.desks.ready == 1)
            ringing = leg(media, "c-1")
            await ringing.connect({})
            await until(lambda: web.desks.rings(AGENT.token_id))
        await until(lambda: not web.desks.rings(AGENT.token_id))
        await ringing.hangup()


async def test_without_nats_nobody_elsewhere_is_ready_and_with_it_again_they_are(
    nodes: Nodes,
    nats_server: NatsServer,  # noqa: F811
) -> None:
    media, web = await nodes.node("media-1"), await nodes.node("web-1")
    with web.desks.open(AGENT.token_id, AGENT.name, nothing):
        await until(lambda: media.desks.ready == 1)
        nats_server.kill()
        media.at += GONE_S
        await until(lambda: media.desks.ready == 0)
        assert web.desks.ready == 1, "calls of its own would ring"
        nats_server.start()
        await until(lambda: media.desks.ready == 1)


class Wire:
    """What is subscribed to, so that a test can say what another node tells."""

    def __init__(self) -> None:
        self._takes: dict[str, Callable[[dict[str, Any]], None]] = {}

    def subscribe(self, subject: str, take: Callable[[dict[str, Any]], None]) -> None:
        self._takes[subject] = take

    def publish(self, *_: object, **__: object) -> None: ...

    def tells(self, node: object, subject: str, known: object) -> None:
        self._takes[subject]({"node": node, "known": known})


@pytest.fixture
def web(settings: Settings) -> Node:
    return Node(settings, "web-1")


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def exchange(web: Node, wire: Wire) -> DeskExchange:
    return DeskExchange(
        wire,  # type: ignore[arg-type]
        web.name,
        web,  # type: ignore[arg-type]
        has_pages=True,
        has_calls=False,
        clock=lambda: web.at,
    )


DESK = {"agent": "b", "name": "李强", "pages": 1, "alive": True, "said": [1.0, "ready"]}
CALL = {
    "call_id": "c-1", "caller": NUMBER, "confidential": False, "line": "12345", "did": "12345",
    "began": 1.0, "place": "海口市", "who": "bot", "agent": "", "holder": "", "danger": "",
}  # fmt: skip


@pytest.mark.usefixtures("exchange")
def test_what_a_newer_node_tells_of_a_call_besides_is_shown_to_nobody(
    web: Node, wire: Wire
) -> None:
    """It may be something that its own pages hide from agents."""
    wire.tells("media-1", SHARES, {})
    wire.tells("media-1", RUNNING, {"c-1": {**CALL, "home": "白龙南路8号"}})
    (call,) = web.desks.elsewhere.running.values()
    assert row(call, AGENT)["number"] == "138******78"
    assert "白龙南路8号" not in str(row(call, AGENT))


@pytest.mark.usefixtures("exchange")
@pytest.mark.parametrize(
    "known", [["c-1"], {"c-1": {}}, {"c-1": {**CALL, "began": "x"}}, {"c-1": None}]
)
def test_calls_that_cannot_be_shown_leave_the_list_as_it_is(
    web: Node, wire: Wire, known: object
) -> None:
    wire.tells("media-1", SHARES, {})
    wire.tells("media-1", RUNNING, {"c-1": CALL})
    with pytest.raises(ValueError, match="wrong"):
        wire.tells("media-1", RUNNING, known)
    assert web.desks.elsewhere.running == {"c-1": CALL}


async def test_a_node_whose_desks_cannot_be_read_is_not_believed_for_ever(
    web: Node, wire: Wire, exchange: DeskExchange
) -> None:
    """Its agents would stay ready, and callers would ring where nobody sees it."""
    at_work = asyncio.create_task(exchange.run())
    wire.tells("web-2", SHARES, {"desks": [DESK]})
    assert web.desks.ready == 1
    for _ in range(2):
        web.at += GONE_S / 2
        with pytest.raises(ValueError, match=r"desks\.said"):
            wire.tells("web-2", SHARES, {"desks": [{**DESK, "said": [1.0, "at lunch"]}]})
    await until(lambda: web.desks.ready == 0)
    at_work.cancel()
    await asyncio.wait({at_work})


@pytest.mark.usefixtures("exchange")
def test_however_many_names_come_so_many_nodes_are_known_and_no_more(web: Node, wire: Wire) -> None:
    for number in range(2 * MOST):
        wire.tells(f"n{number}", SHARES, {"calls": [told_call(number)]})
        wire.tells(f"n{number}", RUNNING, {f"c-{number}": {**CALL, "call_id": f"c-{number}"}})
    assert len(web.desks.elsewhere.running) == MOST
    assert web.desks.holder(f"c-{MOST - 1}") == "b"
    assert web.desks.holder(f"c-{MOST}") == ""


@pytest.mark.usefixtures("exchange")
@pytest.mark.parametrize("name", [7, None, ["n"], "a\nb", "n" * 65])
def test_what_is_no_name_is_no_node(web: Node, wire: Wire, name: object) -> None:
    with pytest.raises(ValueError, match="wrong"):
        wire.tells(name, SHARES, {"desks": [DESK]})
    assert web.desks.ready == 0


def told_call(number: int) -> dict[str, object]:
    return {"call_id": f"c-{number}", "agent": "b", "in_browser": False}
