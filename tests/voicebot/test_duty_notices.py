"""People on duty are told until one of them says that he has it, whatever fails meanwhile."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiosmtpd.smtp import SMTP
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.voicebot.postgres import sqlite_only
from voicebot.config_notices import Notices
from voicebot.duty.changing import Who, apply, plan_shifts
from voicebot.duty.notices import queue
from voicebot.duty.notices.receipts import acknowledge
from voicebot.duty.notices.secret import receipt_token, webhook_key
from voicebot.duty.notices.worker import NoticeWorker
from voicebot.duty.shift_file import read_shifts
from voicebot.duty.tables import DutyMessageRow, DutyNoticeRow
from voicebot.exchange.dossier import Dossier, TranscriptTurn
from voicebot.records.store import Records
from voicebot.records.tables import AuditRow

pytestmark = pytest.mark.usefixtures("database_url")

ROOT = Path(__file__).resolve().parents[2]
SECRET = b"secret"
HEAD = "线路,顺序,值班人,手机,邮箱,通知地址\n"
CALLER = "13800138000"
SAID = "我家里着火了快来"


class Receiver:
    """An HTTP server on 127.0.0.1 that keeps what it gets, and answers as told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], Any]] = []
        self.bodies: list[bytes] = []
        self.answers: list[tuple[int, Any]] = []
        self.hold = False
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.bodies.append(body)
                receiver.got.append((headers, json.loads(body)))
                while receiver.hold:
                    time.sleep(0.02)
                status, said = receiver.answers.pop(0) if receiver.answers else (200, {})
                data = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/notices"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Mailbox:
    """What an SMTP server on 127.0.0.1 has taken."""

    def __init__(self) -> None:
        self.mails: list[Message] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 OK"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.hold = False
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
async def mail() -> AsyncIterator[tuple[Mailbox, int]]:
    box = Mailbox()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box), "127.0.0.1", 0)
    yield box, server.sockets[0].getsockname()[1]
    server.close()


class Clock:
    """Now, and what is added to it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@asynccontextmanager
async def working(
    records: Records, settings: Notices, clock: Clock | None = None
) -> AsyncIterator[Clock]:
    clock = clock or Clock()
    task = asyncio.create_task(NoticeWorker(records, settings, SECRET, clock=clock).run())
    try:
        yield clock
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - another thread's
            await asyncio.sleep(0.02)


async def rota(records: Records, rows: str) -> None:
    def write(session: Session) -> None:
        read = read_shifts((HEAD + rows).encode())
        assert not read.errors
        apply(session, plan_shifts(session, read).changes, Who("甲", "甲", ""), 1.0)

    await records.transact(write)


async def notify(records: Records, handoff: str = "H1", line: str = "power") -> None:
    dossier = Dossier(
        handoff=handoff,
        revision=1,
        call_id="C1",
        caller=CALLER,
        did="12345",
        region="460106",
        category=None,
        place="骑楼老街",
        transcript=(TranscriptTurn(side="caller", text=SAID, start=1.0, end=2.0),),
    )
    assert await records.notify_line(line, handoff, dossier.model_dump(mode="json"))


async def notice(records: Records) -> DutyNoticeRow:
    def read(session: Session) -> DutyNoticeRow:
        row = session.scalars(select(DutyNoticeRow)).one()
        session.expunge(row)
        return row

    return await records.read(read)


async def messages(records: Records) -> list[DutyMessageRow]:
    def read(session: Session) -> list[DutyMessageRow]:
        rows = list(session.scalars(select(DutyMessageRow).order_by(DutyMessageRow.id)))
        session.expunge_all()
        return rows

    return await records.read(read)


async def delivered(records: Records) -> int:
    return sum(each.state == "delivered" for each in await messages(records))


async def state(records: Records, wanted: str) -> DutyNoticeRow:
    async with asyncio.timeout(60):
        while (row := await notice(records)).state != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return row


async def test_who_is_on_duty_is_told_over_every_channel_without_a_word_of_the_caller(
    records: Records, receiver: Receiver, mail: tuple[Mailbox, int]
) -> None:
    gateway, (box, port) = receiver, mail
    settings = Notices(
        sms_url=gateway.url,
        sms_template="T1",
        smtp_host="127.0.0.1",
        smtp_port=port,
        smtp_security="none",
        smtp_from="12345@example.com",
        public_url="https://12345.example.com/",
    )
    await rota(records, f"供电,1,王一,13800138001,wang@example.com,{receiver.url}\n")
    await notify(records)
    async with working(records, settings):
        await until(lambda: len(receiver.got) == 2 and len(box.mails) == 1)
    bodies = [body for _, body in receiver.got]
    sms = next(body for body in bodies if "to" in body)
    hook = next(body for body in bodies if "to" not in body)
    row = await notice(records)
    assert (sms["to"], sms["template"]) == ("13800138001", "T1")
    assert sms["parameters"]["place"] == "海口市龙华区"
    assert sms["parameters"]["order"] == "H1"
    assert (hook["line"], hook["number"], hook["receipt"]) == ("供电", CALLER, f"{row.id}-1")
    (letter,) = box.mails
    assert letter["To"] == "wang@example.com"
    assert letter["Message-ID"] == f"<{row.id}-1-email@example.com>"
    text = letter.get_content()  # type: ignore[attr-defined]
    link = f"https://12345.example.com/receipt#{row.id}-1.{receipt_token(SECRET, f'{row.id}-1')}"
    assert link in sms["text"]
    assert link in text.replace("\n", "")
    for told in (json.dumps(bodies, ensure_ascii=False), text):
        assert SAID not in told
        assert "骑楼老街" not in told


async def test_a_webhook_is_signed_and_its_answer_is_the_receipt(
    records: Records, receiver: Receiver
) -> None:
    receiver.answers.append((200, {"acknowledged": True}))
    await rota(records, f"供电,1,王一,,,{receiver.url}\n")
    await notify(records)
    async with working(records, Notices()):
        row = await state(records, "acknowledged")
    assert row.acknowledged_by == "王一"
    headers = receiver.got[0][0]
    key = base64.b64decode(webhook_key(SECRET).removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode()
    digest = hmac.new(key, signed + receiver.bodies[0], hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


async def test_unanswered_it_goes_to_the_next_then_the_superior_then_the_alarm(
    records: Records, receiver: Receiver
) -> None:
    await rota(
        records,
        f"供电,1,王一,,,{receiver.url}\n"
        f"供电,2,李二,,,{receiver.url}\n"
        f"供电,带班领导,张局,,,{receiver.url}\n",
    )
    await notify(records)
    with structlog.testing.capture_logs() as lines:
        async with working(records, Notices(acknowledge_s=100, alarm_every_s=1000)) as clock:
            for count in (1, 2, 3):
                await until(lambda count=count: len(receiver.got) == count)  # type: ignore[misc]
                clock.ahead += 101
            row = await state(records, "alarm")
            clock.ahead += 1001
            await until(lambda: sum(x["event"] == "duty_notice_unanswered" for x in lines) == 2)
    assert row.told == 3
    assert [message.person for message in await messages(records)] == ["王一", "李二", "张局"]
    numbers = [body["number"] for _, body in receiver.got]
    assert numbers[:2] == [CALLER, CALLER]
    assert CALLER not in numbers[2]  # the superior's is masked
    assert numbers[2].endswith("00")
    assert CALLER not in json.dumps(lines, default=str)


async def test_whoever_acknowledges_first_has_it_and_nobody_else_is_told(
    records: Records, receiver: Receiver
) -> None:
    receiver.answers.extend([(503, {})] * 50)
    await rota(records, f"供电,1,王一,,,{receiver.url}\n供电,2,李二,,,{receiver.url}\n")
    await notify(records)
    async with working(records, Notices(acknowledge_s=100)) as clock:
        await until(lambda: len(receiver.got) >= 1)
        row = await notice(records)
        done = await records.transact(acknowledge, row.id, 1, None, clock())
        again = await records.transact(acknowledge, row.id, 1, "别人", clock())
        clock.ahead += 1000
    assert done is not None
    assert again is not None
    assert (done["first"], again["first"]) == (True, False)
    assert again["acknowledged_by"] == "王一"
    assert [message.state for message in await messages(records)] == ["void"]

    def audited(session: Session) -> list[str]:
        query = select(AuditRow.principal).where(AuditRow.action == "duty.acknowledge")
        return list(session.scalars(query))

    assert await records.read(audited) == ["王一"]


@pytest.fixture
async def stuck_mail() -> AsyncIterator[tuple[list[object], int]]:
    """A mail server that takes connections and goes on greeting, a letter at a time."""
    taken: list[object] = []

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)
        with contextlib.suppress(OSError):
            while True:
                writer.write(b"220-")
                await writer.drain()
                await asyncio.sleep(0.05)

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    yield taken, server.sockets[0].getsockname()[1]
    server.close()


async def test_a_mail_server_that_hangs_holds_up_no_call_and_is_given_up(
    records: Records, stuck_mail: tuple[list[object], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, port = stuck_mail
    settings = Notices(
        smtp_host="127.0.0.1", smtp_port=port, smtp_security="none", smtp_from="a@example.com"
    )
    few = ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(few)
    await rota(records, "供电,1,王一,,wang@example.com,\n")
    for number in range(3):
        await notify(records, f"H{number}")
    async with working(records, settings):
        await until(lambda: len(taken) >= 3)
        async with asyncio.timeout(5):
            await asyncio.to_thread(bool)
            assert await records.known("nobody") is False
    monkeypatch.setattr("voicebot.duty.notices.worker.WHOLE_S", 0.2)
    clock = Clock()
    clock.ahead = queue.LEASE_S + 1
    async with working(records, settings, clock):
        async with asyncio.timeout(60):
            while not all(each.last_error for each in await messages(records)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert {each.last_error for each in await messages(records)} == {"it took too long"}


async def test_a_name_server_that_hangs_holds_up_no_call(records: Records) -> None:
    free = threading.Event()
    few = ThreadPoolExecutor(1)
    loop = asyncio.get_running_loop()
    loop.set_default_executor(few)
    held = loop.run_in_executor(None, free.wait)
    try:
        async with asyncio.timeout(30):
            assert await records.known("nobody") is False
            assert await records.principal("no token") is None
    finally:
        free.set()
        await held


async def test_a_failed_message_is_tried_again_with_the_same_id(
    records: Records, receiver: Receiver
) -> None:
    receiver.answers.extend([(503, {}), (500, {})])
    await rota(records, f"供电,1,王一,,,{receiver.url}\n")
    await notify(records)
    async with working(records, Notices()):
        async with asyncio.timeout(60):
            while not await delivered(records):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert len(receiver.got) == 3
    assert len({headers["idempotency-key"] for headers, _ in receiver.got}) == 1
    (message,) = await messages(records)
    assert (message.attempts, message.last_error) == (3, "")


async def test_what_was_claimed_by_one_who_died_is_sent_by_another(
    records: Records, receiver: Receiver
) -> None:
    await rota(records, f"供电,1,王一,,,{receiver.url}\n")
    await notify(records)
    clock = Clock()
    row = await notice(records)
    step = await records.transact(queue.advance, row.id, clock(), Notices(), {"webhook"})
    assert step is not None
    claimed = await records.transact(queue.claim, f"{row.id}-1-webhook", clock())
    assert claimed is not None  # … and here the process is killed
    assert await records.transact(queue.claim, f"{row.id}-1-webhook", clock()) is None
    clock.ahead += queue.LEASE_S + 1
    async with working(records, Notices(), clock):
        await until(lambda: len(receiver.got) == 1)
    assert receiver.got[0][0]["idempotency-key"] == f"{row.id}-1-webhook"


ANOTHER = """
import asyncio, sys
from pathlib import Path
from voicebot.config import load_settings
from voicebot.duty.notices.worker import NoticeWorker
from voicebot.records.store import Records

async def work():
    settings = load_settings(Path(sys.argv[1]))
    await NoticeWorker(await Records.open(settings), settings.notices, b"secret").run()

asyncio.run(work())
"""


@sqlite_only
async def test_a_process_that_is_killed_while_it_sends_loses_nothing(
    records: Records, receiver: Receiver, tmp_path: Path
) -> None:
    await rota(records, f"供电,1,王一,,,{receiver.url}\n")
    receiver.hold = True
    await notify(records)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ANOTHER, str(tmp_path / "voicebot.toml"), cwd=ROOT
    )
    try:
        await until(lambda: len(receiver.got) == 1)  # it has sent, and waits for the answer
    finally:
        process.kill()
        await process.wait()
    (message,) = await messages(records)
    assert (message.state, message.delivered_at) == ("waiting", None)
    receiver.hold = False
    clock = Clock()
    clock.ahead = queue.LEASE_S + 1
    async with working(records, Notices(acknowledge_s=1000), clock):
        async with asyncio.timeout(60):
            while not await delivered(records):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    first, second = (headers["idempotency-key"] for headers, _ in receiver.got)
    assert first == second


async def test_two_workers_on_one_database_tell_each_person_once(
    records: Records, receiver: Receiver
) -> None:
    await rota(records, f"供电,1,王一,,,{receiver.url}\n")
    for number in range(8):
        await notify(records, f"H{number}")
    clock = Clock()
    async with working(records, Notices(), clock), working(records, Notices(), clock):
        async with asyncio.timeout(60):
            while await delivered(records) < 8:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert len(receiver.got) == 8


async def test_a_notice_is_written_once_however_often_it_comes_out_of_the_spool(
    records: Records,
) -> None:
    await notify(records)
    await notify(records)
    row = await notice(records)
    assert (row.key, row.line, row.region, row.subject) == ("H1/power", "power", "460106", "H1")


async def test_a_line_without_a_rota_has_its_desk_alone(records: Records) -> None:
    await notify(records)
    with structlog.testing.capture_logs() as lines:
        async with working(records, Notices()):
            await state(records, "desk")
    assert "duty_notice_unanswered" not in [line["event"] for line in lines]


async def test_a_gap_in_the_rota_is_an_alarm_at_once(records: Records) -> None:
    def write(session: Session) -> None:
        read = read_shifts("线路,值班日,值班人,手机\n供电,2020-01-01,王一,13800138001\n".encode())
        apply(session, plan_shifts(session, read).changes, Who("甲", "甲", ""), 1.0)

    await records.transact(write)
    await notify(records)
    async with working(records, Notices()):
        await state(records, "alarm")
