"""A report is counted once for all who ask within some minutes, and anew where it failed."""

from __future__ import annotations

import asyncio
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from voicebot.figures.counting import By
from voicebot.figures.report import Period
from voicebot.records.errors import RecordsUnavailable
from voicebot.web import figures_kept
from voicebot.web.figures_kept import KeptReports

DAY = Period(date(2026, 11, 1), date(2026, 11, 1))
OTHER = Period(date(2026, 11, 2), date(2026, 11, 2))


class _Records:
    """Counts how often it was asked; the first `failing` times it is away."""

    def __init__(self, failing: int = 0) -> None:
        self.asked, self.failing = 0, failing
        self.ready = asyncio.Event()
        self.ready.set()

    async def read(self, *_: Any) -> str:
        self.asked += 1
        await self.ready.wait()
        await asyncio.sleep(0)
        if self.asked <= self.failing:
            raise RecordsUnavailable("away")
        return f"report {self.asked}"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures_kept, "WAITED_S", 60.0)


async def counted(reports: KeptReports, period: Period, by: By = "line") -> object:
    found = await reports.report(period, by)
    assert found is not None
    return found[0]


def kept(records: _Records) -> KeptReports:
    service: Any = SimpleNamespace(records=records, settings=SimpleNamespace(lines=[]))
    return KeptReports(service)


async def test_all_who_ask_at_once_share_one_count() -> None:
    records = _Records()
    reports = kept(records)
    assert set(await asyncio.gather(*(counted(reports, DAY) for _ in range(5)))) == {"report 1"}
    assert await counted(reports, OTHER) == "report 2"
    assert await counted(reports, DAY, "day") == "report 3"
    assert records.asked == 3


async def test_it_is_counted_anew_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures_kept, "KEPT_S", 0.0)
    records = _Records()
    reports = kept(records)
    for _ in range(2):
        await reports.report(DAY, "line")
    assert records.asked == 2


async def test_a_count_that_failed_is_not_kept() -> None:
    reports = kept(_Records(failing=1))
    with pytest.raises(RecordsUnavailable):
        await reports.report(DAY, "line")
    assert await counted(reports, DAY) == "report 2"


async def test_who_leaves_leaves_the_others_their_report() -> None:
    reports = kept(_Records())
    leaving = asyncio.create_task(reports.report(DAY, "line"))
    await asyncio.sleep(0)
    staying = asyncio.create_task(counted(reports, DAY))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == "report 1"


async def test_not_more_are_kept_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures_kept, "MOST", 1)
    records = _Records()
    reports = kept(records)
    for period in (DAY, OTHER, DAY):
        await reports.report(period, "line")
    assert records.asked == 3


async def test_a_page_is_not_kept_waiting_for_a_long_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(figures_kept, "WAITED_S", 0.0)
    records = _Records()
    records.ready.clear()
    reports = kept(records)
    assert await reports.report(DAY, "line") is None
    records.ready.set()
    monkeypatch.setattr(figures_kept, "WAITED_S", 60.0)
    assert await counted(reports, DAY) == "report 1"
    assert records.asked == 1
