"""Which role may use which route stands in docs/security.md, in one table, and is so."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import WebSocketDenialResponse

from tests.voicebot.test_web import _opened, _Service
from voicebot.config import Settings
from voicebot.security import ROLES
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
    to_log_in = answer.headers.get("location", "").startswith("/console/login")
    if answer.status_code == 401 or to_log_in:
        assert not headers
        return CLOSED
    if answer.status_code == 403:
        page = answer.headers["content-type"].startswith("text/html")
        assert page or answer.json()["code"] == "wrong_role"
        return CLOSED
    return OPEN


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


def test_only_files_of_pages_are_there_without_a_token(client: TestClient) -> None:
    tokenless = {route for route, marks in documented().items() if marks["none"] == OPEN}
    assert tokenless
    for route in tokenless:
        method, path = route.split()
        assert method == "GET"
        assert path.startswith(("/call", "/receipt"))
        assert client.get(path).status_code == 200


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
