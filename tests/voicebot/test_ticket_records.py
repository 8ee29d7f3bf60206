"""A call and its tickets on record: a department proposed, progress found for who may hear it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from flows.actions import FindTickets, OpenTicket
from flows.dispatch import DispatchModel
from flows.events import CallStarted
from voicebot.call import ticket_records
from voicebot.call.engines import Engines
from voicebot.call.journal import Journal
from voicebot.call.live import LiveFeed
from voicebot.embedder import SentenceEmbedder
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records
from voicebot.records.tables import AuditRow, TicketRow
from voicebot.tickets.rules import decide

CALLER = "13800138000"
DRAFT = OpenTicket("C-4711-t1", "老板拖欠我们三个月工资一直不给", "", "", CALLER, "460106")


@pytest.fixture(scope="module")
def engines(models_dir: Path) -> Engines:
    return cast(
        Engines,
        SimpleNamespace(
            dispatch=DispatchModel.load(),
            embedder=SentenceEmbedder(models_dir),
            work_executor=ThreadPoolExecutor(1),
        ),
    )


async def journal(records: Records) -> Journal:
    made = Journal(records, LiveFeed(), str)
    await made.start(CallStarted(0.0, "C-4711", CALLER, "12345"), "")
    return made


async def ticket(records: Records) -> SimpleNamespace:
    def read(session: Session) -> SimpleNamespace:
        row = session.get_one(TicketRow, DRAFT.ticket)
        names = [column.name for column in TicketRow.__table__.columns]
        return SimpleNamespace(**{name: getattr(row, name) for name in names})

    return await records.read(read)


# ── a department proposed ─────────────────────────────────────────────────────────


async def test_the_proposal_stands_on_the_ticket_and_dispatches_nothing(
    records: Records, engines: Engines
) -> None:
    calling = await journal(records)
    assert await calling.save_ticket(DRAFT)
    await calling.propose_department(DRAFT, engines)
    row = await ticket(records)
    assert row.proposed_department == "海口市龙华区人力资源和社会保障局"
    assert row.proposal_confidence is not None
    assert row.proposal_confidence > 0.8
    assert "劳动报酬保障" in row.proposal_reason
    assert (row.department, row.status) == (None, "created")


async def test_a_proposal_for_words_that_were_put_right_meanwhile_is_dropped(
    records: Records, engines: Engines
) -> None:
    calling = await journal(records)
    await calling.save_ticket(DRAFT)
    newer = OpenTicket(DRAFT.ticket, "路灯坏了", "和平大道", "王", CALLER, "460108")
    await calling.save_ticket(newer)
    await calling.propose_department(DRAFT, engines)
    row = await ticket(records)
    assert (row.matter, row.place, row.proposed_department) == ("路灯坏了", "和平大道", "")


async def test_a_conferences_decision_is_followed_from_the_next_ticket_on(
    records: Records, engines: Engines
) -> None:
    await records.transact(
        decide, words=["拖欠", "工资"], department="海口市劳动监察支队", region="460100",
        source="会商纪要三", by="周", at=1_790_000_000.0,
    )  # fmt: skip
    calling = await journal(records)
    await calling.save_ticket(DRAFT)
    await calling.propose_department(DRAFT, engines)
    row = await ticket(records)
    assert row.proposed_department == "海口市劳动监察支队"
    assert "会商纪要三" in row.proposal_reason


async def test_nothing_is_proposed_for_a_withdrawn_ticket_or_without_a_model(
    records: Records, engines: Engines
) -> None:
    withdrawn = OpenTicket("C-4711-t1", "路灯坏了", "", "", CALLER, withdrawn=True)
    assert await ticket_records.proposed(records, engines, withdrawn) is None
    without = cast(Engines, SimpleNamespace(dispatch=None))
    assert await ticket_records.proposed(records, without, DRAFT) is None


async def test_when_and_confidentiality_are_on_the_ticket(records: Records) -> None:
    calling = await journal(records)
    await calling.save_ticket(
        OpenTicket(DRAFT.ticket, "路灯坏了", "", "", CALLER, happened="2026年", confidential=True)
    )
    row = await ticket(records)
    assert (row.happened, row.confidential) == ("2026年", True)


# ── progress ──────────────────────────────────────────────────────────────────────


async def found(records: Records, **asked: str) -> list[tuple[str, str]]:
    tickets = await ticket_records.find(records, FindTickets("q", **asked), "C-1")
    assert tickets is not None
    return [(each.tail, each.status) for each in tickets]


async def test_the_calling_number_finds_its_tickets_and_each_read_is_audited(
    records: Records,
) -> None:
    await (await journal(records)).save_ticket(DRAFT)
    assert await found(records, caller=CALLER) == [("7111", "created")]
    await records.audit(None, "end")
    read = await records.read(
        lambda session: session.scalars(
            select(AuditRow.subject).where(AuditRow.action == "ticket.progress")
        ).all()
    )
    assert read == [DRAFT.ticket]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"tail": "7111", "phone_tail": "8000"}, [("7111", "created")]),
        ({"tail": "7111", "phone_tail": "8001"}, []),
        ({"tail": "7112", "phone_tail": "8000"}, []),
        ({"tail": "", "phone_tail": "8000"}, []),
        ({"caller": "13900139000"}, []),
    ],
)
async def test_another_number_needs_both_digits(
    records: Records, asked: dict[str, str], expected: list[Any]
) -> None:
    await (await journal(records)).save_ticket(DRAFT)
    assert await found(records, **asked) == expected


async def test_deadline_and_department_are_told_as_they_are_said(records: Records) -> None:
    await (await journal(records)).save_ticket(DRAFT)

    def dispatched(session: Session, **more: Any) -> None:
        session.execute(
            update(TicketRow).values(
                status="working", department="海口市水务局", due_at=4_102_444_800.0, **more
            )
        )

    await records.transact(dispatched)
    (told,) = await ticket_records.find(records, FindTickets("q", CALLER), "C-1") or ()
    assert (told.status, told.department, told.overdue) == ("working", "海口市水务局", False)
    assert told.due.endswith("号")
    await records.transact(dispatched, police_order="C-4711-t1-j2")
    assert await found(records, caller=CALLER) == [("7111", "escalated")]


async def test_records_that_cannot_be_read_are_said_so(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise RecordsUnavailable("away")

    monkeypatch.setattr(records, "read", away)
    assert await ticket_records.find(records, FindTickets("q", CALLER), "C-1") is None


async def test_records_that_hang_are_not_waited_for(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hanging(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(records, "read", hanging)
    monkeypatch.setattr(ticket_records, "READ_S", 0.01)
    assert await ticket_records.find(records, FindTickets("q", CALLER), "C-1") is None
