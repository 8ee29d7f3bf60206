"""Requests of one client are limited, and nothing that bears danger ever is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session
from starlette.datastructures import Headers
from starlette.testclient import WebSocketDenialResponse
from starlette.types import Receive, Scope, Send

from tests.voicebot.test_web import _opened, _Service, bearer
from voicebot.config import Settings, load_settings
from voicebot.config_limits import RateLimits
from voicebot.records.tables import AuditRow
from voicebot.serving import server_config
from voicebot.web.access import COOKIE
from voicebot.web.api import create_app
from voicebot.web.limiting import CALLBACK, UNLIMITED, failed, network, unlimited
from voicebot.web.oidc import START_COOKIE

FEW = RateLimits(per_minute=6, burst=5, refused_per_minute=6, refused_burst=3, sign_in_burst=2)


@pytest.fixture
def service(settings: Settings) -> _Service:
    limited = settings.model_copy(update={"rate_limits": FEW})
    return _Service(limited, asyncio.run(_opened(limited)))


@pytest.fixture
def client(service: _Service) -> Iterator[TestClient]:
    with opened(service) as client:
        yield client


@contextmanager
def opened(service: _Service) -> Iterator[TestClient]:
    """The application as it is served; a request comes from the address in X-From."""
    config = server_config(service, service.announcements)
    config.load()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            address = Headers(scope=scope).get("x-from", "10.1.1.1")
            scope["client"] = (address, 4000)
        await config.loaded_app(scope, receive, send)

    with TestClient(app) as client:
        yield client
        assert client.portal is not None
        client.portal.call(service.records.close)


def statuses(client: TestClient, times: int, path: str, **sent: Any) -> list[int]:
    return [client.get(path, **sent).status_code for _ in range(times)]


def limited_rows(client: TestClient, service: _Service) -> list[tuple[str, str, str, str]]:
    async def written() -> list[tuple[str, str, str, str]]:
        await asyncio.gather(*service.records._tasks)
        return await service.records.read(_limited)

    assert client.portal is not None
    return client.portal.call(written)


def _limited(session: Session) -> list[tuple[str, str, str, str]]:
    rows = session.query(AuditRow).filter(AuditRow.action.startswith("limited."))
    return [(row.action, row.principal, row.subject, row.client) for row in rows]


def test_who_asks_too_often_is_told_when_to_come_again(
    client: TestClient, service: _Service
) -> None:
    agent = bearer(service, "agent")
    assert statuses(client, 5, "/api/lines", headers=agent) == [200] * 5
    answer = client.get("/api/lines", headers=agent)
    assert answer.status_code == 429
    assert answer.json()["code"] == "too_many_requests"
    assert 1 <= int(answer.headers["Retry-After"]) <= 10
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_another_token_and_another_address_have_limits_of_their_own(
    client: TestClient, service: _Service
) -> None:
    agent = bearer(service, "agent")
    assert statuses(client, 6, "/api/lines", headers=agent)[-1] == 429
    assert client.get("/api/lines", headers=bearer(service, "supervisor")).status_code == 200
    elsewhere = {**agent, "X-From": "10.1.1.2"}
    assert client.get("/api/lines", headers=elsewhere).status_code == 200


def test_wrong_tokens_are_limited_more_strictly_and_keep_nobody_else_out(
    client: TestClient, service: _Service
) -> None:
    """Each is another one, from one address: none makes a client of its own."""
    wrong = [
        client.get("/api/lines", headers={"Authorization": f"Bearer vb_{n}"}).status_code
        for n in range(6)
    ]
    assert wrong == [401, 401, 401, 429, 429, 429]
    assert client.get("/api/lines", headers=bearer(service, "agent")).status_code == 200
    elsewhere = {"Authorization": "Bearer vb_x", "X-From": "10.1.1.2"}
    assert client.get("/api/lines", headers=elsewhere).status_code == 401


def test_a_failed_log_in_counts_and_one_that_succeeds_does_not(
    client: TestClient, service: _Service
) -> None:
    def tried(token: str) -> int:
        return client.post("/v1/session", json={"token": token}).status_code

    right = service.records.tokens.create("agent")
    assert [tried(each) for each in ("x", right, right, "y", right)] == [401, 200, 200, 401, 429]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"json": {"wrong": 1}}, 422),
        ({"json": {"token": "x"}, "headers": {"Origin": "https://evil.example"}}, 403),
    ],
)
def test_what_was_not_looked_at_keeps_nobody_at_its_address_out(
    client: TestClient, service: _Service, sent: dict[str, Any], status: int
) -> None:
    refused = [client.post("/v1/session", **sent).status_code for _ in range(4)]
    assert refused == [status] * 4
    token = service.records.tokens.create("agent")
    assert client.post("/v1/session", json={"token": token}).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "cookie", "counts"),
    [
        ("/v1/session", 401, "", True),
        ("/v1/session", 429, "", False),
        ("/v1/session", 503, "", False),
        ("/v1/session/password", 401, "", True),
        ("/v1/session/oidc", 303, f"{START_COOKIE}=x", False),
        (CALLBACK, 303, "", True),
        (CALLBACK, 200, f"{COOKIE}=x; Path=/", False),
        (CALLBACK, 404, "", False),
    ],
)
def test_a_failure_is_somebody_who_is_not_who_he_says(
    path: str, status: int, cookie: str, counts: bool
) -> None:
    headers = Headers({"set-cookie": cookie} if cookie else {})
    assert failed(path, status, headers) is counts


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/health", "agent"),
        ("GET", "/api/handoffs/H1", "desk"),
        ("POST", "/v1/exchange/messages", "110"),
        ("POST", "/v1/matters", "channel"),
        ("POST", "/v1/recommend", "agent"),
        ("POST", "/v1/duty/receipts/r1", "agent"),
        ("PUT", "/v1/surge/figures", "acd"),
        ("POST", "/api/audiosocket", "media"),
        ("POST", "/v1/agent/calls/CA%2F1/acts", "agent"),
        ("GET", "/console/110/CA%2F1-h1", "110"),
    ],
)
def test_danger_never_waits(
    client: TestClient, service: _Service, method: str, path: str, role: str
) -> None:
    headers = bearer(service, role)
    answers = [client.request(method, path, headers=headers).status_code for _ in range(20)]
    assert 429 not in answers


def test_an_agent_answers_however_much_his_page_has_asked(
    client: TestClient, service: _Service
) -> None:
    agent = bearer(service, "agent")
    assert statuses(client, 6, "/api/lines", headers=agent)[-1] == 429
    with client.websocket_connect("/v1/agent/offers/x/line", headers=agent) as line:
        assert line.receive()["code"] == 1008  # it does not ring any more


def test_a_carrier_brings_as_many_calls_as_there_are(client: TestClient, service: _Service) -> None:
    headers = bearer(service, "media")
    for _ in range(20):
        with client.websocket_connect("/media", headers=headers) as socket:
            assert socket.receive()["code"] == 1000


def test_a_websocket_of_the_console_is_limited_as_a_request_is(
    client: TestClient, service: _Service
) -> None:
    agent = bearer(service, "agent")
    statuses(client, 5, "/api/lines", headers=agent)
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        client.websocket_connect("/api/live", headers=agent),
    ):
        pass
    assert denied.value.status_code == 429


def test_a_burst_is_one_row_in_the_audit_and_each_refusal_is_counted(
    client: TestClient, service: _Service
) -> None:
    agent = bearer(service, "agent")
    statuses(client, 9, "/api/lines", headers=agent)
    statuses(client, 9, "/api/lines", headers={"Authorization": "Bearer vb_wrong"})
    text = client.get("/metrics", headers=bearer(service, "metrics")).text
    assert 'voicebot_requests_limited_total{why="client"} 4.0' in text
    assert 'voicebot_requests_limited_total{why="refused"} 6.0' in text
    assert limited_rows(client, service) == [
        ("limited.client", "agent", "/api/lines", "10.1.1.1"),
        ("limited.refused", "", "/api/lines", "10.1.1.1"),
    ]


def test_a_forwarded_address_is_believed_of_a_trusted_proxy_alone(settings: Settings) -> None:
    server = type(settings.server).model_validate({"trusted_proxies": ["10.9.9.0/24"]})
    limited = settings.model_copy(update={"rate_limits": FEW, "server": server})
    service = _Service(limited, asyncio.run(_opened(limited)))
    agent = bearer(service, "agent")

    def asked(client: TestClient, peer: str, forwarded: str) -> int:
        headers = {**agent, "X-From": peer, "X-Forwarded-For": forwarded}
        return client.get("/api/lines", headers=headers).status_code

    with opened(service) as client:
        # Many people behind one proxy, who forge what comes before what it adds.
        through = [asked(client, "10.9.9.9", f"1.1.1.1, 10.2.2.{n}") for n in range(20)]
        assert through == [200] * 20
        straight = [asked(client, "10.3.3.3", f"10.2.3.{n}") for n in range(6)]
        assert straight == [200] * 5 + [429]


@pytest.mark.parametrize(
    ("address", "same_as"),
    [
        ("2001:db8::1", "2001:db8::ffff:1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
    ],
)
def test_addresses_of_one_customer_are_one(address: str, same_as: str) -> None:
    assert network(address) == network(same_as)
    assert network("10.0.0.1") != network("10.0.0.2")
    assert len(network("x" * 5000)) == 64


def test_what_is_unlimited_is_there(service: _Service) -> None:
    known = {route.path for route in create_app(service, service.announcements).routes}  # type: ignore[attr-defined]
    for path in UNLIMITED:
        assert any(each == path or each.startswith(f"{path}/") for each in known), path
    assert not unlimited("/healthy")
    assert not unlimited("/api/calls")
    assert not unlimited("/v1/agent/calls/C1/draft")


def test_a_proxy_is_an_address_or_a_network(tmp_path: Path) -> None:
    file = tmp_path / "voicebot.toml"
    file.write_text('[server]\ntrusted_proxies = ["127.0.0.1", "10.0.0.0/24"]\n')
    assert [str(each) for each in load_settings(file).server.trusted_proxies] == [
        "127.0.0.1/32",
        "10.0.0.0/24",
    ]
