"""Which role may use which route stands in docs/security.md, in one table, and is so."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import WebSocketDenialResponse

from kb import lifecycle
from kb.ledger import Act
from tests.kb.conftest import make_entry, publish_all
from tests.voicebot.test_duty_desk import rows
from tests.voicebot.test_web import _opened, _Service
from voicebot.clock import now
from voicebot.config import Settings
from voicebot.security import ROLES
from voicebot.web.access import COOKIE, CSRF_HEADER
from voicebot.web.api import create_app

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "security.md"
COLUMNS = (*ROLES, "none")
OPEN, CLOSED, OWN = "●", "·", "◐"
"""`OWN`: opened without a role's token, to whoever shows another one in what follows."""


class _OverAtOnce:
    """A live view whose end comes at once: a test can read it to the end."""

    async def subscribe(self) -> AsyncIterator[dict[str, Any]]:
        for each in ():
            yield each


@pytest.fixture
def service(settings: Settings) -> _Service:
    made = _Service(settings, asyncio.run(_opened(settings)))
    made.live = _OverAtOnce()  # type: ignore[assignment]
    return made


@pytest.fixture
def client(service: _Service) -> Iterator[TestClient]:
    app = create_app(service, service.announcements)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
        assert client.portal is not None
        client.portal.call(service.records.close)


def documented() -> dict[str, dict[str, str]]:
    """Marks by route and role, as the table has them."""
    lines = DOCUMENT.read_text("utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    (head,) = [row for row in rows if row[0] == "Route"]
    return {
        row[0].strip("`"): dict(zip(head[1:], row[1:], strict=True))
        for row in rows
        if re.match(r"`(GET|HEAD|POST|PUT|PATCH|DELETE|WS) /", row[0])
    }


def routes(client: TestClient) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for route in client.app.routes:  # type: ignore[attr-defined]
        if isinstance(route, WebSocketRoute):
            found.append(("WS", route.path))
        else:
            assert isinstance(route, Route), f"{route} is of another kind"
            methods = route.methods or set()
            found += [(m, route.path) for m in sorted(methods - {"HEAD"} or methods)]
    return found


def answered(client: TestClient, method: str, path: str, headers: dict[str, str]) -> str:
    """A mark: what the route says to whoever comes with these headers."""
    path = re.sub(r"{[^}]*}", "1", path)
    if method == "WS":
        try:
            with client.websocket_connect(path, headers=dict(headers)):
                return OPEN if headers else OWN
        except WebSocketDenialResponse as denied:
            return CLOSED if denied.status_code == (403 if headers else 401) else "?"
    answer = client.request(method, path, headers=headers, follow_redirects=False)
    client.cookies.clear()
    to_log_in = answer.headers.get("location", "").startswith("/console/login")
    if answer.status_code == 401 or to_log_in:
        assert not headers
        return CLOSED
    if answer.status_code == 403 and path.startswith("/console/110/"):
        return OWN  # whoever holds the hand-off's signed link (test_police_view.py)
    if answer.status_code == 403:
        page = answer.headers["content-type"].startswith("text/html")
        assert page or method == "HEAD" or answer.json()["code"] == "wrong_role"
        return CLOSED
    return OPEN


def logged_in(client: TestClient, token: str) -> dict[str, str]:
    """The headers of a page of ours in a browser with a session of this token."""
    answer = client.post("/v1/session", json={"token": token})
    cookie = client.cookies[COOKIE]
    client.cookies.clear()
    return {
        "Cookie": f"{COOKIE}={cookie}",
        CSRF_HEADER: answer.json()["csrf"],
        "Origin": "http://testserver",
    }


def test_every_route_lets_in_whom_the_table_names_and_nobody_else(
    client: TestClient, service: _Service
) -> None:
    create = service.records.tokens.create
    keys: dict[str, dict[str, str]] = {
        role: {"Authorization": f"Bearer {create(role, role)}"} for role in ROLES
    }
    keys["none"] = {}
    so = {
        f"{method} {path}": {who: answered(client, method, path, keys[who]) for who in COLUMNS}
        for method, path in routes(client)
    }
    assert so == documented()


def test_a_session_may_what_its_role_may_and_nothing_else(
    client: TestClient, service: _Service
) -> None:
    tokens = {role: service.records.tokens.create(role, role) for role in ROLES}
    keys = {role: logged_in(client, token) for role, token in tokens.items()}
    so: dict[str, dict[str, str]] = {}
    for method, path in routes(client):
        marks = so[f"{method} {path}"] = {}
        for role in ROLES:
            ends = (method, path) == ("DELETE", "/v1/session")
            headers = logged_in(client, tokens[role]) if ends else keys[role]
            marks[role] = answered(client, method, path, headers)
    # Carriers show their tokens as they connect: there a browser's session is nobody.
    assert so == {
        route: {
            role: OPEN if marks["none"] == OWN and mark != OWN else mark
            for role, mark in marks.items()
            if role in ROLES
        }
        for route, marks in documented().items()
    }


class Offers(HTMLParser):
    """What can be asked for from a page: (method, path) of its links, forms and fragments."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()
        # What stands in a template is filled in by a script.
        self.feed(re.sub(r"<template.*?</template>", "", page, flags=re.DOTALL))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        for name, method in (
            ("href", "GET"), ("src", "GET"), ("action", "GET"), ("hx-get", "GET"),
            ("hx-post", "POST"), ("data-path", given.get("data-method", "")),
        ):  # fmt: skip
            if name in given and given[name].startswith("/"):
                self.found.add((method, given[name].partition("#")[0]))


def mark(method: str, path: str, role: str) -> str:
    """What the table says of an address."""
    bare = path.partition("?")[0]
    for route, marks in documented().items():
        of, _, pattern = route.partition(" ")
        form = re.sub(r"{\w+:path}", ".+", re.sub(r"{\w+}", "[^/]+", pattern))
        if of == method and re.fullmatch(form, bare):
            return marks[role]
    raise AssertionError(f"{method} {path} is no route")


def console_with_something_on_each_page(session: Session) -> None:
    rows(session)
    publish_all(session, [make_entry("a-1", "社保卡丢了怎么补办")], at=now())
    lifecycle.edit(session, "a-1", {"answer": "新的答复。"}, Act("甲", at=now()), submit=True)


DESKS = {"admin": 20, "supervisor": 20, "agent": 10, "editor": 5, "reviewer": 5}
"""Who has a desk in the console, and how many pages he finds there at least."""


@pytest.mark.parametrize("role", ROLES)
def test_no_page_of_the_console_offers_anybody_what_the_table_denies_him(
    client: TestClient, service: _Service, role: str
) -> None:
    assert client.portal is not None
    client.portal.call(service.records.transact, console_with_something_on_each_page)
    headers = {"Authorization": f"Bearer {service.records.tokens.create(role, role)}"}
    waiting, seen = {"/console/"}, set[str]()
    while waiting:
        page = waiting.pop()
        seen.add(page)
        answer = client.get(page, headers={**headers, "Accept": "text/html"})
        for method, path in Offers(answer.text).found - {("GET", "/console/")}:
            assert mark(method, path, role) == OPEN, f"{page} offers {method} {path}"
            is_page = path.startswith("/console/") and not path.startswith("/console/static/")
            if method == "GET" and is_page and "/recording" not in path and path not in seen:
                waiting.add(path)
    assert len(seen) >= DESKS.get(role, 1)


def test_a_session_changes_nothing_without_the_word_of_its_page(
    client: TestClient, service: _Service
) -> None:
    tokens = {role: service.records.tokens.create(role, role) for role in ROLES}
    changing = 0
    for route, marks in documented().items():
        method, path = route.split()
        role = next((role for role in ROLES if marks[role] == OPEN), None)
        if method in ("GET", "HEAD", "WS") or marks["none"] == OPEN or role is None:
            continue
        headers = logged_in(client, tokens[role])
        del headers[CSRF_HEADER]
        path = re.sub(r"{[^}]*}", "1", path)
        answer = client.request(method, path, headers=headers)
        client.cookies.clear()
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_csrf"), route
        changing += 1
    assert changing > 10


def test_only_files_of_pages_are_there_without_a_token(client: TestClient) -> None:
    tokenless = {route for route, marks in documented().items() if marks["none"] == OPEN}
    assert tokenless
    for route in tokenless:
        method, path = route.split()
        if path == "/v1/session" or path.startswith("/v1/session/oidc"):
            continue  # the way in: tests/voicebot/test_sessions.py, tests/voicebot/test_oidc.py
        assert method == "GET"
        assert path.startswith(("/call", "/receipt", "/console/login", "/console/static"))
        assert client.get(re.sub(r"{[^}]*}", "console.css", path)).status_code == 200


def test_no_role_but_people_of_the_hotline_reads_calls_or_tickets() -> None:
    for route, marks in documented().items():
        if re.match(r"\w+ /(api/calls|v1/tickets|v1/incidents|v1/callers)", route):
            assert {who for who, mark in marks.items() if mark == OPEN} <= {
                "admin", "supervisor", "agent",
            }  # fmt: skip


def test_every_test_that_the_document_names_is_there() -> None:
    root = DOCUMENT.parents[1]
    for name in re.findall(r"`(tests/[^`]+)`", DOCUMENT.read_text("utf-8")):
        file, _, test = name.partition("::")
        assert (root / file).exists(), name
        assert not test or f"def {test}(" in (root / file).read_text("utf-8"), name
