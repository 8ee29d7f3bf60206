"""Who answers now, and receipts, over HTTP."""

import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.voicebot.test_duty_files import ROTA
from tests.voicebot.test_web import _Service, bearer
from voicebot.config_notices import Notices
from voicebot.duty.changing import Who, apply, plan_shifts
from voicebot.duty.notices.opening import open_notice
from voicebot.duty.notices.queue import advance
from voicebot.duty.notices.secret import notice_secret, receipt_token
from voicebot.duty.shift_file import read_shifts
from voicebot.duty.tables import DutyNoticeRow
from voicebot.records.tables import AuditRow
from voicebot.web.api import create_app


@pytest.fixture
def client(service: _Service) -> Iterator[TestClient]:
    with TestClient(create_app(service)) as client:
        assert client.portal is not None
        client.portal.call(service.records.transact, bring_rota)
        yield client
        client.portal.call(service.records.close)


def bring_rota(session: Session) -> None:
    always = (
        ROTA.splitlines()[0]
        + "\n供电,龙华区,,,,1,王一,13800138001,\n供水,,2020-01-01,,,,李二,13800138002,\n"
    )
    plan = plan_shifts(session, read_shifts(always.encode()))
    apply(session, plan.changes, Who("甲", "甲", ""), 1.0)


def told(session: Session) -> str:
    at = time.time()
    notice = open_notice(
        session, key="H1/power", line="power", region="460106", subject="H1", caller="", at=at
    )
    advance(session, notice, at, Notices(), {"sms"})
    return notice


def test_who_answers_now_is_told_to_staff(client: TestClient, service: _Service) -> None:
    path = f"/v1/duty/now?line={quote('供电')}&region=460106"
    answer = client.get(path, headers=bearer(service, "agent"))
    assert answer.status_code == 200
    found = answer.json()
    assert [each["person"] for each in found["people"]] == ["王一"]
    assert not found["gap"]
    assert [each["number"] for each in found["numbers"]] == ["95598"]
    assert client.get(path, headers=bearer(service, "desk")).status_code == 403


def test_a_gap_is_said(client: TestClient, service: _Service) -> None:
    found = client.get("/v1/duty/now?line=water", headers=bearer(service, "agent")).json()
    assert (found["gap"], found["has_rota"], found["people"]) == (True, True, [])


@pytest.mark.parametrize(
    "query", ["line=119&region=110000", "line=x", "line=119&at=2026-10-01T03:00"]
)
def test_a_question_that_means_nothing_is_refused(
    client: TestClient, service: _Service, query: str
) -> None:
    answer = client.get(f"/v1/duty/now?{query}", headers=bearer(service, "agent"))
    assert answer.status_code == 422
    assert answer.json()["code"] == "bad_request"


def test_another_minute_can_be_asked_for(client: TestClient, service: _Service) -> None:
    path = "/v1/duty/now?line=water&at=2020-01-01T12:00:00%2B08:00"
    found = client.get(path, headers=bearer(service, "agent")).json()
    assert [each["person"] for each in found["people"]] == ["李二"]
    assert found["until"] == "2020-01-02T00:00:00+08:00"


def test_the_token_of_a_notice_acknowledges_it_once(client: TestClient, service: _Service) -> None:
    assert client.portal is not None
    notice = client.portal.call(service.records.transact, told)
    receipt = f"{notice}-1"
    token = receipt_token(notice_secret(service.settings), receipt)
    path = f"/v1/duty/receipts/{receipt}"
    assert client.post(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
    other = f"/v1/duty/receipts/{notice}-2"
    header = {"Authorization": f"Bearer {token}"}
    assert client.post(other, headers=header).status_code == 401
    first, second = (client.post(path, headers=header).json() for _ in range(2))
    assert (first["acknowledged_by"], first["first"]) == ("王一", True)
    assert second == {**first, "first": False}

    def state(session: Session) -> str:
        return session.scalars(select(DutyNoticeRow.state)).one()

    assert client.portal.call(service.records.read, state) == "acknowledged"


def test_a_token_for_a_notice_that_is_not_there_is_worth_nothing(
    client: TestClient, service: _Service
) -> None:
    receipt = "0123456789abcdef-1"
    token = receipt_token(notice_secret(service.settings), receipt)
    answer = client.post(
        f"/v1/duty/receipts/{receipt}", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 401


def test_staff_acknowledge_with_their_own_token_on_record(
    client: TestClient, service: _Service
) -> None:
    assert client.portal is not None
    notice = client.portal.call(service.records.transact, told)
    path = f"/v1/duty/receipts/{notice}-1"
    assert client.post(path, headers=bearer(service, "media")).status_code == 403
    assert client.post(path, headers=bearer(service, "agent")).json()["acknowledged_by"] == "agent"
    missing = client.post("/v1/duty/receipts/0123456789abcdef-1", headers=bearer(service, "agent"))
    assert missing.status_code == 404

    def audited(session: Session) -> list[str]:
        return list(session.scalars(select(AuditRow.action)))

    assert "duty.acknowledge" in client.portal.call(service.records.read, audited)
