"""GET /metrics: who may read it, and that it stays readable without the database."""

from __future__ import annotations

import asyncio
import time

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from tests.voicebot.test_web import _Service, bearer
from voicebot.config import Settings
from voicebot.exchange.tables import EnvelopeRow, InboxRow
from voicebot.incidents.tables import IncidentRow
from voicebot.metrics.backlog import Waiting, backlog
from voicebot.records.store import Records
from voicebot.security import ROLES
from voicebot.web import metrics

READERS = {"metrics", "admin", "supervisor"}


@pytest.mark.parametrize("role", ROLES)
def test_metrics_are_for_prometheus_and_those_who_run_the_service(
    client: TestClient, service: _Service, role: str
) -> None:
    answer = client.get("/metrics", headers=bearer(service, role))
    assert answer.status_code == (200 if role in READERS else 403)


def test_the_text_is_prometheus_own_format(
    client: TestClient, service: _Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "DATABASE_S", 60.0)  # the tests have what others leave of the time
    answer = client.get("/metrics", headers=bearer(service, "metrics"))
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert "# TYPE voicebot_stage_seconds histogram" in answer.text
    assert "voicebot_calls_room 8.0" in answer.text
    assert "voicebot_backlog_known 1.0" in answer.text


def test_a_database_that_hangs_is_not_waited_for(
    client: TestClient, service: _Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0

    async def hangs(*_: object) -> None:
        nonlocal reads
        reads += 1
        await asyncio.Event().wait()

    monkeypatch.setattr(metrics, "DATABASE_S", 0.01)
    monkeypatch.setattr(service.records, "read", hangs)
    headers = bearer(service, "metrics")
    for _ in range(3):
        assert "voicebot_backlog_known 0.0" in client.get("/metrics", headers=headers).text
    assert reads == 1


async def test_what_waits_is_counted_by_its_queue(
    database_url: str, settings: Settings, records: Records
) -> None:
    now = time.time()

    def fill(session: Session) -> None:
        for number, priority in enumerate((0, 1, 1)):
            session.add(
                EnvelopeRow(
                    id=f"e{number}",
                    subject=f"s{number}",
                    sequence=1,
                    priority=priority,
                    envelope={},
                    created_at=now - 100 * (1 + number),
                    next_attempt_at=now,
                )
            )
        for number, state in enumerate(("waiting", "applied", "refused", "conflict", "conflict")):
            session.add(
                InboxRow(
                    id=f"i{number}",
                    content_hash=f"c{number}",
                    subject=f"s{number}",
                    sequence=1,
                    envelope={},
                    state=state,
                    received_at=now - 30,
                )
            )
        session.add(IncidentRow(id="i1", opened_at=now))
        session.add(IncidentRow(id="i2", opened_at=now, state="closed"))

    await records.transact(fill)
    found = await records.read(backlog, now)
    assert found.queues == {
        "dossiers": Waiting(0, 0.0),
        "police_orders": Waiting(1, pytest.approx(100.0)),
        "exchange": Waiting(2, pytest.approx(300.0)),
        "inbox": Waiting(1, pytest.approx(30.0)),
        "webhooks": Waiting(0, 0.0),
    }
    assert found.not_taken == {"refused": 1, "conflict": 2}
    assert found.incidents == 1
