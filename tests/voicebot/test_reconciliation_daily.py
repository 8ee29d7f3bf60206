"""The service reconciles yesterday by itself, and shows what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from telephony.loopback_server import LoopbackServer
from tests.voicebot.exchange_messages import AT
from tests.voicebot.exchange_sides import TOKEN, settings_of
from tests.voicebot.test_web import _Service, bearer
from voicebot.clock import BEIJING
from voicebot.config_exchange import Exchange
from voicebot.exchange.platform import PlatformUnavailable
from voicebot.exchange.reconciliation import daily
from voicebot.exchange.reconciliation.daily import DailyReconciliation, Run, is_due
from voicebot.exchange.reconciliation.tables import DifferenceRow, ReconciliationRow
from voicebot.exchange.stand_in.app import create_stand_in
from voicebot.exchange.stand_in.faults import Faults
from voicebot.exchange.stand_in.store import Store
from voicebot.records.store import Records
from voicebot.web.api import create_app

MORNING = datetime(2026, 11, 27, 4, tzinfo=BEIJING)
HALF_PAST_THREE = time(3, 30)


def due(now: datetime, *unsettled: int, ago_s: float = 3600.0) -> bool:
    runs = [Run(now.timestamp() - ago_s, each) for each in unsettled]
    return is_due(now, HALF_PAST_THREE, runs)


def test_it_is_due_from_its_time_on_once() -> None:
    assert not due(MORNING.replace(hour=3, minute=29))
    assert due(MORNING.replace(hour=3, minute=30))
    assert due(MORNING.replace(hour=23))
    assert not due(MORNING, 0)


def test_what_was_repaired_is_proved_by_another_a_while_later() -> None:
    assert not due(MORNING, 2, ago_s=599)
    assert due(MORNING, 2, ago_s=601)
    assert due(MORNING, 2, ago_s=-86400)  # a clock that was ahead
    assert not due(MORNING, 2, 2, 2)


def test_its_time_is_a_setting_and_may_be_never() -> None:
    assert Exchange.model_validate({}).reconcile_at == HALF_PAST_THREE
    assert Exchange.model_validate({"reconcile_at": "04:15"}).reconcile_at == time(4, 15)
    assert Exchange.model_validate({"reconcile_at": ""}).reconcile_at is None


async def test_the_service_finds_mends_and_proves_without_anybody(
    tmp_path: Path, database_url: str
) -> None:
    store = Store(tmp_path / "110.db")
    number = store.push(AT.timestamp(), messages=2)
    for each in store.waiting():
        store.confirmed(each.id, "applied")  # 110 was told so, and we have lost it
    async with LoopbackServer(create_stand_in(store, token=TOKEN, faults=Faults())) as server:
        settings = settings_of(tmp_path / "12345", server.port, database_url)
        records = await Records.open(settings)
        now = [MORNING.replace(hour=3)]
        service = DailyReconciliation(settings, records, now=lambda: now[0])
        assert await service.look() is None
        now[0] = MORNING
        first = await service.look()
        assert first is not None
        assert (first.found, first.mending) == ({"missing_here": 2}, 2)
        assert await service.look() is None
        now[0] += timedelta(minutes=11)
        second = await service.look()
        assert second is not None
        assert (second.settled, second.unsettled) == (2, 0)
        assert await service.look() is None
        await records.close()
    assert number.startswith("F2026")


async def test_of_two_services_one_reconciles(
    tmp_path: Path, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "110.db")
    async with LoopbackServer(create_stand_in(store, token=TOKEN, faults=Faults())) as server:
        settings = settings_of(tmp_path / "12345", server.port, postgresql_url)
        both = [await Records.open(settings) for _ in range(2)]
        outcomes = await asyncio.gather(
            *(DailyReconciliation(settings, each, now=lambda: MORNING).look() for each in both)
        )
        assert sum(outcome is not None for outcome in outcomes) == 1
        for each in both:
            await each.close()


async def test_a_platform_that_is_away_is_asked_again_later(
    tmp_path: Path, database_url: str
) -> None:
    settings = settings_of(tmp_path / "12345", 1, database_url)
    records = await Records.open(settings)
    service = DailyReconciliation(settings, records, now=lambda: MORNING)
    for _ in range(2):
        with pytest.raises(PlatformUnavailable):
            await service.look()
    assert await records.read(daily.runs_of, MORNING.date() - timedelta(days=1)) == []
    await records.close()


# ── what it shows ─────────────────────────────────────────────────────────────────


@pytest.fixture
def both(settings: Any) -> Iterator[tuple[TestClient, _Service]]:
    async def opened() -> Records:
        records = await Records.open(settings)
        await records.transact(found)
        return records

    service = _Service(settings, asyncio.run(opened()))
    with TestClient(create_app(service)) as client:
        yield client, service
        assert client.portal is not None
        client.portal.call(service.records.close)


def found(session: Session) -> None:
    """A reconciliation that has left one difference of two."""
    at = AT.timestamp()
    session.add(
        ReconciliationRow(
            number=7,
            first_day="2026-11-24",
            last_day="2026-11-26",
            began_at=at,
            ended_at=at + 60,
            principal="service",
            ours=12,
            theirs=11,
            found={"missing_there": 1, "differing_content": 1},
            unsettled=1,
        )
    )
    for finding, state, name in (
        ("missing_there", "settled", "12345:ticket:W1:1"),
        ("differing_content", "open", "<b>W2</b>"),
    ):
        row = DifferenceRow(finding=finding, id=name, subject="W1", sender="12345", kind="ticket")
        row.day, row.ours, row.theirs, row.state = "2026-11-26", {}, None, state
        row.repair, row.found_at, row.seen_in = "person", at, 7
        session.add(row)


def test_a_reconciliation_is_a_page_for_people(both: tuple[TestClient, _Service]) -> None:
    client, service = both
    headers = bearer(service, "supervisor")
    (listed,) = client.get("/v1/exchange/reconciliations", headers=headers).json()
    assert (listed["number"], listed["found"]["missing_there"]) == (7, 1)
    answer = client.get("/v1/exchange/reconciliations/7.html", headers=headers)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for words in (
        "第7号",
        "还有1处差异没有了结",
        "对方缺失",
        "12345:ticket:W1:1",
        "已一致",
        "待处理",
    ):
        assert words in answer.text
    assert "&lt;b&gt;W2" in answer.text
    assert client.get("/v1/exchange/reconciliations/8.html", headers=headers).status_code == 404


@pytest.mark.parametrize("role", ["110", "agent", "desk", "reviewer"])
def test_only_supervisors_read_reconciliations(
    both: tuple[TestClient, _Service], role: str
) -> None:
    client, service = both
    for path in ("/v1/exchange/reconciliations", "/v1/exchange/reconciliations/7.html"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers=bearer(service, role)).status_code == 403
