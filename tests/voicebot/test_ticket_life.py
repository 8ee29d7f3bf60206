"""The life of a ticket: any order of acts leads to a state that makes sense."""

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebot.tickets import working_days
from voicebot.tickets.deadlines import Kind
from voicebot.tickets.errors import ActRefused
from voicebot.tickets.life import DISPUTED_AFTER, Life, Request, allowed, begin, step
from voicebot.tickets.states import AT_DEPARTMENT, FINISHED, FROM, TO_DISPATCH, Act, Status

MONDAY = datetime.fromisoformat("2026-11-23T09:00+08:00").timestamp()
DAY = 86_400.0


def request(act: Act, at: float = MONDAY, **values: object) -> Request:
    """An act that lacks nothing."""
    usual = {
        "why": "原因",
        "department": "市水务局",
        "answer": "已修复。",
        "days": 5,
        "main": "T-main",
        "order": "T1-j1",
    }
    return Request(act, at, **(usual | values))  # type: ignore[arg-type]


def after(*acts: Act, at: float = MONDAY) -> Life:
    life = begin(at)
    for act in acts:
        life = step(life, request(act, at))
    return life


def test_the_usual_way() -> None:
    life = after(Act.DISPATCH, Act.ACCEPT, Act.START, Act.ANSWER, Act.CLOSE)
    assert (life.status, life.version, life.department) == (Status.CLOSED, 6, "市水务局")
    assert life.answer == "已修复。"
    assert life.awaited_by is life.remind_at is None


def test_a_question_answered_on_the_line_needs_no_department() -> None:
    assert after(Act.ANSWER, Act.CLOSE).status is Status.CLOSED


def test_the_deadline_begins_with_the_first_dispatch_and_a_return_does_not_move_it() -> None:
    life = after(Act.DISPATCH)
    assert life.due_at == working_days.end_of(MONDAY, 5)
    life = step(life, request(Act.RETURN, MONDAY + DAY))
    assert (life.status, life.department, life.returns) == (Status.RETURNED, None, 1)
    assert life.awaited_by == working_days.end_of(MONDAY + DAY, 1)
    again = step(life, request(Act.DISPATCH, MONDAY + 2 * DAY, department="市城管局"))
    assert again.due_at == life.due_at
    assert again.department == "市城管局"


def test_what_was_returned_twice_is_for_the_departments_to_settle_together() -> None:
    life = after(Act.DISPATCH, Act.RETURN, Act.DISPATCH, Act.RETURN)
    assert (life.status, life.returns) == (Status.DISPUTED, DISPUTED_AFTER)
    assert life.disputed_at == MONDAY
    assert step(life, request(Act.DISPATCH)).status is Status.DISPATCHED


def test_another_kind_has_another_deadline() -> None:
    life = after(Act.DISPATCH)
    complaint = step(life, request(Act.DISPATCH, MONDAY + DAY, kind=Kind.COMPLAINT))
    assert complaint.due_at == working_days.end_of(MONDAY, 7)


def test_while_it_is_suspended_nobody_is_awaited_and_the_days_are_given_back() -> None:
    life = after(Act.DISPATCH, Act.ACCEPT, Act.SUSPEND)
    assert life.awaited_by is None
    back = step(life, request(Act.RESUME, MONDAY + 3 * DAY))
    assert back.due_at == working_days.end_of(MONDAY, 8)
    assert back.status is Status.WORKING


def test_an_extension_is_counted_in_working_days() -> None:
    life = step(after(Act.DISPATCH), request(Act.EXTEND, days=3))
    assert (life.due_at, life.extensions) == (working_days.end_of(MONDAY, 8), 1)


@pytest.mark.parametrize("days", [0, -1, 61])
def test_an_extension_has_bounds(days: int) -> None:
    with pytest.raises(ActRefused, match="1 to 60"):
        step(after(Act.DISPATCH), request(Act.EXTEND, days=days))


@pytest.mark.parametrize(
    ("act", "missing", "named"),
    [
        (Act.DISPATCH, "department", "department"),
        (Act.ANSWER, "answer", "answer"),
        (Act.RETURN, "why", "reason"),
        (Act.ESCALATE, "why", "reason"),
        (Act.NOTE, "why", "reason"),
        (Act.SUPERVISE, "why", "reason"),
    ],
)
def test_what_an_act_lacks_is_named(act: Act, missing: str, named: str) -> None:
    life = after(Act.DISPATCH) if act is Act.RETURN else after()
    with pytest.raises(ActRefused, match=named):
        step(life, request(act, **{missing: "  "}))


def test_a_refusal_says_what_is_possible() -> None:
    with pytest.raises(ActRefused, match=r"created .*待派单.*possible now: dispatch, answer"):
        step(after(), request(Act.CLOSE))


def test_a_merged_ticket_points_to_its_main_one() -> None:
    with pytest.raises(ActRefused, match="act on the main ticket T-main, or unlink"):
        step(after(Act.LINK), request(Act.DISPATCH))


def test_a_merged_ticket_is_answered_and_closed_with_its_main_one() -> None:
    life = after(Act.DISPATCH, Act.LINK)
    life = step(life, request(Act.ANSWER, following=True))
    life = step(life, request(Act.CLOSE, following=True))
    assert life.status is Status.CLOSED
    assert step(life, request(Act.REOPEN, following=True)).status is Status.MERGED


def test_an_unlinked_ticket_goes_on_where_it_belongs() -> None:
    assert after(Act.LINK, Act.UNLINK).status is Status.CREATED
    assert after(Act.DISPATCH, Act.LINK, Act.UNLINK).status is Status.DISPATCHED
    assert after(Act.DISPATCH, Act.RETURN, Act.LINK, Act.UNLINK).status is Status.CREATED


@pytest.mark.parametrize("status", Status)
def test_110_can_be_called_in_at_any_state(status: Status) -> None:
    life = step(Life(status, version=1), request(Act.ESCALATE, order="T1-j2"))
    assert (life.status, life.police_order, life.escalated_at) == (status, "T1-j2", MONDAY)


def test_no_state_is_a_dead_end_but_what_the_caller_withdrew() -> None:
    for status in Status:
        leads_on = set(allowed(Life(status))) - {Act.ESCALATE, Act.NOTE}
        assert bool(leads_on) is (status is not Status.WITHDRAWN), status


REQUESTS = st.lists(
    st.builds(
        lambda act, days, kind, hours, following: (act, days, kind, hours, following),
        st.sampled_from([act for act in Act if act is not Act.CREATE]),
        st.integers(-1, 70),
        st.sampled_from([None, *Kind]),
        st.integers(0, 200),
        st.booleans(),
    ),
    max_size=40,
)


def test_a_ticket_without_a_main_one_is_reopened_on_its_own() -> None:
    answered = after(Act.DISPATCH, Act.ACCEPT, Act.ANSWER)
    life = step(answered, request(Act.REOPEN, MONDAY, following=True))
    assert life.status is Status.DISPATCHED
    assert life.main is None


@settings(max_examples=300)
@given(REQUESTS)
def test_any_order_of_acts_leaves_a_possible_state_and_loses_nothing(
    requests: list[tuple[Act, int, Kind | None, int, bool]],
) -> None:
    at, life, done = MONDAY, begin(MONDAY), [Act.CREATE]
    for act, days, kind, hours, following in requests:
        at += hours * 3600.0
        before = life
        try:
            life = step(
                before, request(act, at, days=days, kind=kind, following=following, order=f"j{at}")
            )
        except ActRefused:
            continue
        done.append(act)
        assert life.version == len(done)
        if act in (Act.NOTE, Act.ESCALATE, Act.SUPERVISE):
            assert life.status is before.status
            assert life.awaited_by == before.awaited_by
        if act in (Act.RETURN, Act.DISPATCH) and kind is None:
            assert before.due_at in (None, life.due_at)
        _makes_sense(life, at)
    assert life.returns == done.count(Act.RETURN)
    assert life.extensions == done.count(Act.EXTEND)
    assert (life.escalated_at is not None) is (Act.ESCALATE in done)
    assert (life.disputed_at is not None) is (
        Act.DISPUTE in done or done.count(Act.RETURN) >= DISPUTED_AFTER
    )


def _makes_sense(life: Life, at: float) -> None:
    awaits = life.status in TO_DISPATCH | AT_DEPARTMENT
    assert (life.awaited_by is not None) is awaits
    if life.awaited_by is None:
        assert life.remind_at is None
    if life.status in AT_DEPARTMENT:
        assert life.department
        assert life.awaited_by == life.due_at
    if life.status in TO_DISPATCH:
        assert life.department is None
    assert (life.main is not None) is (life.status is Status.MERGED) or life.status in FINISHED
    assert (life.status is Status.SUSPENDED) is (life.suspended_at is not None)
    assert (life.answered_at is not None) is (life.status in {Status.ANSWERED, Status.CLOSED})
    assert (life.closed_at is not None) is (life.status is Status.CLOSED)
    assert set(FROM) >= set(allowed(life)) >= {Act.NOTE, Act.ESCALATE}
