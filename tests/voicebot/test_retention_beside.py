"""Envelopes, limits, notices, topics, steps' details, agents' forms: each goes when its time is
over, and stays while something needs it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from tests.voicebot.test_retention import (
    DAY,
    NOW,
    OLD,
    acts,
    call,
    handoff,
    ledger,
    put,
    reconciled,
    run,
    ticket,
)
from voicebot.agents.tables import AgentDraftRow, HandoffWordRow
from voicebot.callers.tables import LimitRow, LimitStepRow
from voicebot.config_retention import LEAST_BESIDE, Retention
from voicebot.duty.tables import DutyMessageRow, DutyNoticeRow
from voicebot.exchange import reading
from voicebot.exchange.reconciliation.mending import send_again
from voicebot.exchange.reconciliation.tables import DifferenceRow
from voicebot.exchange.tables import EnvelopeRow, InboxRow
from voicebot.figures.rising import PAST_DAYS
from voicebot.figures.tables import TopicMatterRow, TopicRow
from voicebot.figures.topic_store import known_topics
from voicebot.retention.mark import REMOVED
from voicebot.tickets.tables import TicketReminderRow, TicketStepRow

NUMBER = "13800138000"
UNTIL = "until 2026-09-24: "
BESIDE = {"exchange": 60, "limits": 60, "notices": 60, "topics": 60}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "recordings"
    made.mkdir()
    return made


def envelope(id_: str) -> dict[str, Any]:
    return {
        "id": id_, "kind": "ticket", "subject": "T1", "sequence": 1, "sender": "12345",
        "content_hash": "0" * 64, "body": {"matter": "王芳家漏水", "caller": {"number": NUMBER}},
    }  # fmt: skip


def sent(state: str = "delivered", at: float = OLD, id_: str = "m1") -> EnvelopeRow:
    return EnvelopeRow(
        id=id_, subject="T1", sequence=1, priority=1, envelope=envelope(id_), state=state,
        created_at=at, next_attempt_at=at, delivered_at=at if state == "delivered" else None,
    )  # fmt: skip


def came(state: str = "applied", at: float = OLD) -> InboxRow:
    return InboxRow(
        id="m2", content_hash="0" * 64, subject="T1", sequence=1, envelope=envelope("m2"),
        state=state, received_at=at, applied_at=at if state == "applied" else None,
    )  # fmt: skip


def told(session: Session) -> dict[str, Any]:
    """What is left of the bodies of envelopes, by message."""
    rows = [*session.scalars(select(EnvelopeRow)), *session.scalars(select(InboxRow))]
    return {row.id: row.envelope["body"] for row in rows}


# ── envelopes ─────────────────────────────────────────────────────────────────────


def test_what_old_envelopes_told_is_deleted_and_that_they_were_stays(
    engine: Engine, folder: Path
) -> None:
    put(engine, sent(), came(), ledger("T1"), reconciled())
    run(engine, folder, **BESIDE)
    with Session(engine) as session:
        assert told(session) == {"m1": {}, "m2": {}}
        (row,) = session.scalars(select(EnvelopeRow))
        assert (row.envelope["id"], row.envelope["content_hash"]) == ("m1", "0" * 64)
        assert row.state == "delivered"
    assert acts(engine) == [
        ("retention.exchange", UNTIL + "sent 1"),
        ("retention.exchange", UNTIL + "received 1"),
    ]
    run(engine, folder, **BESIDE)
    assert len(acts(engine)) == 2, "once"


def test_nobody_gets_or_sends_again_what_was_deleted(engine: Engine, folder: Path) -> None:
    put(engine, sent(), came())
    run(engine, folder, **BESIDE)
    with Session(engine) as session:
        assert reading.message(session, "m1") is None
        assert reading.messages(session, ["m1", "m2"]) == {}
        assert send_again(session, ["m1"], at=NOW) == set()
        history = reading.history(session, "T1")
        assert history is not None
        assert [each["envelope"]["body"] for each in history["sent"]] == [{}]


NEEDED: dict[str, Callable[[], list[Any]]] = {
    "one on its way": lambda: [sent("waiting")],
    "one that waits to be applied": lambda: [came("waiting")],
    "one that was refused": lambda: [came("refused")],
    "one with the id of another": lambda: [came("conflict")],
    "one that is young": lambda: [sent(at=NOW - 59 * DAY)],
    "one of a day that was never reconciled": lambda: [
        sent(), ledger("T1"), reconciled(days=1),
    ],
    "one that both sides have differently": lambda: [
        sent(), ledger("T1"), reconciled(),
        DifferenceRow(
            finding="differing_content", id="m1", subject="T1", sender="12345", kind="ticket",
            day="2026-08-15", ours=None, theirs=None, repair="person", state="open", found_at=OLD,
            seen_in=1,
        ),
    ],
    "one of a ticket that is open": lambda: [sent(), ticket("working")],
    "one of a police order whose ticket is open": lambda: [
        EnvelopeRow(
            id="m1", subject="P1", sequence=1, priority=0, envelope=envelope("m1"),
            state="delivered", created_at=OLD, next_attempt_at=OLD, delivered_at=OLD,
        ),
        ticket("working", police_order="P1"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("what", NEEDED)
def test_an_envelope_that_is_needed_stays(engine: Engine, folder: Path, what: str) -> None:
    put(engine, *NEEDED[what]())
    run(engine, folder, **BESIDE)
    with Session(engine) as session:
        assert all(body["matter"] == "王芳家漏水" for body in told(session).values())
    assert acts(engine) == []


# ── limits ────────────────────────────────────────────────────────────────────────


def limit(state: str = "in_force", ends_at: float = OLD, **values: Any) -> list[Any]:
    return [
        LimitRow(
            id=1, number=NUMBER, state=state, reason="abuse", evidence=["C1"], proposed_at=OLD,
            ends_at=ends_at, **values,
        ),
        LimitStepRow(limit_id=1, at=OLD, step="set", who="李主管", why="辱骂王芳", key="1"),
    ]  # fmt: skip


@pytest.mark.parametrize("state", ["in_force", "lifted", "dismissed"])
def test_whose_number_was_limited_is_deleted_when_the_limit_is_long_over(
    engine: Engine, folder: Path, state: str
) -> None:
    put(engine, *limit(state))
    run(engine, folder, **BESIDE)
    with Session(engine) as session:
        row = session.get_one(LimitRow, 1)
        assert (row.number, row.evidence, row.reason) == (REMOVED, [], "abuse")
        (step,) = session.scalars(select(LimitStepRow))
        assert (step.who, step.why) == ("李主管", "")
    assert acts(engine) == [("retention.limits", UNTIL + "limits 1")]


KEPT: dict[str, Callable[[], list[Any]]] = {
    "proposed": lambda: limit("proposed"),
    "in force": lambda: limit(ends_at=NOW + DAY),
    "young": lambda: limit(ends_at=NOW - 59 * DAY),
    "appealed against": lambda: limit("lifted", appeal="open"),
    "reported, not confirmed": lambda: [
        *limit("lifted", reported="T1"), ledger("T1", "waiting"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("what", KEPT)
def test_a_limit_that_is_needed_keeps_its_number(engine: Engine, folder: Path, what: str) -> None:
    put(engine, *KEPT[what]())
    run(engine, folder, **BESIDE)
    with Session(engine) as session:
        assert session.get_one(LimitRow, 1).number == NUMBER
    assert acts(engine) == []


# ── notices ───────────────────────────────────────────────────────────────────────


def notice(state: str = "acknowledged", message: str = "delivered") -> list[Any]:
    return [
        DutyNoticeRow(
            id="N1", key="N1", line="119", region="", subject="H1", caller=NUMBER, state=state,
            told=1, created_at=OLD, due_at=OLD, acknowledged_by="李值班",
            acknowledged_at=OLD if state == "acknowledged" else None,
        ),
        DutyMessageRow(
            id="N1-1-sms", notice="N1", channel="sms", person="李值班", address="13700137000",
            payload={"number": NUMBER}, state=message, attempts=1, created_at=OLD,
            next_attempt_at=OLD, last_error="",
        ),
    ]  # fmt: skip


@pytest.mark.parametrize("state", ["acknowledged", "desk"])
def test_what_people_on_duty_were_told_is_deleted_and_who_had_it_stays(
    engine: Engine, folder: Path, state: str
) -> None:
    put(engine, *notice(state))
    run(engine, folder, **BESIDE)
    with Session(engine) as session:
        row, message = (
            session.get_one(DutyNoticeRow, "N1"),
            session.get_one(DutyMessageRow, "N1-1-sms"),
        )
        assert (row.caller, row.text, row.acknowledged_by) == ("", "", "李值班")
        assert (message.payload, message.address, message.person) == ({}, "", "李值班")
    assert acts(engine) == [("retention.notices", UNTIL + "messages 1, notices 1")]
    run(engine, folder, **BESIDE)
    assert len(acts(engine)) == 1


@pytest.mark.parametrize(
    ("state", "message"),
    [("open", "delivered"), ("alarm", "delivered"), ("acknowledged", "waiting")],
)
def test_a_notice_that_somebody_has_still_to_get_stays(
    engine: Engine, folder: Path, state: str, message: str
) -> None:
    put(engine, *notice(state, message))
    run(engine, folder, **BESIDE)
    with Session(engine) as session:
        assert session.get_one(DutyNoticeRow, "N1").caller == NUMBER
    assert acts(engine) == []


# ── topics, steps, forms ──────────────────────────────────────────────────────────


def test_the_wordings_of_a_topic_go_and_its_counts_stay(engine: Engine, folder: Path) -> None:
    put(
        engine,
        TopicRow(id=1, label="停水", examples=["停水", "没水"], first_at=OLD, last_at=OLD),
        TopicRow(id=2, label="停电", examples=["停电"], first_at=OLD, last_at=NOW - DAY),
        TopicMatterRow(topic=1, call_id="C1", at=OLD, day="2026-08-15"),
    )
    run(engine, folder, **BESIDE)
    with Session(engine) as session:
        rows = session.execute(select(TopicRow.label, TopicRow.examples).order_by(TopicRow.id))
        assert rows.all() == [(REMOVED, []), ("停电", ["停电"])]
        assert session.scalars(select(TopicMatterRow.call_id)).all() == ["C1"]
        since = NOW - PAST_DAYS * DAY
        assert [each.examples for each in known_topics(session, since)] == [("停电",)]
    assert acts(engine) == [("retention.topics", UNTIL + "topics 1")]


def test_of_a_tickets_steps_and_reminders_only_what_names_nobody_stays(
    engine: Engine, folder: Path
) -> None:
    put(
        engine,
        ticket(),
        TicketStepRow(
            ticket="T1", version=1, at=OLD, act="extend", before="", after="", who="王",
            role="agent", why="王芳要求", details={"days": 5, "words": "王芳"},
        ),
        TicketReminderRow(ticket="T1", deadline=OLD, level=1, at=OLD, text="王芳又来电"),
    )  # fmt: skip
    run(engine, folder, personal=60)
    with Session(engine) as session:
        step = session.get_one(TicketStepRow, ("T1", 1))
        assert (step.why, step.details) == ("", {"days": 5})
        assert session.scalars(select(TicketReminderRow.text)).all() == [""]


def test_agents_forms_and_110s_words_go_with_what_they_are_of(engine: Engine, folder: Path) -> None:
    withheld = call(folder)
    withheld[0].caller = ""
    put(
        engine,
        *withheld,
        handoff(),
        AgentDraftRow(call_id="C1", agent="王", typed={"name": "王芳"}, version=1, updated_at=OLD),
        HandoffWordRow(handoff="H1", at=OLD, kind="feedback", who="张警官", text="王芳已送医"),
    )
    run(engine, folder, personal=60, transcripts=60)
    with Session(engine) as session:
        assert session.scalars(select(AgentDraftRow)).all() == []
        assert session.scalars(select(HandoffWordRow.text)).all() == [""]


# ── settings ──────────────────────────────────────────────────────────────────────


def test_a_dry_run_of_all_of_it_counts_the_same_and_changes_nothing(
    engine: Engine, folder: Path
) -> None:
    put(engine, sent(), came(), *limit(), *notice())
    put(engine, TopicRow(id=1, label="停水", examples=["停水"], first_at=OLD, last_at=OLD))
    would = run(engine, folder, dry=True, **BESIDE).as_dict()
    assert acts(engine) == []
    with Session(engine) as session:
        assert told(session)["m1"] != {}
    assert run(engine, folder, **BESIDE).as_dict() == would
    assert would["exchange"] == {"sent": 1, "received": 1, "held": 0}


@pytest.mark.parametrize("kind", LEAST_BESIDE)
def test_too_few_days_are_refused_with_the_reason(kind: str) -> None:
    least, because = LEAST_BESIDE[kind]
    assert getattr(Retention.model_validate({kind: least}), kind) == least
    with pytest.raises(ValidationError, match=because):
        Retention.model_validate({kind: least - 1})


def test_a_topic_that_is_compared_with_its_past_keeps_its_wordings() -> None:
    assert LEAST_BESIDE["topics"][0] == PAST_DAYS
