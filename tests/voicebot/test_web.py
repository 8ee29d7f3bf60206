"""The endpoints answer those who may ask, and nobody else."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import WebSocket
from fastapi.testclient import TestClient
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import WebSocketDenialResponse

from voicebot.config import Settings
from voicebot.records.store import Records
from voicebot.web.api import create_app


class _Live:
    async def subscribe(self) -> AsyncIterator[dict[str, Any]]:
        yield {"call_id": "C1", "kind": "call"}
        await asyncio.Event().wait()


class _Service:
    started_at = 0.0
    calls_in_progress = 0

    def __init__(self, settings: Settings, records: Records) -> None:
        self.settings, self.records, self.live = settings, records, _Live()
        self.authorised: list[bool] = []

    async def handle_media(self, websocket: WebSocket, *, authorised: bool) -> None:
        self.authorised.append(authorised)
        await websocket.close(1008 if not authorised else 1000)


@pytest.fixture
def service(settings: Settings) -> _Service:
    # The test client has a loop of its own, so the records are opened there.
    return _Service(settings, asyncio.run(_opened(settings)))


async def _opened(settings: Settings) -> Records:
    return await Records.open(settings)


@pytest.fixture
def client(service: _Service) -> Iterator[TestClient]:
    with TestClient(create_app(service)) as client:
        yield client
        assert client.portal is not None
        client.portal.call(service.records.close)


def bearer(service: _Service, role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {service.records.tokens.create(role)}"}


def paths(client: TestClient, kind: type) -> list[str]:
    found = [
        route.path.replace("{call_id:path}", "C1").replace("{handoff_id:path}", "H1")
        for route in client.app.routes  # type: ignore[attr-defined]
        if isinstance(route, kind)
    ]
    assert found
    return found


@pytest.mark.parametrize("header", [None, "Bearer vb_wrong", "Basic eDp5", "Bearer ", "Bearer é"])
def test_every_endpoint_asks_for_a_token(client: TestClient, header: str | None) -> None:
    headers = {"Authorization": header.encode()} if header else {}
    for path in paths(client, Route):
        assert client.get(path, headers=headers).status_code == 401, path  # type: ignore[arg-type]
    for path in paths(client, WebSocketRoute):
        if path == "/media" and header is None:
            continue  # below: its token may come in the start message
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
@pytest.mark.parametrize("role", ["media", "kb", "desk", "110"])
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
