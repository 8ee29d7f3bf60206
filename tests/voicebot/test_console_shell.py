"""Who may open a page of the console, and what stands around each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import pytest
from fastapi import Depends, Request, Response
from fastapi.testclient import TestClient

from tests.voicebot.test_web import _Service, bearer
from voicebot.records.errors import RecordsUnavailable
from voicebot.web.api import create_app
from voicebot.web.console.shell import POLICY, Visitor, visitor

PAGE = {"Accept": "text/html"}


@pytest.fixture
def client(service: _Service) -> Iterator[TestClient]:
    app = create_app(service, service.announcements)  # type: ignore[arg-type]

    @app.get("/console/broken")
    async def broken(_: Annotated[Visitor, Depends(visitor("agent"))]) -> Response:
        raise RecordsUnavailable("away")

    @app.get("/console/who")
    async def who(request: Request, _: Annotated[Visitor, Depends(visitor("agent"))]) -> str:
        found: Visitor = request.state.visitor
        return f"{found.name}|{found.role}|{bool(found.csrf)}|{found.language}|{found.theme}"

    with TestClient(app, follow_redirects=False, headers=PAGE) as client:
        yield client
        assert client.portal is not None
        client.portal.call(service.records.close)


def log_in(client: TestClient, service: _Service, role: str) -> None:
    token = service.records.tokens.create(role, role)
    assert client.post("/v1/session", json={"token": token}).status_code == 200


def test_who_is_not_logged_in_is_sent_to_log_in_and_back(client: TestClient) -> None:
    answer = client.get("/console/calls/C1?tab=why")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/login?next=%2Fconsole%2Fcalls%2FC1%3Ftab%3Dwhy"
    page = client.get(answer.headers["location"])
    assert page.status_code == 200
    assert 'data-next="/console/calls/C1?tab=why"' in page.text


def test_a_fragment_sends_the_page_that_asked_for_it_to_log_in(client: TestClient) -> None:
    answer = client.get(
        "/console/calls/C1",
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/console/?a=1"},
    )
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/console/login?next=%2Fconsole%2F%3Fa%3D1"


def test_the_log_in_page_needs_nobody(client: TestClient) -> None:
    page = client.get("/console/login").text
    assert 'name="password"' in page
    assert 'name="csrf-token"' not in page


def test_a_logged_in_person_stands_on_each_page(client: TestClient, service: _Service) -> None:
    log_in(client, service, "supervisor")
    page = client.get("/console/")
    assert page.status_code == 200
    assert "值班长" in page.text
    csrf = client.get("/v1/session").json()["csrf"]
    assert f'<meta name="csrf-token" content="{csrf}">' in page.text
    assert page.headers["content-security-policy"] == POLICY
    assert page.headers["cache-control"] == "no-store"


def test_a_session_is_known_by_name_role_and_csrf(client: TestClient, service: _Service) -> None:
    log_in(client, service, "agent")
    client.cookies.set("voicebot_theme", "dark")
    client.cookies.set("voicebot_language", "en")
    assert client.get("/console/who").json() == "agent|agent|True|en|dark"
    client.cookies.set("voicebot_theme", '"><script>')
    client.cookies.set("voicebot_language", "xx")
    assert client.get("/console/who").json() == "agent|agent|True|zh|auto"


def test_the_wrong_role_gets_a_page_that_says_so_and_is_on_record(
    client: TestClient, service: _Service
) -> None:
    log_in(client, service, "auditor")
    answer = client.get("/console/calls/C1")
    assert answer.status_code == 403
    assert "您的岗位不能打开这一页" in answer.text
    acts = client.get("/v1/audit", params={"action": "refused"}).json()["acts"]
    assert any(each["subject"] == "/console/calls/C1" for each in acts)


def test_each_role_sees_its_own_entries(client: TestClient, service: _Service) -> None:
    page = client.get("/console/", headers=bearer(service, "agent")).text
    assert '<a href="/console/" aria-current="page">' in page


def test_whoever_has_no_desk_is_told_so(client: TestClient, service: _Service) -> None:
    assert client.get("/console/", headers=bearer(service, "metrics")).status_code == 403


def test_the_language_is_the_browsers_until_it_is_chosen(
    client: TestClient, service: _Service
) -> None:
    agent = bearer(service, "agent")
    assert '<html lang="zh-CN"' in client.get("/console/", headers=agent).text
    english = client.get("/console/", headers={**agent, "Accept-Language": "en-GB"}).text
    assert '<html lang="en"' in english
    assert "Nobody is calling" in english


def test_a_database_that_is_away_is_a_page_that_says_what_goes_on(
    client: TestClient, service: _Service
) -> None:
    agent = bearer(service, "agent")
    answer = client.get("/console/broken", headers=agent)
    assert answer.status_code == 503
    assert "通话照常进行" in answer.text
    part = client.get("/console/broken", headers={**agent, "HX-Request": "true"})
    assert "<html" not in part.text
    assert "通话照常进行" in part.text


def test_programs_get_json(client: TestClient, service: _Service) -> None:
    headers = {**bearer(service, "agent"), "Accept": "application/json"}
    answer = client.get("/console/broken", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "records.unavailable")


@pytest.mark.parametrize("next_page", ["https://evil.example/", "//evil.example/", "/console/"])
def test_what_stands_in_the_address_is_only_text(client: TestClient, next_page: str) -> None:
    page = client.get("/console/login", params={"next": f'{next_page}"><script>alert(1)'}).text
    assert "<script>alert" not in page
