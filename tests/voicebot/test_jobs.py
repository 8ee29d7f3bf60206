"""What an installation needs once is the worker's; recordings are deleted where they lie."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from voicebot import jobs
from voicebot.config import Settings
from voicebot.config_roles import Role
from voicebot.metrics.instruments import Metrics
from voicebot.records.store import Records


def of_roles(settings: Settings, *roles: Role) -> Settings:
    retention = settings.retention.model_copy(update={"recordings": 30, "transcripts": 90})
    server = settings.server.model_copy(update={"roles": roles})
    return settings.model_copy(update={"server": server, "retention": retention})


@pytest.fixture
def retained(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """By which settings the retention runs, each with a day of its own."""
    found: list[Settings] = []
    names: list[str] = []

    class Daily:
        def __init__(self, settings: Settings, *, name: str = "retention-last") -> None:
            assert name not in names
            names.append(name)
            found.append(settings)

        async def run(self) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(jobs, "DailyRetention", Daily)
    return found


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - a list that grows
            await asyncio.sleep(0.01)


class Embedder:
    """Never asked: topics are looked at every quarter of an hour."""


@pytest.mark.parametrize(
    ("roles", "days"),
    [
        (("media", "web", "worker"), {(30, 0), (0, 90)}),
        (("worker",), {(30, 90)}),
        (("media",), {(30, 0)}),
        (("media", "web"), {(30, 0)}),
        (("web",), set()),
    ],
)
async def test_retention_is_of_the_worker_and_of_recordings_where_calls_are(
    settings: Settings,
    records: Records,
    retained: list[Settings],
    roles: tuple[Role, ...],
    days: set[tuple[int, int]],
) -> None:
    working = asyncio.create_task(
        jobs.jobs_of(of_roles(settings, *roles), records, Embedder(), Metrics())  # type: ignore[arg-type]
    )
    if not days:
        await asyncio.wait_for(working, 10)
        assert retained == []
        return
    await until(lambda: len(retained) == len(days))
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    rules = [each.retention for each in retained]
    assert {(each.recordings, each.transcripts) for each in rules} == days
    assert {each.at for each in rules} == {settings.retention.at}


async def test_a_node_with_calls_deletes_its_recordings_while_another_does_the_jobs(
    settings: Settings,
    records: Records,
    retained: list[Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Standby:
        def __init__(self, _: str) -> None: ...

        async def run(self, _: Any) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(jobs, "Leader", Standby)
    working = asyncio.create_task(
        jobs.jobs_of(of_roles(settings, "media", "worker"), records, Embedder(), Metrics())  # type: ignore[arg-type]
    )
    await until(lambda: retained)
    assert [each.retention.recordings for each in retained] == [30]
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_a_future_that_is_cancelled_within_a_job_does_not_end_it(
    settings: Settings, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    class Leaking:
        def __init__(self, *_: Any) -> None: ...

        async def run(self) -> None:
            begun.append("reminding")
            gone = asyncio.get_running_loop().create_future()
            gone.cancel()
            await gone

    monkeypatch.setattr(jobs, "Reminding", Leaking)
    monkeypatch.setattr(jobs, "AGAIN_S", 0.01)
    working = asyncio.create_task(
        jobs.jobs_of(of_roles(settings, "worker"), records, Embedder(), Metrics())  # type: ignore[arg-type]
    )
    await until(lambda: len(begun) >= 3)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert working.cancelled()


async def test_a_job_that_fails_begins_again_and_the_others_go_on(
    settings: Settings, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    class Failing:
        def __init__(self, *_: Any) -> None: ...

        async def run(self) -> None:
            begun.append("reminding")
            raise OSError("disk full")

    class Going:
        def __init__(self, *_: Any) -> None: ...

        async def run(self) -> None:
            begun.append("topics")
            await asyncio.Event().wait()

    monkeypatch.setattr(jobs, "Reminding", Failing)
    monkeypatch.setattr(jobs, "TopicWatch", Going)
    monkeypatch.setattr(jobs, "AGAIN_S", 0.01)
    working = asyncio.create_task(
        jobs.jobs_of(of_roles(settings, "worker"), records, Embedder(), Metrics())  # type: ignore[arg-type]
    )
    await until(lambda: begun.count("reminding") >= 3)
    assert begun.count("topics") == 1
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
