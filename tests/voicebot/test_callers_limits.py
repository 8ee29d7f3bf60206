"""Numbers limited for nuisance: who may do what, and until when it holds (R11)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.callers import limits, proposing, reporting
from voicebot.callers.days import days_before, end_of_limit, last_day_spoken, local
from voicebot.callers.errors import CallersError, NotKnown
from voicebot.callers.nuisance import RULES, Counted, proposal
from voicebot.callers.tables import LimitRow
from voicebot.clock import BEIJING
from voicebot.config import Settings
from voicebot.exchange.tables import EnvelopeRow, LedgerRow
from voicebot.records.database import migrate, open_engine
from voicebot.records.tables import CallRow
from voicebot.retention.mark import REMOVED

NUMBER = "13800138000"
DAY = 86400.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING).timestamp()


NOON = at("2026-11-01 12:00")


@pytest.fixture
def session(settings: Settings, database_url: str) -> Iterator[Session]:
    migrate(settings.database_url)
    engine = open_engine(settings.database_url, writes=True)
    with Session(engine) as opened:
        for number, caller in (("C1", NUMBER), ("C2", NUMBER), ("X1", "13900139000")):
            opened.add(CallRow(id=number, caller=caller, started_at=NOON - 60))
        opened.flush()
        yield opened
    engine.dispose()


def limited(session: Session, moment: float = NOON, **changes: Any) -> LimitRow:
    wanted: dict[str, Any] = {
        "reason": "abuse",
        "evidence": ["C1"],
        "who": "王",
        "why": "辱骂",
        **changes,
    }
    return limits.set_limit(session, NUMBER, at=moment, **wanted)


# ── calendar days ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("when", ["2026-11-01 00:00", "2026-11-01 12:00", "2026-11-01 23:59:59"])
def test_thirty_calendar_days_end_with_the_thirtieth_after_the_day_of_the_limit(when: str) -> None:
    assert end_of_limit(at(when), 30) == at("2026-12-02 00:00")


def test_a_limit_ends_at_midnight_in_hainan_whatever_the_hour_it_was_set(session: Session) -> None:
    row = limited(session, at("2026-11-01 23:59"))
    assert limits.is_in_force(row, at("2026-12-01 23:59:59"))
    assert not limits.is_in_force(row, at("2026-12-02 00:00:00"))
    assert limits.in_force(session, at("2026-12-01 23:59:59")) == {NUMBER: at("2026-12-02 00:00")}
    assert limits.in_force(session, at("2026-12-02 00:00:00")) == {}
    assert limits.values(row, at("2026-12-02 00:00:00"))["state"] == "expired"


@given(st.floats(0, 4e9), st.integers(1, 30))
def test_a_limit_covers_whole_days_and_never_more_than_asked(moment: float, days: int) -> None:
    end = end_of_limit(moment, days)
    assert local(end).time() == datetime.min.time()
    assert days * DAY < end - moment <= (days + 1) * DAY
    assert (local(end - 1).date() - local(moment).date()).days == days


@given(st.floats(1e6, 4e9), st.integers(1, 30))
def test_the_last_days_begin_at_midnight_with_today_among_them(moment: float, days: int) -> None:
    begin = days_before(moment, days)
    assert local(begin).time() == datetime.min.time()
    assert (local(moment).date() - local(begin).date()).days == days - 1


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2026-12-02", "十二月一号"),
        ("2026-10-11", "十月十号"),
        ("2026-02-01", "一月三十一号"),
        ("2026-05-21", "五月二十号"),
    ],
)
def test_the_last_day_is_said_as_people_say_it(day: str, said: str) -> None:
    assert last_day_spoken(at(f"{day} 00:00")) == said


# ── proposed ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("reason", RULES)
def test_so_many_calls_of_one_reason_make_a_proposal_and_no_fewer(reason: str) -> None:
    most, _ = RULES[reason]
    calls = [Counted(f"C{n}", reason, NOON - n) for n in range(most)]
    assert proposal(calls[1:], NOON) is None
    found = proposal(calls, NOON)
    assert found is not None
    assert (found.reason, set(found.evidence)) == (reason, {call.call_id for call in calls})


def test_calls_of_long_ago_count_no_more() -> None:
    calls = [Counted(f"C{n}", "abuse", NOON - 8 * DAY) for n in range(9)]
    assert proposal(calls, NOON) is None


def test_the_last_call_that_is_too_much_proposes_a_limit_and_limits_nobody(
    session: Session,
) -> None:
    made = [
        proposing.note_call(session, call_id=f"N{n}", number=NUMBER, reason="abuse", at=NOON + n)
        for n in range(4)
    ]
    assert [row is not None for row in made] == [False, False, True, False]
    assert made[2] is not None
    assert made[2].state == "proposed"
    assert made[2].evidence == ["N0", "N1", "N2"]
    assert limits.in_force(session, NOON + 10) == {}


def test_a_call_that_comes_twice_counts_once(session: Session) -> None:
    for _ in range(5):
        proposing.note_call(session, call_id="N1", number=NUMBER, reason="abuse", at=NOON)
    assert proposing.counts(session, NOON) == [
        {"number": NUMBER, "reason": "abuse", "calls": 1, "last_at": NOON}
    ]


def test_calls_that_were_decided_on_make_no_second_proposal(session: Session) -> None:
    for n in range(3):
        proposing.note_call(session, call_id=f"N{n}", number=NUMBER, reason="abuse", at=NOON)
    (row,) = limits.listed(session, NOON)
    proposing.dismiss(session, row["id"], who="王", why="误会", at=NOON + 1)
    assert proposing.propose_all(session, NOON + 2) == []
    for n in range(3, 6):
        proposing.note_call(session, call_id=f"N{n}", number=NUMBER, reason="abuse", at=NOON + 3)
    assert len(limits.listed(session, NOON + 4)) == 1


def test_who_talked_with_the_caller_can_say_that_it_was_nuisance(session: Session) -> None:
    proposing.mark(session, "C1", "threat", who="坐席7", at=NOON)
    proposing.note_call(session, call_id="C1", number=NUMBER, reason="silent", at=NOON)
    (counted,) = proposing.counts(session, NOON)
    assert counted["reason"] == "threat", "a machine does not overrule a person"
    with pytest.raises(NotKnown):
        proposing.mark(session, "nowhere", "threat", who="坐席7", at=NOON)
    with pytest.raises(CallersError, match="恶意骚扰"):
        proposing.mark(session, "C1", "bored", who="坐席7", at=NOON)


# ── set, reviewed, appealed, lifted ───────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"evidence": []}, "at least one call"),
        ({"evidence": ["X1"]}, "No call of this number"),
        ({"why": "  "}, "Say why"),
        ({"who": ""}, "a name"),
        ({"reason": "bored"}, "no reason"),
        ({"days": 31}, "1 to 30"),
        ({"days": 0}, "1 to 30"),
    ],
)
def test_a_limit_needs_a_reason_a_person_and_calls_of_this_number(
    session: Session, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(CallersError, match=complaint):
        limited(session, **changes)
    assert limits.in_force(session, NOON) == {}


def test_a_proposal_becomes_the_limit_with_its_calls(session: Session) -> None:
    for call in ("C1", "C2"):
        proposing.mark(session, call, "threat", who="坐席7", at=NOON)
    row = limited(session, reason="threat", evidence=[])
    assert sorted(row.evidence) == ["C1", "C2"]
    assert [step["step"] for step in limits.history(session, NUMBER, NOON)[0]["steps"]] == [
        "proposed",
        "set",
    ]


def test_a_limited_number_is_not_limited_twice_but_again_when_it_is_over(session: Session) -> None:
    limited(session)
    with pytest.raises(CallersError, match="already"):
        limited(session, NOON + DAY)
    limited(session, NOON + 32 * DAY)
    assert len(limits.history(session, NUMBER, NOON + 32 * DAY)) == 2


def test_an_appeal_is_open_until_somebody_else_has_reviewed_the_limit(session: Session) -> None:
    row = limited(session)
    limits.appeal(session, NUMBER, who="", why="不是我", at=NOON + 1, ticket="C9-t1")
    limits.appeal(session, NUMBER, who="", why="不是我", at=NOON + 1, ticket="C9-t1")
    assert row.appeal == "open"
    assert limits.listed(session, NOON + 2)[0]["appeal"] == "open"
    with pytest.raises(CallersError, match="somebody else"):
        limits.review(session, row.id, who="王", why="没错", at=NOON + 2)
    limits.review(session, row.id, who="李", why="核实无误", at=NOON + 3)
    assert (row.appeal, limits.is_in_force(row, NOON + 4)) == ("rejected", True)
    limits.appeal(session, NUMBER, who="", why="真不是我", at=NOON + 5, ticket="C10-t1")
    limits.review(session, row.id, who="李", why="误判", at=NOON + 6, lift=True)
    assert (row.appeal, row.state) == ("granted", "lifted")
    assert limits.in_force(session, NOON + 7) == {}
    steps = [step["step"] for step in limits.history(session, NUMBER, NOON + 7)[0]["steps"]]
    assert steps == ["set", "appealed", "reviewed", "appealed", "reviewed", "lifted"]


def test_an_appeal_of_a_number_that_is_not_limited_is_nothing(session: Session) -> None:
    assert limits.appeal(session, NUMBER, who="", why="x", at=NOON) is None
    with pytest.raises(NotKnown):
        limits.appeal_of(session, NUMBER, who="坐席7", why="x", at=NOON)


def test_what_is_over_is_not_lifted_and_what_is_unknown_not_found(session: Session) -> None:
    row = limited(session)
    with pytest.raises(CallersError, match="expired"):
        limits.lift(session, row.id, who="王", why="x", at=NOON + 40 * DAY)
    limits.lift(session, row.id, who="王", why="号码换人了", at=NOON + 1)
    with pytest.raises(CallersError, match="lifted"):
        limits.lift(session, row.id, who="王", why="x", at=NOON + 2)
    with pytest.raises(NotKnown):
        limits.lift(session, 99, who="王", why="x", at=NOON)


def test_a_report_to_110_is_an_order_in_the_outbox_once(session: Session) -> None:
    row = limited(session, reason="threat")
    reporting.report(session, row.id, who="王", why="扬言报复话务员", at=NOON + 1)
    (envelope,) = session.scalars(select(EnvelopeRow))
    assert envelope.subject == row.reported == f"nuisance-{row.id}"
    body = envelope.envelope["body"]
    assert body["caller"]["number"] == NUMBER
    assert "扬言恐吓" in body["reason"]
    assert body["evidence"] == ["通话 C1"]
    assert session.scalars(select(LedgerRow.kind)).all() == ["police_order"]
    with pytest.raises(CallersError, match="before"):
        reporting.report(session, row.id, who="王", why="x", at=NOON + 2)


def test_a_report_is_made_whatever_was_pasted_and_of_whatever_is_left_of_the_number(
    session: Session,
) -> None:
    row = limited(session, reason="threat")
    row.number = REMOVED
    reporting.report(session, row.id, who="王", why="扬言\x0b报复\x00", at=NOON + 1)
    body = session.scalars(select(EnvelopeRow)).one().envelope["body"]
    assert body["caller"]["number"] == ""
    assert body["reason"].endswith("扬言 报复 ")
