"""Reading that a supervisor should ask about."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.voicebot.conftest import VoicebotHere
from tests.voicebot.ticket_desk import opened
from voicebot.auditing.reading_acts import unusual_reading
from voicebot.auditing.unusual import (
    MANY,
    OF_ONE,
    OLD,
    REFUSALS,
    Act,
    Call,
    Reason,
    Unusual,
    unusual,
)
from voicebot.records.database import migrate, open_engine
from voicebot.records.tables import AuditRow, CallRow

DAY = 86400.0
NOON = 1_795_406_400.0
"""2026-11-23 12:00 in Beijing."""


def reads(who: str, count: int, at: float = NOON, action: str = "call.read") -> list[Act]:
    return [Act(at + number, who, action, f"{who}-{number}") for number in range(count)]


def reasons(found: list[Unusual]) -> list[tuple[str, str, int]]:
    return [(each.who, each.reason.value, each.count) for each in found]


def test_far_more_than_colleagues_look_at_in_a_day_stands_out() -> None:
    acts = reads("王", 20) + reads("李", 15) + reads("张", 70)
    assert reasons(unusual(acts, {})) == [("张", "many", 70)]


def test_where_all_read_much_nobody_stands_out() -> None:
    acts = reads("王", 60) + reads("李", 60) + reads("张", 70)
    assert unusual(acts, {}) == []


def test_few_are_never_many_and_the_same_call_counts_once() -> None:
    again = [Act(NOON + number, "王", "call.read", "C1") for number in range(500)]
    assert unusual(again + reads("李", MANY), {}) == []


def test_a_day_ends_at_midnight_in_hainan() -> None:
    late = NOON + 11.9 * 3600
    assert unusual(reads("王", 20, late) + reads("王", 20, late + 3600), {}) == []


def test_refusal_upon_refusal_stands_out() -> None:
    acts = reads("王", REFUSALS, action="refused") + reads("李", REFUSALS - 1, action="refused")
    assert reasons(unusual(acts, {})) == [("王", "refused", REFUSALS)]


def test_calls_that_are_long_over_stand_out() -> None:
    acts = reads("王", OLD) + reads("李", OLD)
    calls = {f"王-{n}": Call("", NOON - 31 * DAY) for n in range(OLD)}
    calls |= {f"李-{n}": Call("", NOON - 29 * DAY) for n in range(OLD)}
    assert reasons(unusual(acts, calls)) == [("王", "old", OLD)]


def test_call_after_call_of_one_number_stands_out() -> None:
    calls = {f"王-{n}": Call("13800138000", NOON) for n in range(OF_ONE)}
    (found,) = unusual(reads("王", OF_ONE), calls)
    assert (found.reason, found.count) == (Reason.ONE_CALLER, OF_ONE)
    assert "13800138000" not in str(found)
    nobody = {f"王-{n}": Call("", NOON) for n in range(OF_ONE)}
    assert unusual(reads("王", OF_ONE), nobody) == []


@given(
    st.lists(
        st.builds(
            Act,
            st.floats(NOON, NOON + 3 * DAY),
            st.sampled_from("王李张"),
            st.sampled_from(["call.read", "ticket.read", "refused"]),
            st.integers(0, 60).map(str),
        ),
        max_size=200,
    )
)
def test_what_is_told_was_done_and_never_less_than_the_measure(acts: list[Act]) -> None:
    for each in unusual(acts, {}):
        theirs = {act.subject for act in acts if act.who == each.who}
        assert set(each.subjects) <= theirs
        assert each.count > MANY if each.reason is Reason.MANY else each.count >= REFUSALS


@pytest.fixture
def engine(database_url: str) -> Engine:
    migrate(database_url)
    return open_engine(database_url, writes=True)


def audited(who: str, action: str, subject: str, role: str = "agent") -> AuditRow:
    return AuditRow(
        at=NOON, principal=who, role=role, action=action, subject=subject, client="",
        allowed=action != "refused",
    )  # fmt: skip


def test_tickets_and_calls_of_one_caller_are_found_in_the_audit(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        for number in range(OF_ONE):
            call = f"C{number}"
            session.add(CallRow(id=call, caller="13800138000", started_at=NOON, ended_at=NOON))
            opened(session, f"{call}-t1", at=NOON, call_id=call)
            name = call if number % 2 else f"{call}-t1"
            action = "call.read" if number % 2 else "ticket.read"
            session.add(audited("王芳", action, name))
            session.add(audited("service", action, name, role="service"))
    with Session(engine) as session:
        found = unusual_reading(session, NOON - DAY, NOON + DAY)
        assert reasons(found) == [("王芳", "one_caller", OF_ONE)]
        assert unusual_reading(session, NOON + 1, NOON + DAY) == []
    engine.dispose()


def test_the_command_tells_it_and_is_on_record_itself(voicebot_here: VoicebotHere) -> None:
    state = voicebot_here.folder / "state"
    state.mkdir()
    url = f"sqlite:///{state / 'voicebot.db'}"
    migrate(url)
    assert "Nothing stands out" in voicebot_here("audit", "unusual").stdout
    engine = open_engine(url, writes=True)
    with Session(engine) as session, session.begin():
        rows = [audited("王芳", "refused", f"C{number}") for number in range(REFUSALS)]
        for row in rows:
            row.at = time.time() - 3600.0
        session.add_all(rows)
    engine.dispose()
    shown = voicebot_here("audit", "unusual")
    assert "王芳  refusals: 3" in shown.stdout
    told = json.loads(voicebot_here("audit", "unusual", "--json").stdout)
    assert (told["reason"], told["subjects"]) == ("refused", ["C0", "C1", "C2"])
    assert "audit.unusual" in voicebot_here("audit", "list").stdout
