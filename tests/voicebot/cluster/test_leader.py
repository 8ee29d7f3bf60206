"""Of several workers on one PostgreSQL one does the jobs, and another when he is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import text

from voicebot.cluster.leader import WORKER, Leader
from voicebot.records.database import open_engine


async def until(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicebot.cluster.leader.LOOK_S", 0.05)


class Worker:
    def __init__(self, url: str) -> None:
        self.leader = Leader(url)
        self.begun = 0
        self.task = asyncio.create_task(self.leader.run(self._work))

    async def _work(self) -> None:
        self.begun += 1
        await asyncio.Event().wait()

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_one_of_two_works_and_the_other_takes_over(postgresql_url: str) -> None:
    first = Worker(postgresql_url)
    await until(lambda: first.leader.leads)
    second = Worker(postgresql_url)
    await asyncio.sleep(0.3)
    assert not second.leader.leads
    await first.end()
    await until(lambda: second.leader.leads)
    assert (first.begun, second.begun) == (1, 1)
    await second.end()


async def test_whose_connection_is_lost_stops_and_begins_again(postgresql_url: str) -> None:
    worker = Worker(postgresql_url)
    await until(lambda: worker.leader.leads)
    engine = open_engine(postgresql_url)
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks "
                f"WHERE locktype = 'advisory' AND objid = {WORKER}"
            )
        )
    engine.dispose()
    await until(lambda: worker.begun == 2)
    await worker.end()


async def test_with_sqlite_the_only_process_works_at_once() -> None:
    worker = Worker("sqlite:///nowhere.db")
    await until(lambda: worker.begun == 1)
    await worker.end()
