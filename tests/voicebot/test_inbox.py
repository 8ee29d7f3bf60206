"""What 110 sends is applied once and in order, however it comes."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from tests.voicebot.exchange_messages import AT, message, status, ticket
from voicebot.exchange import due
from voicebot.exchange.errors import Refused
from voicebot.exchange.inbox import apply_ready, receive
from voicebot.exchange.schema import Envelope
from voicebot.exchange.tables import InboxRow, LedgerRow
from voicebot.records.database import migrate, open_engine

NOW = AT.timestamp()


class Applied:
    """A handler that notes what it got."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.fault: Exception | None = None

    def __call__(self, session: Session, envelope: Envelope, at: float) -> None:
        if self.fault is not None:
            raise self.fault
        self.ids.append(envelope.id)

    @property
    def handlers(self) -> dict[str, "Applied"]:
        return {"ticket": self, "status": self}


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    migrate(database_url)
    engine = open_engine(database_url, writes=True)
    with Session(engine) as opened, opened.begin():
        yield opened
    engine.dispose()


@pytest.fixture
def applied() -> Applied:
    return Applied()


def ledger(session: Session) -> list[tuple[str, int, str]]:
    rows = session.scalars(select(LedgerRow).order_by(LedgerRow.subject, LedgerRow.sequence))
    return [(row.subject, row.sequence, row.state) for row in rows]


def test_a_message_that_comes_twice_is_applied_once(session: Session, applied: Applied) -> None:
    first = receive(session, message("T1", 1), at=NOW, handlers=applied.handlers)
    again = receive(session, message("T1", 1), at=NOW + 60, handlers=applied.handlers)
    assert first == again
    assert first.state == "applied"
    assert applied.ids == ["110:ticket:T1:1"]
    assert session.scalars(select(InboxRow.times)).one() == 2


def test_a_later_message_waits_for_the_earlier(session: Session, applied: Applied) -> None:
    second = receive(session, message("T1", 2), at=NOW, handlers=applied.handlers)
    assert (second.state, applied.ids) == ("waiting", [])
    receive(session, message("T1", 1), at=NOW, handlers=applied.handlers)
    assert applied.ids == ["110:ticket:T1:1", "110:status:T1:2"]
    assert ledger(session) == [("T1", 1, "applied"), ("T1", 2, "applied")]


def test_one_subject_does_not_wait_for_another(session: Session, applied: Applied) -> None:
    receive(session, message("T1", 2), at=NOW, handlers=applied.handlers)
    assert receive(session, message("T2", 1), at=NOW, handlers=applied.handlers).state == "applied"


def test_other_content_under_one_id_is_kept_and_not_applied(
    session: Session, applied: Applied
) -> None:
    receive(session, message("T1", 1), at=NOW, handlers=applied.handlers)
    other = message("T1", 1, ticket("T1", "水管爆了"))
    answer = receive(session, other, at=NOW, handlers=applied.handlers)
    assert answer.state == "conflict"
    assert answer.reason.startswith("id:")
    assert len(applied.ids) == 1
    states = session.scalars(select(InboxRow.state).order_by(InboxRow.number)).all()
    assert states == ["applied", "conflict"]
    assert ledger(session) == [("T1", 1, "applied")]


def test_another_message_in_the_same_place_is_a_conflict(
    session: Session, applied: Applied
) -> None:
    receive(session, message("T1", 1), at=NOW, handlers=applied.handlers)
    other = message("T1", 1, status())  # another kind, so another id
    answer = receive(session, other, at=NOW, handlers=applied.handlers)
    assert answer.state == "conflict"
    assert answer.reason == "sequence: 1 of this subject is that of 110:ticket:T1:1"


def test_a_refused_message_is_kept_holds_up_its_subject_and_may_come_again(
    session: Session, applied: Applied
) -> None:
    applied.fault = Refused("body.department", "there is no such unit")
    refused = receive(session, message("T1", 1), at=NOW, handlers=applied.handlers)
    assert (refused.state, refused.reason) == ("refused", "body.department: there is no such unit")
    assert receive(session, message("T1", 2), at=NOW, handlers=applied.handlers).state == "waiting"
    applied.fault = None
    receive(session, message("T1", 1), at=NOW, handlers=applied.handlers)
    assert ledger(session) == [("T1", 1, "applied"), ("T1", 2, "applied")]


def test_a_handler_that_fails_leaves_nothing_but_the_message(
    session: Session, applied: Applied
) -> None:
    def half(session: Session, envelope: Envelope, at: float) -> None:
        session.add(LedgerRow(**{**row_values(envelope), "id": "half"}))
        session.flush()
        raise RuntimeError("13800138000")

    answer = receive(session, message("T1", 1), at=NOW, handlers={"ticket": half})
    assert (answer.state, answer.reason) == ("waiting", "its handler failed: RuntimeError")
    assert ledger(session) == [("T1", 1, "waiting")]
    assert apply_ready(session, "T1", at=NOW, handlers=applied.handlers) == 1


def test_a_stored_message_that_no_longer_follows_the_schema_stops_no_other(
    session: Session, applied: Applied
) -> None:
    applied.fault = RuntimeError()
    for subject in ("T1", "T2"):
        receive(session, message(subject, 1), at=NOW, handlers=applied.handlers)
    applied.fault = None
    old = session.scalars(select(InboxRow).where(InboxRow.subject == "T1")).one()
    old.envelope = {**old.envelope, "kind": "letter"}
    for _, subject in due.appliable(session):
        apply_ready(session, subject, at=NOW, handlers=applied.handlers)
    assert applied.ids == ["110:ticket:T2:1"]
    session.refresh(old)
    assert old.state == "refused"
    assert old.reason == "schema: kind is no kind of message that this version knows."
    assert due.unapplied(session, NOW + 60) == (1, ["110:ticket:T1:1"])


def test_what_cannot_be_applied_comes_in_pages_that_reach_the_last(
    session: Session, applied: Applied
) -> None:
    applied.fault = RuntimeError()
    for number in range(101):
        receive(session, message(f"T{number}", 1), at=NOW, handlers=applied.handlers)
    first = due.appliable(session)
    assert len(first) == 100
    assert [subject for _, subject in due.appliable(session, first[-1][0])] == ["T100"]


def row_values(envelope: Envelope) -> dict[str, object]:
    return {
        "direction": "in",
        "kind": envelope.kind,
        "subject": envelope.subject,
        "sequence": 9,
        "sender": "110",
        "content_hash": envelope.content_hash,
        "state": "waiting",
        "sent_at": NOW,
        "at": NOW,
    }


arrivals = st.lists(st.tuples(st.sampled_from(["T1", "T2"]), st.integers(1, 4)), max_size=16)


@settings(max_examples=50)
@given(arrivals)
def test_any_order_and_any_repetition_ends_in_the_same_state(
    arrived: list[tuple[str, int]],
) -> None:
    """Whatever came, each subject is applied up to its first gap, each message once, in order."""
    engine = create_engine("sqlite://")
    for table in (InboxRow, LedgerRow):
        table.__table__.create(engine)  # type: ignore[attr-defined]
    applied = Applied()
    with Session(engine) as session, session.begin():
        for subject, sequence in arrived:
            receive(session, message(subject, sequence), at=NOW, handlers=applied.handlers)
        waiting = {(s, n) for s, n, state in ledger(session) if state == "waiting"}
    done = [(each.split(":")[2], int(each.split(":")[3])) for each in applied.ids]
    for subject in ("T1", "T2"):
        came = {sequence for each, sequence in arrived if each == subject}
        gapless = next(n for n in range(1, 6) if n not in came) - 1
        assert [n for each, n in done if each == subject] == list(range(1, gapless + 1))
        assert {n for each, n in waiting if each == subject} == {n for n in came if n > gapless}
    engine.dispose()
