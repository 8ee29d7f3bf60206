"""Envelopes go to 110's platform in order, the urgent ones first, and none is given up."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tests.voicebot.exchange_messages import AT, status, ticket
from tests.voicebot.exchange_sides import TOKEN, all_confirmed, settings_of, until
from voicebot.config import Settings
from voicebot.exchange import due
from voicebot.exchange.platform import Platform
from voicebot.exchange.schema import PoliceOrder
from voicebot.exchange.sending import send
from voicebot.exchange.stand_in.app import create_stand_in
from voicebot.exchange.stand_in.faults import Faults
from voicebot.exchange.stand_in.store import Store
from voicebot.exchange.tables import EnvelopeRow, LedgerRow
from voicebot.exchange.worker import EnvelopeWorker
from voicebot.records.store import ACTS, Records

NOW = AT.timestamp()


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return settings_of(tmp_path, 8447, database_url)


class There:
    """110's platform in this process: the stand-in's app on a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "110" / "110.db")
        self.asked: list[str] = []
        """Ids in the order in which they came."""
        self.answers: list[int] = []
        """Statuses to answer with before it answers by itself."""
        self._app = httpx.ASGITransport(create_stand_in(self.store, token=TOKEN, faults=Faults()))

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.headers["idempotency-key"])
        if self.answers:
            return httpx.Response(self.answers.pop(0), json={})
        return await self._app.handle_async_request(request)

    def platform(self, settings: Settings) -> Platform:
        return Platform(settings.exchange, transport=httpx.MockTransport(self))


@pytest.fixture
def there(tmp_path: Path) -> There:
    return There(tmp_path)


@contextlib.asynccontextmanager
async def working(
    records: Records,
    platform: Platform,
    *,
    alarm_s: float = 60.0,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[None]:
    worker = EnvelopeWorker(records, platform, alarm_s=alarm_s, clock=clock)
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def put_out(session: Session) -> None:
    """Two messages about W1, and after them an order."""
    send(session, ticket("W1"), subject="W1", at=NOW)
    send(session, status(), subject="W1", at=NOW)
    order = PoliceOrder(number="J1", created_at=AT, reason="有人持刀", category=1)
    send(session, order, subject="J1", at=NOW)


async def test_police_orders_go_first_and_a_subject_in_its_order(
    records: Records, settings: Settings, there: There
) -> None:
    await records.transact(put_out)
    async with working(records, there.platform(settings)):
        await all_confirmed(records)
    assert there.asked == ["12345:police_order:J1:1", "12345:ticket:W1:1", "12345:status:W1:2"]


async def test_a_claim_that_waits_for_the_database_delays_nobodys_act(
    tmp_path: Path, postgresql_url: str, there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path / "server", 8447, postgresql_url)
    records = await Records.open(settings)
    await records.transact(put_out)
    over, claiming, claim = threading.Event(), threading.Event(), due.claim

    def waits(*arguments: Any) -> Any:
        claiming.set()
        over.wait()
        return claim(*arguments)

    monkeypatch.setattr(due, "claim", waits)
    try:
        async with working(records, there.platform(settings)):
            await asyncio.to_thread(claiming.wait, 30)
            # As many as there are threads for them: none is the claim's.
            meeting = threading.Barrier(ACTS, timeout=30)
            await asyncio.gather(*(records.transact(lambda _: meeting.wait()) for _ in range(ACTS)))
            over.set()
            await all_confirmed(records)
    finally:
        over.set()
        await records.close()


async def test_what_follows_waits_until_the_one_before_is_confirmed(
    records: Records, settings: Settings, there: There
) -> None:
    there.answers = [503, 200, 503]  # a receipt for nothing is no receipt
    await records.transact(put_out)
    async with working(records, there.platform(settings)):
        await all_confirmed(records)
    assert len(there.asked) == 6
    about = [each for each in there.asked if ":W1:" in each]
    last_of_first = max(n for n, each in enumerate(about) if each == "12345:ticket:W1:1")
    assert last_of_first < about.index("12345:status:W1:2")


@pytest.mark.leaping_time
async def test_a_platform_that_is_down_is_asked_seldom_and_has_all_soon_after_it_is_back(
    records: Records, settings: Settings, there: There
) -> None:
    def write(session: Session) -> None:
        for number in range(60):
            send(session, ticket(f"X{number}"), subject=f"X{number}", at=NOW)

    await records.transact(write)
    loop, epoch = asyncio.get_running_loop(), time.time()
    back_at = loop.time() + 20
    in_vain = 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal in_vain
        if loop.time() < back_at:
            in_vain += 1
            return httpx.Response(503)
        return await there(request)

    platform = Platform(settings.exchange, transport=httpx.MockTransport(answer))
    async with working(records, platform, clock=lambda: epoch + loop.time()):
        await all_confirmed(records)
    # Sixteen together, as many that were under way, then one at a time: no 60 over and over.
    assert in_vain < 45
    assert len(there.asked) == 60
    assert loop.time() - back_at < 10


async def test_a_refused_message_is_an_alarm_stays_and_goes_when_it_is_taken(
    records: Records, settings: Settings, there: There
) -> None:
    there.answers = [422]
    await records.transact(send, ticket("W1"), subject="W1", at=NOW)
    with structlog.testing.capture_logs() as lines:
        async with working(records, there.platform(settings)):
            await states(records, {"refused"})
            await records.transact(due.send_again, None, at=NOW)
            await all_confirmed(records)
    (alarm,) = [line for line in lines if line["event"] == "exchange_refused"]
    assert (alarm["log_level"], alarm["reason"]) == ("error", "HTTP 422")
    assert "路灯" not in str(lines)
    await states(records, {"applied"})


async def states(records: Records, expected: set[str]) -> None:
    async with asyncio.timeout(30):
        while True:
            found = await records.read(lambda s: s.scalars(select(LedgerRow.state)).all())
            if set(found) == expected:
                return
            await asyncio.sleep(0.05)


async def test_what_is_not_confirmed_in_time_is_an_alarm_that_says_how_much(
    records: Records, settings: Settings, there: There
) -> None:
    there.answers = [503] * 1000
    await records.transact(put_out)
    with structlog.testing.capture_logs() as lines:
        async with working(records, there.platform(settings), alarm_s=0.2):
            await until(lambda: any(line["event"] == "exchange_not_delivered" for line in lines))
    alarm = next(line for line in lines if line["event"] == "exchange_not_delivered")
    assert (alarm["log_level"], alarm["count"], alarm["police_orders"]) == ("error", 3, 1)


async def test_a_clock_that_was_ahead_holds_nothing_up(
    records: Records, settings: Settings, there: There
) -> None:
    def write(session: Session) -> None:
        put_out(session)
        session.execute(update(EnvelopeRow).values(next_attempt_at=time.time() + 365 * 86400))

    await records.transact(write)
    async with working(records, there.platform(settings)):
        await all_confirmed(records)
    assert len(there.asked) == 3


async def test_what_a_dead_process_had_claimed_is_free_after_a_while(records: Records) -> None:
    await records.transact(send, ticket("W1"), subject="W1", at=NOW)
    (claimed,) = await records.transact(due.claim, NOW, (), 16)
    assert not await records.read(due.is_due, NOW + 1, ())
    (again,) = await records.transact(due.claim, NOW + due.LEASE_S, (), 16)
    assert again == claimed


async def test_two_processes_on_one_database_send_nothing_twice(
    settings: Settings, there: There
) -> None:
    first, second = await Records.open(settings), await Records.open(settings)
    for number in range(40):
        await first.transact(send, ticket(f"W{number}"), subject=f"W{number}", at=NOW)
    # By a clock that stands no claim ends, however slow this machine is.
    async with (
        working(first, there.platform(settings), clock=lambda: NOW),
        working(second, there.platform(settings), clock=lambda: NOW),
    ):
        await all_confirmed(first)
    await first.close()
    await second.close()
    assert len(there.asked) == len(set(there.asked)) == 40
