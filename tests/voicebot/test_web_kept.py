"""What takes long is counted once for all who ask within some minutes, and anew where it failed."""

from __future__ import annotations

import asyncio

import pytest

from voicebot.records.errors import RecordsUnavailable
from voicebot.web import kept
from voicebot.web.kept import Kept


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "WAITED_S", 60.0)


class Counter:
    """Counts how often it was asked; the first `failing` times the database is away."""

    def __init__(self, failing: int = 0) -> None:
        self.asked, self.failing = 0, failing
        self.ready = asyncio.Event()
        self.ready.set()
        self.kept: Kept[str] = Kept()

    async def count(self) -> str:
        self.asked += 1
        await self.ready.wait()
        await asyncio.sleep(0)
        if self.asked <= self.failing:
            raise RecordsUnavailable("away")
        return f"report {self.asked}"

    async def get(self, key: str = "day") -> str | None:
        found = await self.kept.get(key, self.count)
        return None if found is None else found[0]


async def test_all_who_ask_at_once_share_one_count() -> None:
    counter = Counter()
    assert set(await asyncio.gather(*(counter.get() for _ in range(5)))) == {"report 1"}
    assert await counter.get("other") == "report 2"
    assert counter.asked == 2


async def test_it_is_counted_anew_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "KEPT_S", 0.0)
    counter = Counter()
    assert [await counter.get(), await counter.get()] == ["report 1", "report 2"]


async def test_a_count_that_failed_is_not_kept() -> None:
    counter = Counter(failing=1)
    with pytest.raises(RecordsUnavailable):
        await counter.get()
    assert await counter.get() == "report 2"


async def test_who_leaves_leaves_the_others_their_count() -> None:
    counter = Counter()
    leaving = asyncio.create_task(counter.get())
    await asyncio.sleep(0)
    staying = asyncio.create_task(counter.get())
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == "report 1"


async def test_not_more_are_kept_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 1)
    counter = Counter()
    for key in ("day", "other", "day"):
        await counter.get(key)
    assert counter.asked == 3


async def test_a_page_is_not_kept_waiting_for_a_long_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept, "WAITED_S", 0.0)
    counter = Counter()
    counter.ready.clear()
    assert await counter.get() is None
    counter.ready.set()
    monkeypatch.setattr(kept, "WAITED_S", 60.0)
    assert await counter.get() == "report 1"
    assert counter.asked == 1


async def test_not_more_are_counted_at_once_than_the_database_bears(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept, "WAITED_S", 0.0)
    monkeypatch.setattr(kept, "RUNNING", 1)
    counter = Counter()
    counter.ready.clear()
    assert [await counter.get(), await counter.get("other")] == [None, None]
    assert counter.asked == 1
    counter.ready.set()
    monkeypatch.setattr(kept, "WAITED_S", 60.0)
    assert [await counter.get(), await counter.get("other")] == ["report 1", "report 2"]
