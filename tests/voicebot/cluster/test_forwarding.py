"""A request about a call of another node is answered by that node, as if it had been asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from telephony.loopback_server import LoopbackServer, bind_loopback
from tests.voicebot.test_web import _Service
from voicebot.cluster.bus import Bus
from voicebot.cluster.live_events import RunningCalls
from voicebot.cluster.member import Member
from voicebot.cluster.nodes import Node
from voicebot.config import Settings
from voicebot.config_nats import Nats
from voicebot.records.store import Records
from voicebot.serving import server_config
from voicebot.web.access import COOKIE
from voicebot.web.api import create_app
from voicebot.web.console.board import Board
from voicebot.web.forwarded import BETWEEN_NODES, NoTarget, url_at
from voicebot.web.forwarding import AWAY, IDLE_S, NO_ANSWER, NO_NODE, NO_TARGET, Forwarding


def node_app() -> FastAPI:
    """What a node with calls answers, and how it was asked."""
    app = FastAPI()
    app.state.gone = asyncio.Event()

    @app.post("/v1/agent/calls/{call_id:path}/acts")
    async def acts(call_id: str, request: Request) -> Response:
        told = {
            "call": call_id,
            "raw": request.scope["raw_path"].decode(),
            "query": request.url.query,
            "body": (await request.body()).decode(),
            "headers": dict(request.headers),
        }
        return JSONResponse(told, 409, {"Set-Cookie": "a=b"})

    @app.get("/v1/agent/calls/{call_id:path}/stream")
    async def stream(call_id: str) -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            try:
                for number in range(1_000_000):
                    yield f"data: {number}\n\n"
                    await asyncio.sleep(0.01)
            finally:
                app.state.gone.set()

        return StreamingResponse(parts(), media_type="text/event-stream")

    @app.websocket("/v1/agent/offers/{leg}/line")
    async def line(websocket: WebSocket, leg: str) -> None:
        if websocket.headers.get("authorization") != "Bearer right":
            await websocket.send_denial_response(JSONResponse({"code": "wrong_token"}, 401))
            return
        await websocket.accept()
        await websocket.send_text(leg)
        await websocket.send_bytes(await websocket.receive_bytes())
        await websocket.close(4001, "vorbei")

    return app


@pytest.fixture
async def node() -> AsyncIterator[LoopbackServer]:
    app = node_app()
    async with LoopbackServer(app) as server:
        server.app = app  # type: ignore[attr-defined]
        yield server


def _with_pages(settings: Settings) -> Settings:
    server = settings.server.model_copy(update={"roles": ("web",), "node": "web"})
    return settings.model_copy(update={"server": server})


@pytest.fixture
async def member(settings: Settings, node: LoopbackServer) -> Member:
    made = Member(
        _with_pages(settings),
        Bus(Nats(servers=("nats://127.0.0.1:1",)), "web"),
        RunningCalls(Board()),
    )
    address = f"http://127.0.0.1:{node.port}"
    made.nodes.heard(Node("one", "r", ("media",), address, calls=("a/b",)), 0.0)
    return made


@pytest.fixture
async def web(settings: Settings, records: Records, member: Member) -> AsyncIterator[str]:
    """The address of a process with pages, whose own answer is always the same."""
    service: Any = _Service(settings, records)
    service.member = member
    service.desks.elsewhere = _Rings()
    app = FastAPI()
    app.add_middleware(Forwarding, service=service)

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def own(path: str) -> dict[str, str]:
        return {"own": path}

    async with LoopbackServer(app) as server:
        yield f"http://127.0.0.1:{server.port}"


class _Rings:
    def node_of(self, leg: str) -> str:
        return "one" if leg == "L1" else ""


async def test_the_node_is_asked_with_all_that_came(web: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(
            f"{web}/v1/agent/calls/a%2Fb/acts?x=%2F1",
            content="{说}".encode(),
            headers={
                "Authorization": "Bearer t",
                "Cookie": "voicebot_session=s",
                "X-CSRF-Token": "c",
            },
        )
    told = answer.json()
    assert (answer.status_code, answer.headers["set-cookie"]) == (409, "a=b")
    assert (told["call"], told["raw"]) == ("a/b", "/v1/agent/calls/a%2Fb/acts")
    assert (told["query"], told["body"]) == ("x=%2F1", "{说}")
    headers = told["headers"]
    assert (headers["authorization"], headers["cookie"]) == ("Bearer t", "voicebot_session=s")
    assert headers["x-csrf-token"] == "c"
    assert headers["host"] == web.removeprefix("http://")  # which the Origin is compared with
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"


async def test_a_stream_comes_as_it_happens_and_ends_with_its_reader(
    web: str, node: LoopbackServer
) -> None:
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        client.stream("GET", f"{web}/v1/agent/calls/a%2Fb/stream") as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.aiter_lines()
        assert await anext(lines) == "data: 0"
    async with asyncio.timeout(5):
        await node.app.state.gone.wait()  # type: ignore[attr-defined]


async def test_what_no_other_node_has_is_answered_here(web: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        unknown = await client.post(f"{web}/v1/agent/calls/other/acts")
        page = await client.get(f"{web}/console/calls/a%2Fb")
        forwarded = await client.post(
            f"{web}/v1/agent/calls/a%2Fb/acts", headers={BETWEEN_NODES: "another"}
        )
    assert unknown.json() == {"own": "v1/agent/calls/other/acts"}
    assert "own" in page.json()
    assert "own" in forwarded.json()


async def test_a_node_that_is_not_reached_is_said_to_be_away(web: str, member: Member) -> None:
    member.nodes.heard(Node("one", "r", ("media",), "http://127.0.0.1:1", calls=("a/b",)), 0.0)
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{web}/v1/agent/calls/a%2Fb/acts")
    assert (answer.status_code, answer.json()) == (503, AWAY)
    assert "联系不上" in answer.json()["message"]


async def test_an_act_that_is_not_answered_is_said_to_be_done_perhaps(
    web: str, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.web.forwarding.ANSWER_S", 0.5)
    frozen = bind_loopback("127.0.0.1", 0)  # it is reached, and says nothing
    address = f"http://127.0.0.1:{frozen.getsockname()[1]}"
    member.nodes.heard(Node("one", "r", ("media",), address, calls=("a/b",)), 0.0)
    with closing(frozen):
        async with httpx.AsyncClient(trust_env=False) as client:
            act = await client.post(f"{web}/v1/agent/calls/a%2Fb/acts", content="police")
            stream = await client.get(f"{web}/v1/agent/calls/a%2Fb/stream")
    assert (act.status_code, act.json()) == (503, NO_ANSWER)
    assert (stream.status_code, stream.json()) == (503, AWAY)


async def test_its_connections_end_with_the_application(
    settings: Settings, records: Records, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[httpx.AsyncClient] = []

    class Client(httpx.AsyncClient):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            made.append(self)

    monkeypatch.setattr("voicebot.web.forwarding.httpx.AsyncClient", Client)
    service: Any = _Service(settings, records)
    service.member = member
    app = FastAPI()
    app.add_middleware(Forwarding, service=service)
    async with LoopbackServer(app) as server, httpx.AsyncClient(trust_env=False) as client:
        made.clear()
        answer = await client.post(f"http://127.0.0.1:{server.port}/v1/agent/calls/a%2Fb/acts")
        assert answer.status_code == 409
        (forwarding,) = made
        assert not forwarding.is_closed
    assert forwarding.is_closed


def test_a_connection_that_idles_is_closed_by_who_asks_before_it_is_by_the_service(
    settings: Settings, records: Records
) -> None:
    service: Any = _Service(settings, records)
    nginx_s = 60
    assert server_config(service, None).timeout_keep_alive > max(nginx_s, 2 * IDLE_S)


async def test_what_only_the_node_can_do_is_asked_of_it_though_nats_is_away(
    web: str, member: Member
) -> None:
    member.nodes.silent(1000.0)
    async with httpx.AsyncClient(trust_env=False) as client:
        act = await client.post(f"{web}/v1/agent/calls/a%2Fb/acts", content="police")
        police = await client.get(f"{web}/console/110/a%2Fb-h1/stream")
        card = await client.get(f"{web}/v1/agent/calls/a%2Fb/card")
    assert (act.status_code, act.json()["body"]) == (409, "police")
    assert police.json() == {"detail": "Not Found"}, "the node was asked"
    assert "own" in card.json(), "as it is on record"


async def test_what_a_dead_node_had_is_answered_here(web: str, member: Member) -> None:
    member.nodes.heard(Node("one", "r", ("media",), "http://127.0.0.1:1", calls=("a/b",)), 0.0)
    member.nodes.silent(1000.0)
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{web}/v1/agent/calls/a%2Fb/acts", content="police")
    assert "own" in answer.json()


async def test_a_new_call_without_any_node_is_refused(web: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{web}/media")
    assert (answer.status_code, answer.json()) == (503, NO_NODE)


async def test_a_line_goes_both_ways_and_ends_as_the_node_ends_it(web: str) -> None:
    address = web.replace("http", "ws") + "/v1/agent/offers/L1/line"
    headers = {"Authorization": "Bearer right"}
    async with connect(address, additional_headers=headers, proxy=None) as socket:
        assert await socket.recv() == "L1"
        await socket.send(b"\x00\x01")
        assert await socket.recv() == b"\x00\x01"
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "vorbei")


async def test_a_line_that_the_node_refuses_is_refused_with_its_answer(web: str) -> None:
    address = web.replace("http", "ws") + "/v1/agent/offers/L1/line"
    with pytest.raises(InvalidStatus) as denied:
        async with connect(address, proxy=None):
            pass
    assert denied.value.response.status_code == 401
    assert b"wrong_token" in (denied.value.response.body or b"")


@pytest.fixture
def far(settings: Settings, records: Records) -> _Service:
    return _Service(settings, records)


@pytest.fixture
async def two(settings: Settings, records: Records, member: Member, far: Any) -> AsyncIterator[str]:
    """Address of a process with pages; "L1" rings and new calls are answered at a node."""
    async with LoopbackServer(create_app(far)) as node:
        address = f"http://127.0.0.1:{node.port}"
        member.nodes.heard(Node("one", "r", ("media",), address, ready=True, room=8), 0.0)
        near: Any = _Service(_with_pages(settings), records)
        near.member, near.desks.elsewhere = member, _Rings()
        async with LoopbackServer(create_app(near)) as web:
            yield f"http://127.0.0.1:{web.port}"


async def test_a_browser_takes_a_call_that_rings_at_another_node_than_its_page_is_of(
    two: str, records: Records
) -> None:
    token = await asyncio.to_thread(records.tokens.create, "agent", "agent")
    async with httpx.AsyncClient(trust_env=False) as client:
        opened = await client.post(f"{two}/v1/session", json={"token": token})
    cookie = {"Cookie": f"{COOKIE}={opened.cookies[COOKIE]}"}
    line = two.replace("http", "ws") + "/v1/agent/offers/L1/line"
    async with connect(line, additional_headers=cookie, origin=Origin(two), proxy=None) as socket:
        with pytest.raises(ConnectionClosed, match="does not ring here any more"):
            await socket.recv()
    for foreign in ("https://elsewhere.example", "null", None):
        origin = Origin(foreign) if foreign else None
        with pytest.raises(InvalidStatus) as denied:
            async with connect(line, additional_headers=cookie, origin=origin, proxy=None):
                pass
        assert b"foreign_origin" in (denied.value.response.body or b""), foreign


async def test_a_page_calls_through_another_node_and_a_foreign_page_does_not(two: str) -> None:
    media = two.replace("http", "ws") + "/media"
    async with connect(media, origin=Origin(two), proxy=None) as socket:
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    with pytest.raises(InvalidStatus) as denied:
        async with connect(media, origin=Origin("https://elsewhere.example"), proxy=None):
            pass
    assert b"foreign_origin" in (denied.value.response.body or b"")


async def test_a_forked_call_is_answered_by_a_node_that_takes_calls(
    two: str, far: _Service, records: Records
) -> None:
    token = await asyncio.to_thread(records.tokens.create, "media", "media")
    fork = two.replace("http", "ws") + "/media/fork"
    headers = {"Authorization": f"Bearer {token}"}
    subprotocols = [Subprotocol("audio.drachtio.org")]
    async with connect(
        fork, additional_headers=headers, subprotocols=subprotocols, proxy=None
    ) as socket:
        assert socket.subprotocol == "audio.drachtio.org"
        await socket.send(json.dumps({"uuid": "F-1", "from": "13800000000", "to": "12345"}))
        await socket.wait_closed()
    assert [call.info.call_id for call in far.taken] == ["F-1"]


async def raw(web: str, line: str) -> tuple[int, Any]:
    """Status and JSON of a request whose target no client would send."""
    port = urlsplit(web).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with closing(writer):
        writer.write(f"{line} HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(10):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


async def test_no_target_of_a_request_leads_to_another_host_or_path_than_it_was_judged_by(
    web: str, node: LoopbackServer
) -> None:
    asked: list[str] = []
    foreign = FastAPI()

    @foreign.api_route("/{path:path}", methods=["GET", "POST"])
    async def take(path: str) -> None:
        asked.append(path)

    async with LoopbackServer(foreign) as elsewhere:
        to = f"127.0.0.1:{elsewhere.port}"
        for line in (
            f"GET %2Fconsole%2F110%2Fa%2Fb-h1@{to}/any/stream?x=1",
            f"POST %2Fv1/agent/calls/a%2Fb@{to}/acts",
            "POST %2Fv1/agent/calls/a%2Fb/acts",
            "GET /console/110/a%2Fb-h1/../../../v1/agent/calls/a%2Fb/stream",
            "GET /console/110/a%2Fb-h1/./x/stream",
            "GET /console/110/a%2Fb-h1#x/stream",
        ):
            status, answer = await raw(web, line)
            assert (status, answer) == (400, NO_TARGET) or "own" in answer, line
    assert asked == []


PIECES = st.sampled_from(
    ["/", "//", "..", ".", "%2F", "%2e%2e", "@", ":", "h:80", "127.0.0.2:1", "#", "%", "a", "说"]
)


@given(st.lists(PIECES, max_size=12).map("".join), st.sampled_from([b"", b"x=%2F1", b"@e/..#"]))
def test_a_node_is_asked_at_its_own_address_for_the_path_that_came(path: str, query: bytes) -> None:
    scope = {"raw_path": path.encode(), "path": unquote(path), "query_string": query}
    for address in ("http://127.0.0.1:8445", "https://media1.example"):
        try:
            url = url_at(address, scope)
        except NoTarget:
            continue
        sent = urlsplit(str(url))
        assert f"{sent.scheme}://{sent.netloc}" == address
        assert unquote(sent.path) == scope["path"]
