"""Of several workers on one PostgreSQL one does the jobs, and another when he is gone."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.voicebot.conftest import ROOT
from voicebot.cluster.leader import WORKER, Leader, _engine, _taken
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
    await until(lambda: first.begun == 1)
    second = Worker(postgresql_url)
    await asyncio.sleep(0.3)
    assert not second.leader.leads
    await first.end()
    await until(lambda: second.begun == 1)
    assert second.leader.leads
    assert first.begun == 1
    await second.end()


async def test_whose_connection_is_lost_stops_and_begins_again(postgresql_url: str) -> None:
    worker = Worker(postgresql_url)
    await until(lambda: worker.begun == 1)
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


ELSEWHERE = """
import asyncio, sys
from voicebot.cluster import leader

leader.LOOK_S, leader.IDLE_S = 0.05, 1.0

async def work():
    print("begins", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        print("ends", flush=True)

asyncio.run(leader.Leader(sys.argv[1]).run(work))
"""


async def test_a_frozen_one_loses_the_jobs_and_gives_them_up_when_it_is_thawed(
    postgresql_url: str, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    with said.open("wb") as out:
        other = subprocess.Popen(  # noqa: ASYNC220 - begun once
            [sys.executable, "-c", ELSEWHERE, postgresql_url], cwd=ROOT, stdout=out
        )
    try:
        await until(lambda: b"begins" in said.read_bytes(), 60.0)
        standby = Worker(postgresql_url)
        await asyncio.sleep(0.3)
        assert not standby.leader.leads
        other.send_signal(signal.SIGSTOP)
        await until(lambda: standby.begun == 1)
        other.send_signal(signal.SIGCONT)
        await until(lambda: b"ends" in said.read_bytes())
        assert standby.begun == 1
        await standby.end()
    finally:
        other.kill()
        other.wait()


async def test_one_that_is_frozen_while_it_looks_at_the_lock_loses_the_jobs_too(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transaction is open then: PostgreSQL's limit of an idle session does not apply."""
    monkeypatch.setattr("voicebot.cluster.leader.IDLE_S", 0.5)
    engine = _engine(postgresql_url)
    frozen = _taken(engine, WORKER)
    assert frozen is not None
    frozen.scalar(text("SELECT 1"))
    standby = Worker(postgresql_url)
    await until(lambda: standby.begun == 1)
    await standby.end()
    frozen.invalidate()
    frozen.close()
    engine.dispose()


async def test_one_that_lives_keeps_the_jobs_however_long_nothing_is_to_be_done(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.cluster.leader.IDLE_S", 0.5)
    worker = Worker(postgresql_url)
    await until(lambda: worker.leader.leads)
    await asyncio.sleep(1.5)
    assert (worker.leader.leads, worker.begun) == (True, 1)
    await worker.end()


async def test_a_server_older_than_14_is_not_asked_for_what_it_does_not_know(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.cluster.leader._IDLE_SINCE", (1000,))
    worker = Worker(postgresql_url)
    await until(lambda: worker.leader.leads)
    await worker.end()


async def test_what_ends_the_jobs_is_in_the_log(
    postgresql_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def failing() -> None:
        raise OSError("disk full")

    leader = Leader(postgresql_url)
    said = ""

    def told() -> bool:
        nonlocal said
        said += capsys.readouterr().out
        return "jobs_failed" in said and "disk full" in said

    task = asyncio.create_task(leader.run(failing))
    await until(told)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_with_sqlite_the_only_process_works_at_once() -> None:
    worker = Worker("sqlite:///nowhere.db")
    await until(lambda: worker.begun == 1)
    await worker.end()
