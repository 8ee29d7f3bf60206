"""/v1/surge: who may tell figures, who may order, and that it is on record."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.voicebot.test_web import _Service
from voicebot.records.tables import AuditRow
from voicebot.surge import decisions

SEATS = {
    "line": "12345",
    "groups": [
        {"region": "460100", "staffed": 30, "free": 4},
        {"region": "460200", "local": False, "staffed": 12, "free": 5},
    ],
    "waiting": 2,
    "oldest_wait_s": 11.5,
}


@pytest.fixture
def as_(client: TestClient, service: _Service) -> Any:
    """Asks as somebody of a role: ``as_("acd")("PUT", "/figures", json)``."""

    def asker(role: str) -> Any:
        token = service.records.tokens.create(role, f"{role}-1")
        headers = {"Authorization": f"Bearer {token}"}

        def ask(method: str, path: str = "", json: Any = None, code: int = 200) -> Any:
            answer = client.request(method, f"/v1/surge{path}", json=json, headers=headers)
            assert answer.status_code == code, answer.text
            return answer.json()

        return ask

    return asker


def audited(client: TestClient, service: _Service) -> list[tuple[str, str, bool]]:
    def read(session: Session) -> list[tuple[str, str, bool]]:
        rows = session.scalars(
            select(AuditRow).where(AuditRow.action.like("surge.%")).order_by(AuditRow.id)
        )
        return [(row.action, row.subject, row.allowed) for row in rows]

    async def written() -> list[tuple[str, str, bool]]:
        await asyncio.gather(*service.records._tasks)
        return await service.records.read(read)

    assert client.portal is not None
    return client.portal.call(written)


def line_of(status: dict[str, Any], did: str) -> dict[str, Any]:
    return next(line for line in status["lines"] if line["line"] == did)


def test_an_acd_tells_figures_and_everybody_of_the_staff_sees_them(as_: Any) -> None:
    assert as_("acd")("PUT", "/figures", {"lines": [SEATS]}) == {"taken": 1}
    status = as_("agent")("GET")
    line = line_of(status, "12345")
    assert line["figures_known"] is True
    assert line["figures"]["seats"]["groups"][1] == {
        "region": "460200",
        "local": False,
        "staffed": 12,
        "free": 5,
    }
    assert line_of(status, "12333")["figures"]["seats"] is None


def test_an_acds_token_is_good_for_its_figures_alone(as_: Any) -> None:
    acd = as_("acd")
    acd("GET", code=403)
    acd("POST", "/override", {"order": "bot", "why": "x"}, 403)
    as_("media")("PUT", "/figures", {"lines": [SEATS]}, 403)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"lines": []}, "lines"),
        ({"lines": [{**SEATS, "line": "99999"}]}, "no line"),
        ({"lines": [{**SEATS, "waiting": -1}]}, "waiting"),
        ({"lines": [{**SEATS, "caller": "13800138000"}]}, "caller"),
        ({"lines": [{**SEATS, "groups": [{"region": "1", "staffed": 1, "free": 1}]}]}, "region"),
    ],
)
def test_figures_that_cannot_be_are_refused_and_named(
    as_: Any, wrong: dict[str, Any], said: str
) -> None:
    answer = as_("acd")("PUT", "/figures", wrong, 422)
    assert said in answer["message"]
    assert "13800138000" not in answer["message"]


def test_an_order_is_given_seen_ended_and_audited(
    as_: Any, client: TestClient, service: _Service
) -> None:
    boss = as_("supervisor")
    given = boss("POST", "/override", {"order": "bot", "line": "12345", "why": "台风登陆"})
    assert [(each["order"], each["given_by"]) for each in given["orders"]] == [
        ("bot", "supervisor-1")
    ]
    assert boss("GET")["orders"] == given["orders"], "it counts at once"
    assert boss("POST", "/override", {"order": "end", "line": "12345"})["orders"] == []
    assert audited(client, service) == [
        ("surge.override", "bot 12345", True),
        ("surge.override", "end 12345", True),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": "bot", "why": " "},
        {"order": "flee", "why": "x"},
        {"order": "bot", "why": "x", "minutes": 0},
        {"order": "bot", "why": "x", "minutes": 60 * 24 * 8},
        {"order": "bot", "why": "x", "line": "99999"},
    ],
)
def test_orders_that_cannot_stand_are_refused(as_: Any, wrong: dict[str, Any]) -> None:
    boss = as_("supervisor")
    boss("POST", "/override", wrong, 422)
    assert boss("GET")["orders"] == []


def test_agents_give_no_orders(as_: Any) -> None:
    as_("agent")("POST", "/override", {"order": "bot", "why": "x"}, 403)


def test_why_a_call_went_where_it_went(as_: Any, client: TestClient, service: _Service) -> None:
    kept = {
        "call_id": "a/1",
        "line": "12345",
        "at": 1.0,
        "destination": "bot",
        "reason": "long_wait",
        "mode": "surge",
        "because": "坐席已满，由机器人接听。",
        "figures": {"wait_s": 77.0},
    }
    assert client.portal is not None
    client.portal.call(lambda: service.records.transact(decisions.note, **kept))
    assert as_("agent")("GET", "/calls/a%2F1") == kept
    as_("agent")("GET", "/calls/unknown", code=404)
