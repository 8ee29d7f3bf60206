"""Dossiers arrive at least once, whatever the desk and the service go through."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from voicebot.config import Settings
from voicebot.exchange.address import unsafe
from voicebot.exchange.dossier import Dossier
from voicebot.exchange.outbox import LAST_RETRY_S, OutboxWorker, retry_after
from voicebot.records.reading import LONGEST_PAUSE_S
from voicebot.records.store import Records
from voicebot.records.tables import DutyNumberRow

pytestmark = [pytest.mark.leaping_time, pytest.mark.usefixtures("database_url")]


def dossier(revision: int = 1) -> dict[str, Any]:
    return Dossier(
        handoff="H1", revision=revision, call_id="C1", caller="13800138000", did="12345"
    ).model_dump(mode="json")


class Desk:
    """Answers as told, then 201, and keeps what it got."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if self.answers else 201
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer)


@asynccontextmanager
async def working(
    records: Records, desk: Callable[[httpx.Request], Any], **options: Any
) -> AsyncIterator[None]:
    clock, epoch = asyncio.get_running_loop().time, time.time()
    worker = OutboxWorker(
        records,
        "secret",
        transport=httpx.MockTransport(desk),
        clock=lambda: epoch + clock(),
        **options,
    )
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def delivered(records: Records, count: int = 1) -> list[dict[str, Any]]:
    async with asyncio.timeout(10):
        while True:
            handoff = await records.handoff("H1")
            messages = handoff["messages"] if handoff else []
            if sum(each["state"] == "delivered" for each in messages) >= count:
                return messages
            await asyncio.sleep(0.02)


async def attempted(records: Records) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            handoff = await records.handoff("H1")
            if handoff is not None and handoff["messages"][0]["attempts"]:
                message: dict[str, Any] = handoff["messages"][0]
                return message
            await asyncio.sleep(0.02)


async def test_a_dossier_is_delivered_at_once_with_key_and_token(records: Records) -> None:
    desk = Desk()
    async with working(records, desk):
        await records.open_handoff({"destination": "seat", "requested_at": 1.0}, dossier())
        await delivered(records)
    (request,) = desk.requests
    assert request.url == "http://127.0.0.1:8446/dossiers"
    assert request.headers["idempotency-key"] == "H1:1"
    assert request.headers["authorization"] == "Bearer secret"
    assert Dossier.read(request.content).caller == "13800138000"


LINK = "https://12345.example/console/110/{}?key=x".format


async def test_the_link_of_the_110_view_goes_with_each_dossier_for_110(records: Records) -> None:
    desk = Desk()
    async with working(records, desk, link=LINK):
        await records.open_handoff({"destination": "110-460100", "requested_at": 1.0}, dossier())
        await delivered(records)
    told = desk.requests[0].headers["Link"]
    assert told.startswith("<https://12345.example/console/110/H1?key=x>; rel=")


async def test_the_link_of_the_110_view_does_not_go_to_the_seats(records: Records) -> None:
    desk = Desk()
    async with working(records, desk, link=LINK):
        await records.open_handoff({"destination": "seat", "requested_at": 1.0}, dossier())
        await delivered(records)
    assert "Link" not in desk.requests[0].headers


async def test_it_is_tried_again_with_the_same_key_and_body(records: Records) -> None:
    desk = Desk(503, httpx.ConnectError("refused"))
    async with working(records, desk):
        await records.open_handoff({"destination": "seat", "requested_at": 1.0}, dossier())
        (message,) = await delivered(records)
    assert len(desk.requests) == 3
    assert len({request.headers["idempotency-key"] for request in desk.requests}) == 1
    assert len({request.content for request in desk.requests}) == 1
    assert message["attempts"] == 3
    assert message["last_error"] == ""


async def test_a_restart_goes_on_with_what_was_left(settings: Settings) -> None:
    records = await Records.open(settings)
    await records.open_handoff({"destination": "seat", "requested_at": 1.0}, dossier())
    await records.close()
    again = await Records.open(settings)
    desk = Desk()
    async with working(again, desk):
        await delivered(again)
    await again.close()
    assert len(desk.requests) == 1


async def test_only_the_newest_revision_goes_out(records: Records) -> None:
    await records.open_handoff({"destination": "seat", "requested_at": 1.0}, dossier(1))
    await records.update_dossier("H1", dossier(2))
    desk = Desk()
    async with working(records, desk):
        await delivered(records)
    assert [json.loads(each.content)["revision"] for each in desk.requests] == [2]


async def test_a_minute_without_delivery_is_an_alarm(records: Records) -> None:
    await records.open_handoff({"destination": "seat", "requested_at": time.time() - 61}, dossier())
    with structlog.testing.capture_logs() as lines:
        async with working(records, Desk(500)):
            await delivered(records)
    (alarm,) = [line for line in lines if line["event"] == "dossier_not_delivered"]
    assert (alarm["log_level"], alarm["reason"]) == ("error", "HTTP 500")
    assert "13800138000" not in str(lines)


async def test_a_growing_dossier_that_nobody_takes_is_an_alarm_once_a_minute(
    records: Records,
) -> None:
    await records.open_handoff({"destination": "seat", "requested_at": time.time() - 61}, dossier())
    desk = Desk(*[500] * 1000)
    with structlog.testing.capture_logs() as lines:
        async with working(records, desk):
            for revision in range(2, 8):
                await asyncio.sleep(0.05)
                await records.update_dossier("H1", dossier(revision))
            await asyncio.sleep(0.5)
    assert [line["event"] for line in lines].count("dossier_not_delivered") == 1
    assert len(desk.requests) <= 4  # the pause grows although the dossier does


@pytest.mark.parametrize("ahead", [5.0, 86400.0])
async def test_what_a_clock_that_was_ahead_has_written_goes_out_at_once(
    records: Records, ahead: float
) -> None:
    at = time.time() + ahead
    await records.open_handoff({"destination": "seat", "requested_at": at}, dossier())
    began = asyncio.get_running_loop().time()
    async with working(records, Desk()):
        await delivered(records)
    assert asyncio.get_running_loop().time() - began < 2


async def test_a_clock_that_is_set_back_holds_up_no_second_attempt(records: Records) -> None:
    """Nor does it silence the alarm."""
    loop, epoch, ahead = asyncio.get_running_loop(), time.time(), 86400.0
    desk = Desk(503, *[500] * 1000)
    worker = OutboxWorker(
        records,
        "secret",
        transport=httpx.MockTransport(desk),
        clock=lambda: epoch + loop.time() + ahead,
    )
    await records.open_handoff({"destination": "seat", "requested_at": epoch + ahead}, dossier())
    with structlog.testing.capture_logs() as lines:
        task = asyncio.create_task(worker.run())
        await attempted(records)
        ahead = 0.0
        asked = len(desk.requests)
        await asyncio.sleep(120)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert len(desk.requests) > asked + 3
    assert "dossier_not_delivered" in [line["event"] for line in lines]


def test_no_attempt_waits_longer_than_the_outbox_knows() -> None:
    assert LAST_RETRY_S < LONGEST_PAUSE_S < 2 * LAST_RETRY_S


@pytest.mark.parametrize("stuck", [3, 40])
async def test_a_dead_address_delays_no_dossier(records: Records, stuck: int) -> None:
    """Not even with everything for one and the same desk, as on a small platform."""
    for number in range(stuck):
        await records.notify_line("power", f"N{number}", dossier())
    dead = asyncio.Event()

    async def desk(request: httpx.Request) -> httpx.Response:
        if b"notice_for" in request.content:
            await dead.wait()
        return httpx.Response(201)

    async with working(records, desk):
        await asyncio.sleep(0.2)
        began = asyncio.get_running_loop().time()
        await records.open_handoff({"destination": "seat", "requested_at": 1.0}, dossier())
        await delivered(records)
        assert asyncio.get_running_loop().time() - began < 1.0


async def test_one_revision_after_the_other_goes_to_a_desk(records: Records) -> None:
    asked, held, seen = asyncio.Event(), asyncio.Event(), []

    async def desk(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content)["revision"])
        asked.set()
        if len(seen) == 1:
            await held.wait()
        return httpx.Response(201)

    async with working(records, desk):
        await records.open_handoff({"destination": "seat", "requested_at": 1.0}, dossier(1))
        await asked.wait()
        for revision in (2, 3, 4):
            await records.update_dossier("H1", dossier(revision))
        await asyncio.sleep(0.1)
        assert seen == [1]
        held.set()
        await delivered(records, 2)
    assert seen == [1, 4]


@pytest.mark.parametrize("url", ["http://203.0.113.5", "http://127.0.0.1\\@203.0.113.5"])
async def test_nothing_leaves_in_plain_text(records: Records, url: str) -> None:
    """An administrator's mistake in the directory costs neither dossier nor token."""
    await records.transact(
        lambda session: session.execute(
            update(DutyNumberRow).filter_by(number="seat").values(http_url=url)
        )
    )
    await records.open_handoff({"destination": "seat", "requested_at": 1.0}, dossier())
    desk = Desk()
    async with working(records, desk):
        await attempted(records)
    assert desk.requests == []


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://desk.example/x", True),
        ("http://127.0.0.1:8446", True),
        ("http://[::1]:8446", True),
        ("http://203.0.113.5", False),
        ("http://127.0.0.1.evil.com", False),
        ("http://127.0.0.1@evil.com", False),
        ("http://evil.com#@127.0.0.1", False),
        ("http://evil.com\\@127.0.0.1", False),
        ("s://evil.com", False),
        ("ftp://127.0.0.1", False),
        ("https:///x", False),
        ("https://a b", False),
        ("https://a:x", False),
        ("", False),
    ],
)
def test_where_dossiers_may_go(url: str, safe: bool) -> None:
    assert (unsafe(url) == "") is safe


async def test_an_unknown_destination_stays_and_is_said(records: Records) -> None:
    await records.open_handoff({"destination": "110-000000", "requested_at": 1.0}, dossier())
    desk = Desk()
    async with working(records, desk):
        message = await attempted(records)
    assert message["last_error"] == "no address in the duty directory"
    assert desk.requests == []


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_pauses_grow_and_stay_bounded(attempts: int, spread: float) -> None:
    pause = retry_after(attempts, spread)
    assert 0.2 < pause <= LAST_RETRY_S
    assert retry_after(attempts + 1, spread) >= pause


def test_a_dossier_names_its_category() -> None:
    read = Dossier(handoff="H", revision=1, call_id="C", caller="", did="", category=4)
    assert read.category_name == "治安灾害事故"
    assert read.created_at.utcoffset() is not None
    with pytest.raises(ValueError, match="category"):
        Dossier(handoff="H", revision=1, call_id="C", caller="", did="", category=8)
