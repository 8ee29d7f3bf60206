"""Several processes share an outbox in PostgreSQL: each message is one's at a time."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from voicebot.config import Settings, load_settings
from voicebot.exchange.dossier import Dossier
from voicebot.exchange.outbox import OutboxWorker
from voicebot.records.claiming import LEASE_S
from voicebot.records.store import ACTS, TASKS, Records

SOON = 1.0


def dossier(handoff: str, revision: int = 1) -> dict[str, Any]:
    return Dossier(
        handoff=handoff, revision=revision, call_id="C1", caller="13800138000", did="12345"
    ).model_dump(mode="json")


async def opened(records: Records, *handoffs: str) -> None:
    opening = {"destination": "110-460106", "requested_at": time.time()}
    writes = [records.open_handoff(opening, dossier(each)) for each in handoffs]
    assert all(await asyncio.gather(*writes))


def host(folder: Path, database_url: str) -> Settings:
    """The settings of one of several machines that share a database."""
    folder.mkdir()
    file = folder / "voicebot.toml"
    file.write_text(f'[paths]\nstate = "{folder}"\n[database]\nurl = "{database_url}"\n')
    return load_settings(file)


@pytest.fixture
async def two(tmp_path: Path, postgresql_url: str) -> AsyncIterator[tuple[Records, Records]]:
    both = [await Records.open(host(tmp_path / name, postgresql_url)) for name in ("a", "b")]
    yield both[0], both[1]
    for each in both:
        await each.close()


def names(messages: list[dict[str, Any]]) -> set[str]:
    return {each["handoff"] for each in messages}


async def test_what_one_process_delivers_no_other_gets(two: tuple[Records, Records]) -> None:
    one, other = two
    expected = {f"H{number}" for number in range(40)}
    await opened(one, *expected)
    now = time.time() + SOON
    claims = await asyncio.gather(
        *(each.outbox(now, per_address=5) for _ in range(6) for each in (one, other))
    )
    by_process = [set[str]().union(*map(names, claims[side::2])) for side in (0, 1)]
    assert not by_process[0] & by_process[1]
    assert by_process[0] | by_process[1] <= expected
    assert any(by_process)


async def test_a_process_keeps_seeing_what_is_its_own(two: tuple[Records, Records]) -> None:
    one, _ = two
    await opened(one, "H1")
    now = time.time() + SOON
    assert names(await one.outbox(now)) == names(await one.outbox(now)) == {"H1"}


async def test_peoples_acts_hold_up_no_message(two: tuple[Records, Records]) -> None:
    one, _ = two
    await opened(one, "H1")
    over = threading.Event()
    acts = [asyncio.ensure_future(one.transact(lambda _: over.wait())) for _ in range(ACTS)]
    try:
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            assert names(await one.outbox(time.time() + SOON)) == {"H1"}
    finally:
        over.set()
        await asyncio.gather(*acts)


async def test_the_services_own_tasks_hold_up_no_person_and_no_message(
    two: tuple[Records, Records],
) -> None:
    one, _ = two
    await opened(one, "H1")
    over = threading.Event()
    tasks = [asyncio.ensure_future(one.in_background(lambda _: over.wait())) for _ in range(TASKS)]
    try:
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            assert await one.transact(lambda _: "done") == "done"
            assert names(await one.outbox(time.time() + SOON)) == {"H1"}
    finally:
        over.set()
        await asyncio.gather(*tasks)


async def test_what_a_dead_process_had_goes_to_another(two: tuple[Records, Records]) -> None:
    one, other = two
    await opened(one, "H1")
    now = time.time() + SOON
    assert names(await one.outbox(now)) == {"H1"}
    assert await other.outbox(now + LEASE_S - 1) == []
    assert names(await other.outbox(now + LEASE_S + 1)) == {"H1"}
    assert await one.outbox(now + LEASE_S + 2) == []


async def test_a_claim_by_a_clock_that_was_wrong_holds_up_nothing(
    two: tuple[Records, Records],
) -> None:
    one, other = two
    await opened(one, "H1")
    now = time.time() + SOON
    assert names(await one.outbox(now + 86_400)) == {"H1"}
    assert names(await other.outbox(now)) == {"H1"}


async def test_a_newer_state_of_a_dossier_waits_for_no_claim(two: tuple[Records, Records]) -> None:
    one, other = two
    await opened(one, "H1")
    now = time.time() + SOON
    await one.outbox(now)
    assert await one.update_dossier("H1", dossier("H1", 2))
    (message,) = await other.outbox(now)
    assert message["payload"]["revision"] == 2


async def test_a_failed_attempt_is_anybodys_again(two: tuple[Records, Records]) -> None:
    one, other = two
    await opened(one, "H1")
    now = time.time() + SOON
    (message,) = await one.outbox(now)
    assert await one.delivery_failed(message["id"], 1, now + 2, "refused")
    assert await other.outbox(now + 1) == []
    assert names(await other.outbox(now + 3)) == {"H1"}


async def test_two_workers_deliver_each_message_once(two: tuple[Records, Records]) -> None:
    got: list[str] = []
    finished = asyncio.Event()

    async def desk(request: httpx.Request) -> httpx.Response:
        got.append(request.headers["Idempotency-Key"])
        await asyncio.sleep(0.01)
        if len(got) >= 60:
            finished.set()
        return httpx.Response(201)

    await opened(two[0], *(f"H{number}" for number in range(60)))
    transport = httpx.MockTransport(desk)
    workers = [
        asyncio.create_task(OutboxWorker(each, "secret", transport=transport).run()) for each in two
    ]
    async with asyncio.timeout(60):
        await finished.wait()
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert sorted(got) == sorted(f"H{number}:1" for number in range(60))
