"""Events reach their receivers: at least once, in order for each subject, and nobody waits for one
that is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from tests.voicebot.webhook_receivers import SECRET, Scripted, key_file, receiving, webhook
from voicebot.config_webhooks import Webhook
from voicebot.exchange import outbox
from voicebot.exchange.keys import Key
from voicebot.exchange.signing import Signer
from voicebot.metrics.instruments import Metrics
from voicebot.records import operations
from voicebot.records.store import Records
from voicebot.webhooks import posting, queue, worker
from voicebot.webhooks.posting import Receiver
from voicebot.webhooks.telling import subscribe
from voicebot.webhooks.worker import WebhookWorker

pytestmark = pytest.mark.usefixtures("database_url")

NOON = 1_795_406_400.0
EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "webhooks" / "receiver.py"


@pytest.fixture(autouse=True)
def _without_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "POLL_S", 0.01)
    monkeypatch.setattr(outbox, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(outbox, "LAST_RETRY_S", 0.05)


@pytest.fixture
def receiver() -> Iterator[Scripted]:
    with receiving() as scripted:
        yield scripted


def call(session: Session, name: str) -> None:
    operations.start_call(
        session, call_id=name, caller="13800138000", did="12345", started_at=NOON, recording=""
    )
    operations.finish_call(
        session, call_id=name, ended_at=NOON + 60, outcome="answered", region=None
    )


async def happen(records: Records, *webhooks: Webhook, calls: int = 3) -> None:
    await records.transact(subscribe, webhooks)
    for number in range(calls):
        await records.transact(call, f"C{number}")


@contextlib.asynccontextmanager
async def working(
    records: Records, *webhooks: Webhook, metrics: Metrics | None = None
) -> AsyncIterator[None]:
    task = asyncio.create_task(WebhookWorker(records, webhooks, metrics or Metrics()).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - another thread answers
            await asyncio.sleep(0.01)


async def settled(records: Records, name: str = "dispatch") -> None:
    """Everything was delivered, and is on record as such."""
    async with asyncio.timeout(60):
        while await waiting(records, name):  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.01)


async def waiting(records: Records, name: str) -> int:
    return (await records.read(queue.waits, name)).count


async def test_everything_arrives_in_order_and_is_counted(
    records: Records, receiver: Scripted, tmp_path: Path
) -> None:
    hook, metrics = webhook(tmp_path, receiver.url), Metrics()
    await happen(records, hook)
    async with working(records, hook, metrics=metrics):
        await settled(records)
    assert receiver.subjects() == {f"C{n}": ["call.started", "call.ended"] for n in range(3)}
    path, headers, body = receiver.requests[0]
    assert (path, headers["Content-Type"]) == ("/events", "application/json")
    assert headers["Idempotency-Key"] == receiver.events[0]["id"]
    assert b"138******00" in body
    sent = metrics.registry.get_sample_value(
        "voicebot_webhook_requests_total", {"webhook": "dispatch", "outcome": "delivered"}
    )
    assert sent == 6


async def test_what_fails_is_sent_again_and_no_later_one_of_its_subject_before(
    records: Records, receiver: Scripted, tmp_path: Path
) -> None:
    hook = webhook(tmp_path, receiver.url)
    failures = {"C1": 4}

    def answer(event: dict[str, Any]) -> int:
        failures[event["subject"]] = failures.get(event["subject"], 0) - 1
        return 503 if failures[event["subject"]] >= 0 else 200

    receiver.answer = answer
    await happen(records, hook)
    async with working(records, hook):
        await settled(records)
    assert receiver.subjects() == {f"C{n}": ["call.started", "call.ended"] for n in range(3)}
    of_c1 = [event["event"] for event in receiver.events if event["subject"] == "C1"]
    assert of_c1 == ["call.started"] * 5 + ["call.ended"]


async def test_an_answer_that_was_lost_makes_it_come_again_under_its_id(
    records: Records, receiver: Scripted, tmp_path: Path
) -> None:
    hook = webhook(tmp_path, receiver.url)
    seen: set[str] = set()

    def answer(event: dict[str, Any]) -> int:
        first = event["id"] not in seen
        seen.add(event["id"])
        return 504 if first else 204

    receiver.answer = answer
    await happen(records, hook)
    async with working(records, hook):
        await settled(records)
    assert len({event["id"] for event in receiver.events}) == 6
    assert len(receiver.events) == 12


async def test_one_that_is_away_holds_up_nobody_else(
    records: Records, receiver: Scripted, tmp_path: Path
) -> None:
    dead = webhook(tmp_path, "http://127.0.0.1:9/events", "dead")
    hook = webhook(tmp_path, receiver.url)
    await happen(records, dead, hook)
    async with working(records, dead, hook):
        await until(lambda: len(receiver.taken) == 6)
    assert await waiting(records, "dead") == 6


async def test_one_that_comes_back_gets_all_that_waited(
    records: Records, receiver: Scripted, tmp_path: Path
) -> None:
    hook = webhook(tmp_path, receiver.url)
    receiver.answer = lambda _: 500
    await happen(records, hook)
    with capture_logs() as logs:
        async with working(records, hook):
            await until(lambda: len(receiver.events) >= 6)
            receiver.answer = lambda _: 200
            await settled(records)
    assert receiver.subjects() == {f"C{n}": ["call.started", "call.ended"] for n in range(3)}
    said = {each["event"] for each in logs}
    assert {"webhook_retry", "webhook_not_delivered", "webhook_back"} <= said


async def test_while_nothing_arrives_one_event_at_a_time_tries(
    records: Records, receiver: Scripted, tmp_path: Path
) -> None:
    hook = webhook(tmp_path, receiver.url)
    receiver.answer = lambda _: 500
    await happen(records, hook, calls=8)
    async with working(records, hook):
        await until(lambda: len(receiver.events) >= 8)
        at_once = len(receiver.events)
        await until(lambda: len(receiver.events) >= 12)
    assert at_once in (8, 9)


async def test_a_worker_that_is_killed_in_between_loses_nothing(
    records: Records, receiver: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "LEASE_S", 0.2)
    hook = webhook(tmp_path, receiver.url)
    await happen(records, hook)
    while len(receiver.taken) < 6 or await waiting(records, "dispatch"):
        before = len(receiver.events)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5), working(records, hook):
                await until(lambda: len(receiver.events) > before)  # noqa: B023
    order = {s: list(dict.fromkeys(events)) for s, events in receiver.subjects().items()}
    assert order == {f"C{n}": ["call.started", "call.ended"] for n in range(3)}


async def test_two_workers_on_one_database_send_each_event_once(
    records: Records, receiver: Scripted, tmp_path: Path
) -> None:
    hook = webhook(tmp_path, receiver.url)
    await happen(records, hook, calls=20)
    async with working(records, hook), working(records, hook):
        await settled(records)
    assert len(receiver.events) == 40


async def test_a_key_that_cannot_be_used_is_said_and_what_is_for_it_waits(
    records: Records, receiver: Scripted, tmp_path: Path
) -> None:
    hook = webhook(tmp_path, receiver.url)
    hook.secret_file.chmod(0o644)
    await happen(records, hook)
    with capture_logs() as logs:
        async with working(records, hook):
            await until(lambda: any(each["event"] == "webhook_unusable" for each in logs))
    assert await waiting(records, "dispatch") == 6


# ── the example receiver, as a process ────────────────────────────────────────────


@contextlib.contextmanager
def example(folder: Path) -> Iterator[str]:
    """docs/webhooks/receiver.py with our key; its address."""
    key = key_file(folder, "example.key")
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLE), str(key), "0"],
        cwd=folder,
        stdout=(folder / "applied").open("wb"),
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        lines: list[str] = []
        while not lines:
            assert process.poll() is None
            lines = (folder / "applied").read_text().splitlines()
        yield lines[0]
    finally:
        process.terminate()
        process.wait(10)


def applied(folder: Path) -> list[str]:
    return (folder / "applied").read_text().splitlines()[1:]


async def test_the_example_receiver_takes_all_once(records: Records, tmp_path: Path) -> None:
    with example(tmp_path) as url:
        hook = webhook(tmp_path, url)
        await happen(records, hook)
        async with working(records, hook):
            await until(lambda: len(applied(tmp_path)) == 6)
        names = [each["id"] for each in await records.read(queue.history, "dispatch", "", 10)]
        again = await records.transact(queue.send_again, "dispatch", names, at=NOON)
        assert again == 6
        async with working(records, hook):
            await settled(records)
    assert len(applied(tmp_path)) == 6
    assert all("138******00" in line for line in applied(tmp_path) if "call.started" in line)


EVENT = {"id": "e1", "event": "webhook.test", "subject": "s", "sequence": 1, "at": 1.0, "data": {}}


@pytest.fixture
def sqlite_alone(database_url: str) -> None:
    if not database_url.startswith("sqlite"):
        pytest.skip("nothing of it is in the database")


@pytest.mark.usefixtures("sqlite_alone")
class TestAStolenRequest:
    """Whoever has recorded one gets nothing for it."""

    async def sent(self, folder: Path, url: str, at: float = 0.0) -> httpx.Request:
        """A request as it went out, `at` seconds from now; it was not delivered."""
        kept: list[httpx.Request] = []

        def keep(request: httpx.Request) -> httpx.Response:
            kept.append(request)
            return httpx.Response(500)

        hook = webhook(folder, url)
        transport = httpx.MockTransport(keep)
        async with Receiver(hook, transport=transport, clock=lambda: time.time() + at) as out:
            assert await out.post(EVENT) == "HTTP 500"
        return kept[0]

    def answers(self, request: httpx.Request, **changes: Any) -> int:
        content = changes.pop("content", request.content)
        headers = {**dict(request.headers), **changes.pop("headers", {})}
        headers.pop("content-length")
        url = changes.pop("url", str(request.url))
        return httpx.post(url, content=content, headers=headers, trust_env=False).status_code

    async def test_is_taken_once(self, tmp_path: Path) -> None:
        with example(tmp_path) as url:
            request = await self.sent(tmp_path, url)
            assert [self.answers(request) for _ in range(3)] == [204, 401, 401]
        with example(tmp_path) as again:  # restarted, it still knows the nonce
            moved = await self.sent(tmp_path, again)
            assert self.answers(moved) == 204
            host = {"host": request.url.netloc.decode()}
            assert self.answers(request, url=again, headers=host) == 401

    async def test_is_of_no_use_for_anything_else(self, tmp_path: Path) -> None:
        with example(tmp_path) as url:
            request = await self.sent(tmp_path, url)
            assert self.answers(request, content=b'{"id": "e2"}') == 401
            assert self.answers(request, url=url + "/other") == 401
            assert self.answers(request, headers={"host": "elsewhere.example"}) == 401
            for missing in ("signature", "signature-input", "content-digest"):
                assert self.answers(request, headers={missing: ""}) == 401
            assert self.answers(request) == 204

    @pytest.mark.parametrize("seconds", [-400.0, 400.0])
    async def test_is_of_no_use_at_another_time(self, tmp_path: Path, seconds: float) -> None:
        with example(tmp_path) as url:
            assert self.answers(await self.sent(tmp_path, url, seconds)) == 401

    async def test_of_the_exchange_with_110_is_none_of_a_webhook(self, tmp_path: Path) -> None:
        with example(tmp_path) as url:
            request = httpx.Request(
                "POST", url, content=b'{"id": "e1"}', headers={"Content-Type": "application/json"}
            )
            Signer({"dispatch": Key("dispatch", "12345", SECRET)}, "dispatch").sign(request)
            assert self.answers(request) == 401


@pytest.mark.usefixtures("sqlite_alone")
async def test_a_receiver_that_never_ends_its_answer_is_not_listened_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.2)

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                writer.write(b"x" * 1000)
                await writer.drain()
                await asyncio.sleep(0.01)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    for behaviour, expected in ((endless, ""), (silent, "TimeoutError")):
        server = await asyncio.start_server(behaviour, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with Receiver(webhook(tmp_path, f"http://127.0.0.1:{port}/")) as out:
            assert await out.post(EVENT) == expected
        server.close()


@pytest.mark.usefixtures("sqlite_alone")
async def test_a_redirect_is_not_followed(tmp_path: Path, receiver: Scripted) -> None:
    receiver.answer = lambda _: 307
    async with Receiver(webhook(tmp_path, receiver.url)) as out:
        assert await out.post(EVENT) == "HTTP 307"
    assert len(receiver.events) == 1
