"""Dossiers of live transfers are reconciled like messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tests.voicebot.exchange_messages import AT
from voicebot.config import Settings
from voicebot.exchange.dossier import Dossier
from voicebot.exchange.reconciliation import dossiers
from voicebot.exchange.reconciliation.days import Days
from voicebot.exchange.stand_in.store import Store
from voicebot.records import duty
from voicebot.records.database import migrate, open_engine
from voicebot.records.operations import delivered, handoff_state, write_dossier
from voicebot.records.tables import DutyNumberRow, OutboxRow

TODAY = Days.until(AT.date())


def dossier(revision: int) -> Dossier:
    return Dossier(
        handoff="H1",
        revision=revision,
        call_id="C1",
        caller="13800138000",
        did="12345",
        category=4,
        created_at=AT + timedelta(seconds=revision),
    )


@pytest.fixture
def session(settings: Settings) -> Iterator[Session]:
    migrate(settings.database_url)
    engine = open_engine(settings.database_url, writes=True)
    with Session(engine) as opened, opened.begin():
        duty.write_seed(opened, settings.handoff)
        yield opened
    engine.dispose()


def desk(session: Session) -> str:
    rows = duty.seed(Settings().handoff)
    return next(row["number"] for row in rows if row["kind"] == "110")


def put_out(session: Session, revision: int, destination: str) -> None:
    values = dossier(revision).model_dump(mode="json")
    write_dossier(session, destination=destination, dossier=values, at=AT.timestamp())


def states(session: Session) -> list[tuple[int, str]]:
    session.flush()
    return [(each.sequence, each.state) for each in dossiers.entries(session, TODAY)]


def test_both_ledgers_have_one_line_for_a_state(session: Session, tmp_path: Path) -> None:
    put_out(session, 1, desk(session))
    store = Store(tmp_path / "110.db")
    store.take_dossier(Dossier.read(dossier(1).model_dump_json()), AT.timestamp())
    (theirs,) = store.ledger(str(AT.date()), 0, 10)["entries"]
    store.close()
    (ours,) = dossiers.entries(session, TODAY)
    for name in ("id", "sender", "kind", "subject", "sequence", "content_hash", "sent_at"):
        assert getattr(ours, name) == theirs[name], name


def test_only_the_newest_state_must_arrive(session: Session) -> None:
    put_out(session, 1, desk(session))
    put_out(session, 2, "")
    assert sorted(states(session)) == [(1, "superseded"), (2, "waiting")]


def test_what_goes_to_a_seat_is_no_matter_of_110s(session: Session) -> None:
    session.execute(update(OutboxRow).values(state="delivered"))
    put_out(session, 1, "seat")  # whose address is that of 110's desks
    assert states(session) == []


def test_a_desk_that_has_moved_keeps_what_it_got_before(session: Session) -> None:
    put_out(session, 1, desk(session))
    session.execute(update(OutboxRow).values(state="delivered"))
    session.execute(update(DutyNumberRow).values(http_url="https://new.example"))
    assert states(session) == [(1, "applied")]


def test_what_is_sent_again_days_later_is_of_its_own_day_still(session: Session) -> None:
    put_out(session, 1, desk(session))
    later = AT.timestamp() + 5 * 86400
    dossiers.send_again(session, [dossiers.message_id("H1", 1)], at=later)
    assert states(session) == [(1, "waiting")]


def test_a_dossier_is_believed_or_sent_again(session: Session) -> None:
    put_out(session, 1, desk(session))
    name = dossiers.message_id("H1", 1)
    assert dossiers.take_theirs(session, [name], at=AT.timestamp()) == {name}
    assert states(session) == [(1, "applied")]
    assert dossiers.send_again(session, [name], at=AT.timestamp()) == {name}
    assert states(session) == [(1, "waiting")]
    assert session.scalars(select(OutboxRow.state)).all() == ["waiting"]


def test_what_was_sent_again_and_has_arrived_is_done(session: Session) -> None:
    put_out(session, 1, desk(session))
    number = session.scalars(select(OutboxRow.id)).one()
    delivered(session, outbox=number, at=AT.timestamp())
    dossiers.send_again(session, [dossiers.message_id("H1", 1)], at=AT.timestamp() + 60)
    assert states(session) == [(1, "waiting")]
    delivered(session, outbox=number, at=AT.timestamp() + 61)
    assert states(session) == [(1, "applied")]


def test_an_older_state_is_not_sent_after_a_newer_one(session: Session) -> None:
    put_out(session, 1, desk(session))
    put_out(session, 2, "")
    assert dossiers.send_again(session, [dossiers.message_id("H1", 1)], at=0.0) == set()


def test_a_state_that_a_second_desk_waits_for_has_arrived_with_the_first(
    session: Session,
) -> None:
    put_out(session, 1, desk(session))
    session.execute(update(OutboxRow).values(state="delivered"))
    other = [row["number"] for row in duty.seed(Settings().handoff) if row["kind"] == "110"][-1]
    handoff_state(session, handoff="H1", destination=other, state="ringing", at=AT.timestamp())
    assert states(session) == [(1, "applied")]


def test_half_a_character_is_refused_before_a_ledger_has_it() -> None:
    values = json.loads(dossier(1).model_dump_json())
    with pytest.raises(ValueError, match="hex escape"):
        Dossier.read(json.dumps({**values, "caller": "\ud800"}))
