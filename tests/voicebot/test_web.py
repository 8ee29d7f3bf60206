"""The endpoints answer those who may ask, and nobody else."""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from fastapi import WebSocket
from fastapi.testclient import TestClient
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import WebSocketDenialResponse

import voicebot.web
from asr.pool import DecodePool
from telephony.audio_socket_packets import Announcements
from telephony.call_control import IncomingCall, Rejection
from telephony.dialing import DutyDirectory
from voicebot.admission import Room
from voicebot.call.agent_desks import AgentDesks
from voicebot.call.pipeline import REFUSALS
from voicebot.call.waiting_lines import WaitingLines
from voicebot.config import Settings
from voicebot.loop_lag import LoopLag
from voicebot.metrics.instruments import Metrics
from voicebot.metrics.standing import Standing
from voicebot.readiness import Readiness
from voicebot.records.store import Records
from voicebot.surge.control import SurgeControl
from voicebot.surge.status import status_values
from voicebot.web.api import MAX_BODY_BYTES, create_app
from voicebot.web.pages import PUBLIC

STATIC = Path(voicebot.web.__file__).parent / "static"
IDENTITY = "40325ec2-5efd-4bd3-805f-53576e581d13"


class _Live:
    def publish(self, message: dict[str, Any]) -> None: ...

    async def subscribe(self) -> AsyncIterator[dict[str, Any]]:
        yield {"call_id": "C1", "kind": "call"}
        await asyncio.Event().wait()


class _Service:
    member = None
    started_at = 0.0
    calls_in_progress = 0
    engines: Any = None
    loop_lag = LoopLag()
    transcriber_counts: ClassVar = {"restarts": 1}
    listener_counts: ClassVar = {"restarts": 2}
    readiness = Readiness("", {"sip": True})
    recognition = DecodePool(ThreadPoolExecutor(1)).figures(0.9, 1.5)

    def __init__(self, settings: Settings, records: Records) -> None:
        self.settings, self.records, self.live = settings, records, _Live()
        self.authorised: list[bool] = []
        self.taken: list[IncomingCall] = []
        self.announcements, self.waiting = Announcements(), WaitingLines()
        self.desks, self.directory = AgentDesks(), DutyDirectory(())
        self.sessions: dict[str, Any] = {}
        self.metrics = Metrics()
        self.standing = Standing(0, 8, 0, 16, False, True, self.recognition, self.loop_lag.figures)
        self.surge = SurgeControl(
            settings, records, lambda: Room(0, 8, 16, 0), lambda *_: False, lambda _: False
        )

    @property
    def installation(self) -> Standing:
        return self.standing

    def surge_status(self) -> dict[str, Any]:
        return status_values(self.surge, [line.did for line in self.settings.lines])

    def take_settings(self, settings: Settings) -> None:
        self.settings = settings

    async def handle_media(self, websocket: WebSocket, *, authorised: bool) -> None:
        self.authorised.append(authorised)
        await websocket.close(1008 if not authorised else 1000)

    async def take(self, call: IncomingCall) -> None:
        self.taken.append(call)
        await call.reject(Rejection.FULL, 5)


async def _opened(settings: Settings) -> Records:
    return await Records.open(settings)


def bearer(service: _Service, role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {service.records.tokens.create(role, role)}"}


def paths(client: TestClient, kind: type) -> list[str]:
    return [path for _, path in routes(client, kind)]


def routes(client: TestClient, kind: type) -> list[tuple[Any, str]]:
    found = [
        (route, route.path.replace("{call_id:path}", "C1").replace("{handoff_id:path}", "H1"))
        for route in client.app.routes  # type: ignore[attr-defined]
        if isinstance(route, kind)
    ]
    assert found
    return found


def requests(client: TestClient) -> list[tuple[str, str]]:
    found = [
        (method, path)
        for route, path in routes(client, Route)
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]
    assert {"GET", "POST"} <= {method for method, _ in found}
    return found


@pytest.mark.parametrize("header", [None, "Bearer vb_wrong", "Basic eDp5", "Bearer ", "Bearer é"])
def test_every_endpoint_asks_for_a_token(client: TestClient, header: str | None) -> None:
    headers = {"Authorization": header.encode()} if header else {}
    for method, path in requests(client):
        way_in = (method, path) == ("POST", "/v1/session") or path.startswith("/v1/session/oidc")
        pages = path.startswith(("/console/static/", "/console/login"))
        if path not in PUBLIC and not (way_in or pages):
            answer = client.request(method, path, headers=headers, follow_redirects=False)  # type: ignore[arg-type]
            to_log_in = answer.headers.get("location", "").startswith("/console/login?next=")
            signed_link = path.startswith("/console/110/") and answer.status_code == 403
            assert answer.status_code == 401 or to_log_in or signed_link, path
    for path in paths(client, WebSocketRoute):
        if path.startswith("/media") and header is None:
            continue  # below: its token may come in the first message
        with (
            pytest.raises(WebSocketDenialResponse) as denied,
            client.websocket_connect(path, headers=headers),  # type: ignore[arg-type]
        ):
            pass
        assert denied.value.status_code == 401, path


def test_no_route_is_of_another_kind(client: TestClient) -> None:
    kinds = {type(route).__mro__[-2] for route in client.app.routes}  # type: ignore[attr-defined]
    assert len(kinds) == 1
    assert all(isinstance(r, Route | WebSocketRoute) for r in client.app.routes)  # type: ignore[attr-defined]


def test_media_without_a_header_is_left_to_the_start_message(
    client: TestClient, service: _Service
) -> None:
    with client.websocket_connect("/media") as socket:
        assert socket.receive()["code"] == 1008
    assert service.authorised == [False]


def test_media_with_a_token_is_authorised(client: TestClient, service: _Service) -> None:
    with client.websocket_connect("/media", headers=bearer(service, "media")) as socket:
        assert socket.receive()["code"] == 1000
    assert service.authorised == [True]


@pytest.mark.parametrize("path", ["/api/calls", "/api/calls/C1", "/api/calls/C1/events"])
@pytest.mark.parametrize("role", ["media", "editor", "reviewer", "desk", "110"])
def test_other_roles_do_not_read_calls(
    client: TestClient, service: _Service, path: str, role: str
) -> None:
    answer = client.get(path, headers=bearer(service, role))
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_role")


def test_the_police_read_a_handoff_and_no_call(client: TestClient, service: _Service) -> None:
    headers = bearer(service, "110")
    assert client.get("/api/handoffs/H1", headers=headers).status_code == 404
    assert client.get("/api/calls/C1", headers=headers).status_code == 403


def test_a_call_is_served_whole(client: TestClient, service: _Service) -> None:
    async def write() -> None:
        await service.records.start_call("C1", "13800138000", "12345", 1_790_000_000.0)
        await service.records.finish_call("C1", "answered", 1_790_000_030.0)

    assert client.portal is not None
    client.portal.call(write)
    headers = bearer(service, "agent")
    call = client.get("/api/calls/C1", headers=headers)
    assert call.headers["cache-control"] == "no-store"
    assert call.json()["caller"] == "13800138000"
    assert call.json()["outcome"] == "answered"
    assert client.get("/api/calls", headers=headers).json()["calls"][0]["call_id"] == "C1"
    assert client.get("/api/calls/C1/events", headers=headers).json() == []
    assert client.get("/api/calls/C2", headers=headers).json()["code"] == "not_found"


@pytest.mark.parametrize("name", ["a/b", "a?b", "a#b", "a b", "a%b", "呼叫", "a/../b"])
def test_any_id_of_a_carrier_can_be_read(client: TestClient, service: _Service, name: str) -> None:
    async def write() -> None:
        await service.records.start_call(name, "13800138000", "12345", 1_790_000_000.0)

    assert client.portal is not None
    client.portal.call(write)
    headers = bearer(service, "agent")
    for end, expected in (("", name), ("/events", None)):
        answer = client.get(f"/api/calls/{quote(name, safe='')}{end}", headers=headers)
        assert answer.status_code == 200, answer.text
        assert expected is None or answer.json()["call_id"] == expected


def test_health_says_how_things_are(client: TestClient, service: _Service) -> None:
    answer = client.get("/health", headers=bearer(service, "media")).json()
    assert (answer["status"], answer["calls"]) == ("ok", 0)
    assert answer["transcriber"] == {"restarts": 1}
    assert answer["listener"] == {"restarts": 2}
    assert answer["recognition"]["final"]["waiting"] == 0
    assert answer["recognition"]["partial_interval_s"] == 0.9


def test_live_messages_arrive(client: TestClient, service: _Service) -> None:
    with client.websocket_connect("/api/live", headers=bearer(service, "supervisor")) as socket:
        assert socket.receive_json() == {"call_id": "C1", "kind": "call"}


def test_a_revoked_token_is_refused(client: TestClient, service: _Service) -> None:
    headers = bearer(service, "admin")
    assert client.get("/health", headers=headers).status_code == 200
    (row,) = service.records.tokens.listed()
    service.records.tokens.revoke(row["id"])
    assert client.get("/health", headers=headers).status_code == 401


def test_reads_and_refusals_are_audited(client: TestClient, service: _Service) -> None:
    client.get("/api/calls/C1", headers=bearer(service, "admin"))
    client.get("/api/calls/C1", headers=bearer(service, "media"))

    async def settled() -> None:
        await service.records.audit(None, "end")

    assert client.portal is not None
    client.portal.call(settled)
    import sqlite3

    rows = sqlite3.connect(service.settings.paths.state / "voicebot.db").execute(
        "select role, action, subject, allowed from audit where client <> 'cli' and client <> ''"
    )
    assert sorted(rows) == [
        ("admin", "call.read", "C1", 1),
        ("media", "refused", "/api/calls/C1", 0),
    ]


# ── the call page ─────────────────────────────────────────────────────────────────────


def test_the_files_of_the_call_page_are_all_that_needs_no_token() -> None:
    assert sorted(PUBLIC) == [
        "/call",
        "/call/call.css",
        "/call/call.js",
        "/call/icon.svg",
        "/call/phone.js",
        "/call/words.js",
        "/call/worklet.js",
        "/receipt",
        "/receipt/receipt.js",
    ]
    assert {name for name, _ in PUBLIC.values()} == {file.name for file in STATIC.iterdir()}


def test_the_files_of_the_call_page_hold_no_data(client: TestClient) -> None:
    for path, (name, media_type) in PUBLIC.items():
        answer = client.get(path)
        assert answer.content == (STATIC / name).read_bytes()  # the same for everybody
        assert answer.headers["content-type"] == media_type
        assert "set-cookie" not in answer.headers


def test_the_call_page_runs_only_what_comes_from_here(client: TestClient) -> None:
    for path in PUBLIC:
        policy = client.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    for path in ("/call", "/receipt"):
        page = client.get(path).text
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|https?://", page)


def test_each_refusal_has_its_words_on_the_call_page() -> None:
    words = (STATIC / "words.js").read_text("utf-8")
    for why in Rejection:
        assert f'"{REFUSALS[why]}": "{why.value}"' in words
        assert re.search(rf"^  {why.value}: \[", words, re.M)


@pytest.mark.parametrize(
    ("role", "may_call", "may_read"),
    [("media", True, False), ("admin", True, True), ("agent", False, True), ("desk", False, False)],
)
def test_a_token_learns_the_lines_and_what_it_may_do(
    client: TestClient, service: _Service, role: str, may_call: bool, may_read: bool
) -> None:
    answer = client.get("/api/lines", headers=bearer(service, role)).json()
    assert [line["did"] for line in answer["lines"]] == ["12345", "12333", "96377"]
    assert (answer["may_call"], answer["may_read"]) == (may_call, may_read)


def test_one_call_is_followed_until_it_ends(client: TestClient, service: _Service) -> None:
    async def subscribe() -> AsyncIterator[dict[str, Any]]:
        yield {"call_id": "C2", "kind": "say", "text": "somebody else"}
        yield {"call_id": "C1", "kind": "say", "text": "您好"}
        yield {"call_id": "C1", "kind": "call", "state": "ended"}
        await asyncio.Event().wait()

    service.live.subscribe = subscribe  # type: ignore[method-assign]
    answer = client.get("/api/calls/C1/live", headers=bearer(service, "agent"))
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["kind"] for line in lines] == ["watching", "say", "call"]
    assert lines[1]["text"] == "您好"


def test_who_may_not_read_calls_does_not_follow_one(client: TestClient, service: _Service) -> None:
    assert client.get("/api/calls/C1/live", headers=bearer(service, "media")).status_code == 403


# ── browsers of other sites, and requests of any size ─────────────────────────────────


@pytest.mark.parametrize("path", ["/media", "/media/fork", "/api/live"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://testserver:81", "null", "http://[", "file://"]
)
def test_another_sites_page_opens_no_socket(
    client: TestClient, service: _Service, path: str, origin: str
) -> None:
    headers = {"Origin": origin, **bearer(service, "admin")}
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        client.websocket_connect(path, headers=headers),
    ):
        pass
    assert (denied.value.status_code, denied.value.json()["code"]) == (403, "foreign_origin")


@pytest.mark.parametrize("origin", ["http://testserver", "http://TestServer:80"])
def test_the_services_own_page_opens_a_socket(
    client: TestClient, service: _Service, origin: str
) -> None:
    with client.websocket_connect("/media", headers={"Origin": origin}) as socket:
        assert socket.receive()["code"] == 1008
    assert service.authorised == [False]


def test_every_answer_carries_the_security_headers(client: TestClient, service: _Service) -> None:
    for path in ("/call", "/health", "/api/calls", "/nowhere"):
        for headers in ({}, bearer(service, "admin")):
            answer = client.get(path, headers=headers)
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_request_has_a_largest_size(client: TestClient, service: _Service, chunked: bool) -> None:
    body = b"x" * (MAX_BODY_BYTES + 1)
    answer = client.post(
        "/api/audiosocket",
        content=iter([body[:40_000], body[40_000:]]) if chunked else body,
        headers=bearer(service, "media") | {"Content-Type": "application/json"},
    )
    assert answer.status_code == 413


# ── other carriers ────────────────────────────────────────────────────────────────────


def metadata(**more: Any) -> str:
    return json.dumps({"uuid": "F1", "from": "13800138000", "to": "12345", **more})


def test_a_fork_shows_its_token_in_the_metadata(client: TestClient, service: _Service) -> None:
    token = service.records.tokens.create("media")
    with client.websocket_connect("/media/fork", ["audio.drachtio.org"]) as socket:
        assert socket.accepted_subprotocol == "audio.drachtio.org"
        socket.send_text(metadata(token=token, sampleRate=16000))
        assert socket.receive_json()["data"] == {"reason": "full", "retry_after_s": 5}
        assert socket.receive_json() == {"type": "disconnect"}
        assert socket.receive()["code"] == 1013
    (call,) = service.taken
    assert call.info.caller == "13800138000"
    assert (call.info.did, call.info.rate, call.info.call_id) == ("12345", 16000, "F1")


def test_a_fork_with_a_token_in_the_header_is_taken(client: TestClient, service: _Service) -> None:
    with client.websocket_connect("/media/fork", headers=bearer(service, "media")) as socket:
        socket.send_text(metadata())
        assert socket.receive_json()["data"]["reason"] == "full"
    assert len(service.taken) == 1


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (metadata(), "wrong_token"),
        (metadata(token="vb_wrong"), "wrong_token"),
        (metadata(mixType="stereo"), "bad_metadata"),
        ("[]", "bad_metadata"),
        (b"audio", "bad_metadata"),
        (metadata(sampleRate=44100), "unknown_sample_rate"),
    ],
)
def test_a_fork_that_cannot_be_taken_is_told_why(
    client: TestClient, service: _Service, first: str | bytes, reason: str
) -> None:
    with client.websocket_connect("/media/fork") as socket:
        if isinstance(first, bytes):
            socket.send_bytes(first)
        else:
            socket.send_text(first)
        assert socket.receive_json()["data"]["reason"] == reason
        assert socket.receive_json() == {"type": "disconnect"}
        assert socket.receive()["code"] == 1008
    assert service.taken == []


def test_an_audiosocket_call_is_announced_once(client: TestClient, service: _Service) -> None:
    headers = bearer(service, "media")
    body = {"uuid": IDENTITY, "caller": "13800138000", "did": "12345"}
    first = client.post("/api/audiosocket", json=body, headers=headers)
    assert (first.status_code, first.json()) == (201, {"uuid": IDENTITY, "expires_s": 30.0})
    again = client.post("/api/audiosocket", json=body, headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "announced_already")
    info = service.announcements.take(uuid.UUID(IDENTITY))
    assert info is not None
    assert (info.caller, info.did, info.rate) == ("13800138000", "12345", 8000)


@pytest.mark.parametrize(
    "wrong",
    [{"uuid": "x"}, {"did": "12 345"}, {"caller": "1" * 65}, {"rate": 44100}, {"more": 1}],
)
def test_an_announcement_is_checked_without_repeating_it(
    client: TestClient, service: _Service, wrong: dict[str, Any]
) -> None:
    body = {"uuid": IDENTITY, "caller": "13800138000", "did": "12345", **wrong}
    answer = client.post("/api/audiosocket", json=body, headers=bearer(service, "media"))
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")
    assert "13800138000" not in answer.text


def test_without_audiosocket_nothing_is_announced(client: TestClient, service: _Service) -> None:
    other = TestClient(create_app(service))
    assert other.post("/api/audiosocket", headers=bearer(service, "media")).status_code == 404
