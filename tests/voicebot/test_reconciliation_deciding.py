"""What people decide about differences that no rule may mend."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from tests.voicebot.exchange_messages import AT, message, status
from tests.voicebot.exchange_sides import write_settings
from tests.voicebot.exchange_twins import HANDLERS, NOW, Platform
from tests.voicebot.test_reconciliation_faults import reconcile
from voicebot.cli import app
from voicebot.exchange import inbox
from voicebot.exchange.reconciliation import queue
from voicebot.exchange.reconciliation.comparing import Difference, Finding
from voicebot.exchange.reconciliation.deciding import Decision, DecisionRefused, decide, possible
from voicebot.exchange.reconciliation.entries import Entry
from voicebot.exchange.reconciliation.tables import DifferenceRow
from voicebot.exchange.tables import LedgerRow
from voicebot.records.database import migrate, open_engine
from voicebot.records.tables import AuditRow, Base

CLOSE, SEND, ASK = Decision.CLOSE, Decision.SEND_AGAIN, Decision.ASK_AGAIN


@pytest.mark.parametrize(
    ("finding", "sender", "here", "there", "expected"),
    [
        (Finding.MISSING_THERE, "12345", True, False, (CLOSE, SEND)),
        (Finding.MISSING_HERE, "110", False, True, (CLOSE, ASK)),
        (Finding.MISSING_HERE, "12345", False, True, (CLOSE,)),
        (Finding.MISSING_THERE, "110", True, False, (CLOSE,)),
        (Finding.STATE, "12345", True, True, (CLOSE, SEND)),
        (Finding.STATE, "110", True, True, (CLOSE, ASK)),
        (Finding.CONTENT, "12345", True, True, (CLOSE,)),
        (Finding.DUPLICATED, "110", False, True, (CLOSE,)),
        (Finding.LATE, "12345", True, True, ()),
    ],
)
def test_only_who_has_sent_a_message_can_bring_it_again(
    finding: Finding, sender: str, here: bool, there: bool, expected: tuple[Decision, ...]
) -> None:
    assert possible(finding, sender, here=here, there=there) == expected


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Platform, Platform]]:
    for kind, handler in HANDLERS.items():
        monkeypatch.setitem(inbox.HANDLERS, kind, handler)
    ours, theirs = Platform("12345"), Platform("110")
    audit = [Base.metadata.tables[name] for name in ("audit", "audit_head")]
    Base.metadata.create_all(ours.engine, audit)
    yield ours, theirs
    for each in (ours, theirs):
        each.engine.dispose()


def refused(side: Platform, direction: str) -> None:
    with Session(side.engine) as session, session.begin():
        session.execute(
            update(LedgerRow).where(LedgerRow.direction == direction).values(state="refused")
        )


def act(ours: Platform, finding: Finding, name: str, what: Decision, **more: Any) -> str:
    with Session(ours.engine) as session, session.begin():
        return decide(session, finding, name, what, **{"note": "商定", "at": NOW, **more})


def rows(ours: Platform) -> list[DifferenceRow]:
    with Session(ours.engine) as session:
        return list(session.scalars(select(DifferenceRow).order_by(DifferenceRow.number)))


def test_what_is_closed_stays_closed_until_a_ledger_says_something_else(
    sides: tuple[Platform, Platform],
) -> None:
    ours, theirs = sides
    name = ours.send("T1")
    refused(ours, "out")
    assert reconcile(ours, theirs).unsettled == 1
    assert act(ours, Finding.MISSING_THERE, name, CLOSE) == "closed"
    assert reconcile(ours, theirs).unsettled == 0
    (row,) = rows(ours)
    assert (row.state, row.note) == ("closed", "商定")
    ours.told(name, "waiting")
    assert reconcile(ours, theirs).unsettled == 1


def test_what_is_sent_again_is_proved_by_the_next_comparison(
    sides: tuple[Platform, Platform],
) -> None:
    ours, theirs = sides
    name = ours.send("T1")
    refused(ours, "out")
    reconcile(ours, theirs)
    assert act(ours, Finding.MISSING_THERE, name, SEND) == "mending"
    for envelope in ours.waiting():
        ours.told(envelope.id, theirs.receive(envelope))
    outcome = reconcile(ours, theirs)
    assert (outcome.settled, outcome.unsettled) == (1, 0)


def test_what_is_asked_for_again_is_received(sides: tuple[Platform, Platform]) -> None:
    ours, theirs = sides
    name = theirs.send("F1")
    refused(theirs, "out")
    reconcile(ours, theirs)
    assert rows(ours)[0].repair == "person"
    envelope = theirs.envelope(name)
    assert act(ours, Finding.MISSING_HERE, name, ASK, envelope=envelope) == "mending"
    assert ours.effects() == {name: 1}


def test_who_decided_what_and_why_is_on_record(sides: tuple[Platform, Platform]) -> None:
    ours, theirs = sides
    name = ours.send("T1")
    reconcile(ours, theirs, repair=False)
    act(ours, Finding.MISSING_THERE, name, CLOSE, note="已电话商定")
    with Session(ours.engine) as session:
        audit = session.scalars(select(AuditRow)).one()
        decided_by = session.scalars(select(DifferenceRow.decided_by)).one()
    assert audit.subject == f"close missing_there {name}: 已电话商定"
    assert audit.principal == decided_by != ""


def test_a_decision_that_cannot_be_done_changes_nothing(
    sides: tuple[Platform, Platform],
) -> None:
    ours, theirs = sides
    name = theirs.send("F1")
    reconcile(ours, theirs, repair=False)
    other = message("F1", 1, status())
    for what, more, words in (
        (SEND, {}, "possible: --close or --ask-again"),
        (ASK, {"envelope": None}, "110's platform has no"),
        (ASK, {"envelope": other}, "110's platform has no"),
        (CLOSE, {"note": " "}, "needs a reason"),
    ):
        with pytest.raises(DecisionRefused, match=words):
            act(ours, Finding.MISSING_HERE, name, what, **more)
    with pytest.raises(DecisionRefused, match="No reconciliation has found"):
        act(ours, Finding.CONTENT, name, CLOSE)
    assert [(row.state, row.decided_by) for row in rows(ours)] == [("open", "")]


def test_what_is_settled_is_not_decided(sides: tuple[Platform, Platform]) -> None:
    ours, theirs = sides
    name = ours.send("T1")
    reconcile(ours, theirs, repair=False)
    for envelope in ours.waiting():
        ours.told(envelope.id, theirs.receive(envelope))
    reconcile(ours, theirs)
    with pytest.raises(DecisionRefused, match="is settled"):
        act(ours, Finding.MISSING_THERE, name, CLOSE)


def test_two_messages_in_one_place_of_both_ledgers_stay_closed(
    sides: tuple[Platform, Platform],
) -> None:
    ours, _ = sides
    line = Entry("12345:ticket:T1:1b", "12345", "ticket", "T1", 1, "a" * 64, "applied", NOW, NOW)
    both = [
        Difference(Finding.DUPLICATED, line, None, "12345:ticket:T1:1"),
        Difference(Finding.DUPLICATED, None, line, "12345:ticket:T1:1"),
    ]

    def found(run: int) -> str:
        with Session(ours.engine) as session, session.begin():
            for each in both:  # in batches of their own, where there are many
                queue.keep(session, [each], run=run, at=NOW)
                session.flush()
        (row,) = rows(ours)
        return row.state

    assert found(1) == "open"
    act(ours, Finding.DUPLICATED, line.id, CLOSE)
    assert found(2) == "closed"


# ── the command ───────────────────────────────────────────────────────────────────


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One difference that is for a person."""
    monkeypatch.chdir(tmp_path)
    file = write_settings(tmp_path, 1)
    url = f"sqlite:///{tmp_path / 'state' / 'voicebot.db'}"
    migrate(url)
    engine: Engine = open_engine(url, writes=True)
    with Session(engine) as session, session.begin():
        row = DifferenceRow(finding="differing_content", id="12345:ticket:W1:1", subject="W1")
        row.sender, row.kind, row.day, row.repair = "12345", "ticket", str(AT.date()), "person"
        row.ours, row.theirs, row.state, row.found_at, row.seen_in = {}, {}, "open", NOW, 1
        session.add(row)
    engine.dispose()
    return file


def run(config: Path, *arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["--config", str(config), "exchange", *arguments])
    return found.exit_code, found.output or str(found.exception or "")


def test_the_command_decides_what_the_list_shows(config: Path) -> None:
    which = ("differing_content", "12345:ticket:W1:1")
    assert "12345:ticket:W1:1" in run(config, "differences")[1]
    code, said = run(config, "decide", *which, "--close", "--note", "以110为准", "--json")
    assert (code, json.loads(said)["state"]) == (0, "closed")
    assert run(config, "differences") == (0, "")
    shown = json.loads(run(config, "differences", "--all", "--json")[1])
    assert (shown["state"], shown["note"]) == ("closed", "以110为准")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lost", "x", "--close"), "there are missing_here"),
        (("differing_content", "12345:ticket:W1:1"), "one of --close"),
        (("differing_content", "12345:ticket:W1:1", "--close", "--ask-again"), "one of --close"),
        (("differing_content", "12345:ticket:W1:1", "--ask-again"), "possible: --close"),
        (("missing_here", "110:ticket:F1:1", "--ask-again"), "No reconciliation has found"),
    ],
)
def test_the_command_says_what_is_wrong(
    config: Path, arguments: tuple[str, ...], words: str
) -> None:
    code, said = run(config, "decide", *arguments, "--note", "x")
    assert code == 1
    assert words in said
