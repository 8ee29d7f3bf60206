"""Browsers: the cookie, what it must come with, and when it holds no more."""

import asyncio
import contextlib
import sqlite3
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from tests.voicebot.quick_passwords import GOOD, quick_passwords  # noqa: F401 - fixture
from tests.voicebot.test_web import _Service
from voicebot.accounts import keeping
from voicebot.accounts.brake import NAME
from voicebot.accounts.passwords import hashed
from voicebot.records.errors import RecordsUnavailable
from voicebot.web.access import COOKIE
from voicebot.web.api import create_app

pytestmark = pytest.mark.usefixtures("quick_passwords")

OURS = "http://testserver"


def transact(client: TestClient, service: _Service, work: Any, *arguments: Any) -> Any:
    assert client.portal is not None
    return client.portal.call(service.records.transact, work, *arguments)


def account(client: TestClient, service: _Service, role: str = "supervisor") -> None:
    transact(client, service, keeping.add, "王芳", role, hashed(GOOD))


def log_in(client: TestClient, **how: str) -> dict[str, Any]:
    answer = client.post("/v1/session", json=how or {"name": "王芳", "password": GOOD})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


# ── logging in and out ────────────────────────────────────────────────────────────────


def test_a_password_opens_a_session(client: TestClient, service: _Service) -> None:
    account(client, service)
    told = log_in(client)
    assert (told["name"], told["role"]) == ("王芳", "supervisor")
    assert client.get("/v1/session").json() == told
    assert client.get("/api/calls").json() == {"calls": []}


def test_a_token_opens_a_session_of_its_role(client: TestClient, service: _Service) -> None:
    token = service.records.tokens.create("auditor", "审计室")
    told = log_in(client, token=token)
    assert (told["name"], told["role"]) == ("审计室", "auditor")
    assert client.get("/v1/audit").status_code == 200
    assert client.get("/api/calls").status_code == 403


def test_the_cookie_is_for_this_site_alone_and_no_script_reads_it(
    client: TestClient, service: _Service
) -> None:
    account(client, service)
    answer = client.post("/v1/session", json={"name": "王芳", "password": GOOD})
    assert answer.headers["cache-control"] == "no-store"
    name, *flags = answer.headers["set-cookie"].lower().split("; ")
    assert name.startswith(f"{COOKIE}=")
    assert set(flags) == {"httponly", "samesite=strict", "path=/"}


def test_over_tls_the_cookie_is_never_sent_without_it(service: _Service) -> None:
    token = service.records.tokens.create("admin")
    with TestClient(create_app(service), base_url="https://testserver") as client:
        answer = client.post("/v1/session", json={"token": token})
        name, *flags = answer.headers["set-cookie"].split("; ")
        assert name.startswith(f"__Host-{COOKIE}="), "no neighbour of the domain can set it"
        assert {"Secure", "Path=/"} <= set(flags)
        csrf = client.get("/v1/session").json()["csrf"]
        gone = client.delete("/v1/session", headers={"X-CSRF-Token": csrf})
        assert "; secure" in gone.headers["set-cookie"].lower()
        assert not client.cookies
        client.cookies.set(COOKIE, name.partition("=")[2])
        assert client.get("/v1/session").status_code == 401
        assert client.portal is not None
        client.portal.call(service.records.close)


def test_neither_cookie_nor_password_is_in_the_database(
    client: TestClient, service: _Service
) -> None:
    account(client, service)
    log_in(client)
    file = service.settings.paths.state / "voicebot.db"
    with contextlib.closing(sqlite3.connect(file)) as database:
        dump = "\n".join(database.iterdump())
    assert client.cookies[COOKIE] not in dump
    assert GOOD not in dump
    assert "argon2id" in dump


@pytest.mark.parametrize(
    "body",
    [
        {"name": "王芳", "password": "wrong"},
        {"name": "nobody", "password": "wrong"},
        {"token": "vb_wrong"},
    ],
)
def test_what_lets_nobody_in_is_401(
    client: TestClient, service: _Service, body: dict[str, str]
) -> None:
    account(client, service)
    answer = client.post("/v1/session", json=body)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "body",
    [{}, {"name": "王芳"}, {"name": "a", "password": "b", "token": "c"}, {"password": "secret-x"}],
)
def test_one_way_in_is_asked_for(client: TestClient, body: dict[str, str]) -> None:
    answer = client.post("/v1/session", json=body)
    assert answer.status_code == 422
    assert "secret-x" not in answer.text


def test_who_has_to_wait_is_told_how_long(client: TestClient, service: _Service) -> None:
    account(client, service)
    for _ in range(NAME.free):
        client.post("/v1/session", json={"name": "王芳", "password": "wrong"})
    answer = client.post("/v1/session", json={"name": "王芳", "password": GOOD})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_tries")
    assert int(answer.headers["retry-after"]) > 0


def test_logging_out_ends_the_session_for_whoever_has_its_cookie(
    client: TestClient, service: _Service
) -> None:
    account(client, service)
    csrf = log_in(client)["csrf"]
    kept = client.cookies[COOKIE]
    assert client.delete("/v1/session", headers={"X-CSRF-Token": csrf}).status_code == 204
    assert COOKIE not in client.cookies
    client.cookies.set(COOKIE, kept)
    assert client.get("/v1/session").status_code == 401


def test_a_bearer_token_says_who_it_is_and_has_no_session(
    client: TestClient, service: _Service
) -> None:
    headers = {"Authorization": f"Bearer {service.records.tokens.create('agent', 'seat 7')}"}
    told = client.get("/v1/session", headers=headers).json()
    assert told == {"name": "seat 7", "role": "agent", "csrf": ""}
    assert client.delete("/v1/session", headers=headers).json()["code"] == "no_session"
    words = {"password": "x", "new": "y"}
    answer = client.post("/v1/session/password", headers=headers, json=words)
    assert answer.json()["code"] == "no_account"


def test_a_wrong_token_is_not_mended_by_a_cookie(client: TestClient, service: _Service) -> None:
    account(client, service)
    log_in(client)
    headers = {"Authorization": "Bearer vb_wrong"}
    assert client.get("/api/calls", headers=headers).status_code == 401


def test_a_person_changes_his_own_password(client: TestClient, service: _Service) -> None:
    account(client, service)
    csrf = log_in(client)["csrf"]
    old_cookie = client.cookies[COOKIE]
    new = "four quite unusual words 2"
    answer = client.post(
        "/v1/session/password",
        json={"password": GOOD, "new": new},
        headers={"X-CSRF-Token": csrf},
    )
    assert answer.status_code == 200
    assert answer.json()["csrf"] == client.get("/v1/session").json()["csrf"] != csrf
    assert client.cookies[COOKIE] != old_cookie
    assert client.post("/v1/session", json={"name": "王芳", "password": GOOD}).status_code == 401
    log_in(client, name="王芳", password=new)


def test_a_weak_password_is_refused_with_the_reason(client: TestClient, service: _Service) -> None:
    account(client, service)
    csrf = log_in(client)["csrf"]
    answer = client.post(
        "/v1/session/password",
        json={"password": GOOD, "new": "password1234"},
        headers={"X-CSRF-Token": csrf},
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "accounts.error")
    assert "password1234" not in answer.text


# ── other sites ───────────────────────────────────────────────────────────────────────

CHANGE = "/v1/dispatch-rules"


@pytest.mark.parametrize("given", [None, "", "wrong", "é"])
def test_a_change_needs_the_pages_word(
    client: TestClient, service: _Service, given: str | None
) -> None:
    account(client, service)
    log_in(client)
    headers = {} if given is None else {"X-CSRF-Token": given.encode("latin-1", "replace")}
    answer = client.post(CHANGE, json={}, headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_csrf")


def test_the_word_of_another_session_does_not_do(client: TestClient, service: _Service) -> None:
    account(client, service)
    first = log_in(client)["csrf"]
    assert log_in(client)["csrf"] != first
    answer = client.post(CHANGE, json={}, headers={"X-CSRF-Token": first})
    assert answer.json()["code"] == "wrong_csrf"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver:81"])
def test_a_change_from_another_sites_page_is_refused(
    client: TestClient, service: _Service, origin: str
) -> None:
    account(client, service)
    headers = {"X-CSRF-Token": log_in(client)["csrf"], "Origin": origin}
    answer = client.post(CHANGE, json={}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")


@pytest.mark.parametrize("origin", [None, OURS])
def test_a_change_from_our_own_page_is_done(
    client: TestClient, service: _Service, origin: str | None
) -> None:
    account(client, service)
    headers = {"X-CSRF-Token": log_in(client)["csrf"], **({"Origin": origin} if origin else {})}
    assert client.post(CHANGE, json={}, headers=headers).status_code == 422  # past the door


def test_another_site_logs_nobody_in(client: TestClient, service: _Service) -> None:
    account(client, service)
    answer = client.post(
        "/v1/session",
        json={"name": "王芳", "password": GOOD},
        headers={"Origin": "https://evil.example"},
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")


def test_a_program_with_a_token_needs_no_word(client: TestClient, service: _Service) -> None:
    token = service.records.tokens.create("supervisor")
    headers = {"Authorization": f"Bearer {token}"}
    assert client.post(CHANGE, json={}, headers=headers).status_code == 422


@pytest.mark.parametrize("origin", [None, "https://evil.example"])
def test_a_socket_is_opened_by_our_own_page_alone(
    client: TestClient, service: _Service, origin: str | None
) -> None:
    account(client, service)
    log_in(client)
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        client.websocket_connect("/api/live", headers={"Origin": origin} if origin else {}),
    ):
        pass
    assert (denied.value.status_code, denied.value.json()["code"]) == (403, "foreign_origin")
    with client.websocket_connect("/api/live", headers={"Origin": OURS}) as socket:
        assert socket.receive_json() == {"call_id": "C1", "kind": "call"}


def test_a_browsers_session_brings_no_calls(client: TestClient, service: _Service) -> None:
    """The call page shows its own token in the start message; a cookie is none."""
    log_in(client, token=service.records.tokens.create("admin"))
    with client.websocket_connect("/media", headers={"Origin": OURS}) as socket:
        assert socket.receive()["code"] == 1008
    assert service.authorised == [False]


# ── what ends a session ───────────────────────────────────────────────────────────────


def test_a_disabled_account_is_out_with_the_next_request(
    client: TestClient, service: _Service
) -> None:
    account(client, service)
    log_in(client)
    transact(client, service, keeping.disable, "王芳")
    assert client.get("/api/calls").status_code == 401


def test_a_revoked_token_takes_its_sessions_along(client: TestClient, service: _Service) -> None:
    log_in(client, token=service.records.tokens.create("admin"))
    (row,) = service.records.tokens.listed()
    service.records.tokens.revoke(row["id"])
    assert client.get("/api/calls").status_code == 401


def test_what_is_followed_live_ends_with_the_session(
    client: TestClient, service: _Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.web.access.RECHECK_S", 0.01)
    account(client, service)
    log_in(client)
    with client.websocket_connect("/api/live", headers={"Origin": OURS}) as socket:
        assert socket.receive_json()["kind"] == "call"
        transact(client, service, keeping.disable, "王芳")
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_json()
    assert ended.value.code == 1008


def test_while_the_database_is_away_who_was_seen_before_goes_on(
    client: TestClient, service: _Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    account(client, service)
    log_in(client)
    assert client.get("/v1/session").status_code == 200

    async def away(*_: object) -> None:
        raise RecordsUnavailable("The database cannot be read just now.")

    monkeypatch.setattr(service.records, "read", away)
    assert client.get("/v1/session").status_code == 200
    client.cookies.clear()
    client.cookies.set(COOKIE, "A" * 43)
    assert client.get("/v1/session").status_code == 401


def test_a_slow_database_keeps_nobody_waiting_who_was_seen_before(
    client: TestClient, service: _Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    account(client, service)
    log_in(client)
    assert client.get("/v1/session").status_code == 200
    monkeypatch.setattr("voicebot.records.store.ASKED_S", 0.01)

    async def hangs(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(service.records, "read", hangs)
    assert client.get("/v1/session").status_code == 200
