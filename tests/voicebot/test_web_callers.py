"""/v1/callers: who may read and do what, and that it is on record."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.voicebot.test_web import _Service
from voicebot.config import Settings
from voicebot.records.store import Records
from voicebot.records.tables import AuditRow, CallRow

NUMBER = "13800138000"
WANTED = {"number": NUMBER, "reason": "abuse", "why": "辱骂话务员", "evidence": ["C1"]}


async def _opened(settings: Settings) -> Records:
    records = await Records.open(settings)
    await records.transact(_calls)
    return records


def _calls(session: Session) -> None:
    for number in ("C1", "C2", "C3"):
        session.add(CallRow(id=number, caller=NUMBER, started_at=time.time()))


@pytest.fixture
def service(settings: Settings) -> _Service:
    return _Service(settings, asyncio.run(_opened(settings)))


@pytest.fixture
def as_(client: TestClient, service: _Service) -> Any:
    """Asks as somebody of a role: ``as_("agent")("GET", path, json)``."""

    def asker(role: str, name: str = "") -> Any:
        token = service.records.tokens.create(role, name)
        headers = {"Authorization": f"Bearer {token}"}

        def ask(method: str, path: str, json: Any = None, code: int = 200) -> Any:
            answer = client.request(method, f"/v1/callers/{path}", json=json, headers=headers)
            assert answer.status_code == code, answer.text
            return answer.json()

        return ask

    return asker


def audited(client: TestClient, service: _Service) -> list[str]:
    def read(session: Session) -> list[str]:
        ours = AuditRow.action.like("callers.%")
        return list(session.scalars(select(AuditRow.action).where(ours).order_by(AuditRow.id)))

    async def written() -> list[str]:
        await asyncio.gather(*service.records._tasks)
        return await service.records.read(read)

    assert client.portal is not None
    return client.portal.call(written)


def test_a_limit_from_its_setting_to_its_end_is_on_record(
    as_: Any, client: TestClient, service: _Service
) -> None:
    one, other, agent = as_("supervisor", "王"), as_("supervisor", "李"), as_("agent")
    made = one("POST", "limits", WANTED)
    assert (made["state"], made["number"]) == ("in_force", NUMBER)
    assert agent("GET", "limits")["limits"] == [made]
    appealed = agent("POST", "appeals", {"number": NUMBER, "why": "不是本人"})
    assert appealed["appeal"] == "open"
    path = f"limits/{made['id']}"
    refused = one("POST", f"{path}/review", {"why": "没错", "lift": False}, 409)
    assert "somebody else" in refused["message"]
    reviewed = other("POST", f"{path}/review", {"why": "误判", "lift": True})
    assert (reviewed["state"], reviewed["appeal"]) == ("lifted", "granted")
    (found,) = agent("GET", f"limits?number={NUMBER}")["limits"]
    assert [step["step"] for step in found["steps"]] == ["set", "appealed", "reviewed", "lifted"]
    on_record = audited(client, service)
    read = "callers.limits.read"  # nothing waits for its row
    acts = [each for each in on_record if each != read]
    assert acts == ["callers.limit.set", "callers.limit.appeal", "callers.limit.review"]
    assert on_record.count(read) == 2


def test_the_audit_names_whose_token_it_was_and_what_was_acted_upon(
    as_: Any, client: TestClient, service: _Service
) -> None:
    one, other = as_("agent", "坐席7"), as_("agent")
    one("POST", "nuisance", {"call": "C1", "reason": "abuse"})
    other("POST", "nuisance", {"call": "C2", "reason": "abuse"})
    other("GET", f"limits?number={NUMBER}")

    def read(session: Session) -> list[tuple[str, str]]:
        rows = session.execute(
            select(AuditRow.principal, AuditRow.subject)
            .where(AuditRow.action.like("callers.%"))
            .order_by(AuditRow.id)
        )
        return [(principal, subject) for principal, subject in rows]

    async def written() -> list[tuple[str, str]]:
        await asyncio.gather(*service.records._tasks)
        return await service.records.read(read)

    assert client.portal is not None
    first, second, third = client.portal.call(written)
    assert first == ("坐席7", "C1")
    assert second[0].startswith("agent ")
    assert second == (third[0], "C2")
    assert third[1] == NUMBER


def test_agents_mark_calls_and_supervisors_decide(as_: Any) -> None:
    agent, supervisor = as_("agent"), as_("supervisor")
    marks = [
        agent("POST", "nuisance", {"call": call, "reason": "abuse"})["proposed"]
        for call in ("C1", "C2", "C3")
    ]
    assert marks[:2] == [None, None]
    assert marks[2]["state"] == "proposed"
    assert agent("GET", "nuisance")["numbers"][0]["calls"] == 3
    agent("POST", "limits", WANTED, 403)
    agent("POST", f"limits/{marks[2]['id']}/dismiss", {"why": "x"}, 403)
    supervisor("POST", f"limits/{marks[2]['id']}/dismiss", {"why": "老人"})
    assert agent("GET", "limits")["limits"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "limits", {**WANTED, "evidence": ["X9"]}, 409),
        ("POST", "limits", {**WANTED, "reason": "bored"}, 409),
        ("POST", "limits", {**WANTED, "days": 31}, 422),
        ("POST", "limits", {**WANTED, "number": "110; drop"}, 422),
        ("POST", "limits/99/lift", {"why": "x"}, 404),
        ("POST", "limits/99/review", {"why": "x", "lift": 0}, 422),
        ("POST", "limits/99/burn", {"why": "x"}, 422),
        ("POST", "appeals", {"number": NUMBER, "why": "x"}, 404),
        ("POST", "nuisance", {"call": "X9", "reason": "abuse"}, 404),
        ("POST", "missed/done", {"call": "X9"}, 404),
        ("POST", "evaluations", {"call": "C1", "number": NUMBER, "score": 4}, 422),
    ],
)
def test_what_cannot_be_done_says_so(
    as_: Any, method: str, path: str, body: Any, code: int
) -> None:
    answer = as_("admin")(method, path, body, code)
    assert answer["message"]
    assert NUMBER not in answer["message"]


def test_missed_calls_are_a_list_that_agents_settle(
    as_: Any, client: TestClient, service: _Service
) -> None:
    values = {"number": NUMBER, "did": "12345", "why": "queue", "danger": False}

    async def miss() -> None:
        now = time.time()
        for call in ("C1", "C2"):
            await service.records.note_missed(
                {"call_id": call, "at": now, "next_try_at": now, **values}
            )

    assert client.portal is not None
    client.portal.call(miss)
    agent = as_("agent")
    assert {each["call_id"] for each in agent("GET", "missed")["missed"]} == {"C1", "C2"}
    done = agent("POST", "missed/done", {"call": "C1", "note": "已回电"})
    assert sorted(done["settled"]) == ["C1", "C2"]
    assert agent("GET", "missed")["missed"] == []


def test_what_a_caller_told_a_person_is_an_evaluation_once(as_: Any) -> None:
    agent = as_("agent")
    judged = {"call": "C1", "number": NUMBER, "ticket": "C1-t1", "score": 1}
    agent("POST", "evaluations", judged)
    agent("POST", "evaluations", {**judged, "score": 3}, 409)
    (found,) = agent("GET", "evaluations")["evaluations"]
    assert (found["score"], found["via"]) == (1, "agent")


def test_a_report_to_110_goes_out_with_the_step(as_: Any) -> None:
    supervisor = as_("supervisor")
    made = supervisor("POST", "limits", {**WANTED, "reason": "threat"})
    told = supervisor("POST", f"limits/{made['id']}/report", {"why": "扬言报复"})
    assert told["reported"] == f"nuisance-{made['id']}"
    supervisor("POST", f"limits/{made['id']}/report", {"why": "扬言报复"}, 409)
