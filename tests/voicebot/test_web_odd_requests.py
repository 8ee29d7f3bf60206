"""What nobody in his right mind asks for is refused, and is no fault of ours."""

from __future__ import annotations

import asyncio

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.voicebot.test_web import _Service, bearer
from voicebot.records.tables import AuditRow

pytestmark = pytest.mark.usefixtures("database_url")


def subjects(client: TestClient, service: _Service, action: str) -> list[str]:
    async def written() -> list[str]:
        await asyncio.gather(*service.records._tasks)
        return await service.records.read(_subjects, action)

    assert client.portal is not None
    return client.portal.call(written)


def _subjects(session: Session, action: str) -> list[str]:
    return list(session.scalars(select(AuditRow.subject).where(AuditRow.action == action)))


@pytest.mark.parametrize(
    ("path", "action"),
    [
        ("/api/calls/C%001", "call.read"),
        ("/api/handoffs/H%001", "handoff.read"),
        ("/v1/exchange/messages/%00", "exchange.message.read"),
    ],
)
def test_an_id_with_a_nul_is_not_there_and_the_look_is_on_record(
    client: TestClient, service: _Service, path: str, action: str
) -> None:
    answer = client.get(path, headers=bearer(service, "supervisor"))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert len(subjects(client, service, action)) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/v1/dispatch-rules/100000000000000000000/withdraw",
        "/v1/callers/limits/-1/lift",
        "/v1/incidents/I1/announcement/9999999999/approve",
    ],
)
def test_a_number_that_no_row_can_have_is_refused(
    client: TestClient, service: _Service, path: str
) -> None:
    answer = client.post(path, headers=bearer(service, "supervisor"), json={"why": "x"})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "/v1/disputes?to=0001-01-01",
        "/v1/disputes.xlsx?from=9999-12-31&to=9999-12-31",
        "/v1/figures?from=9999-12-31",
        "/v1/topics?from=0001-01-01",
        "/v1/duty/now?line=119&at=9999-12-31T23:59:59Z",
        "/v1/duty/now?line=119&at=0001-01-01T00:00:00%2B14:00",
        "/v1/duty/now?line=119&at=1790000000",
        "/v1/figures?from=1790000000",
    ],
)
def test_a_day_at_the_end_of_the_calendar_or_in_seconds_is_refused(
    client: TestClient, service: _Service, path: str
) -> None:
    answer = client.get(path, headers=bearer(service, "supervisor"))
    assert answer.status_code == 422
    assert {"code", "message"} <= answer.json().keys()


def test_the_day_of_a_ledger_is_a_day(client: TestClient, service: _Service) -> None:
    answer = client.get("/v1/exchange/ledger?day=0", headers=bearer(service, "supervisor"))
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")
