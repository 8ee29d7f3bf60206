"""The figures of hand-made days, worked out by hand beside them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from tests.voicebot.figures_days import Days, at, records, refused_rows
from voicebot.figures.counting import BY, Group, grouped, lowest, lowest_connection, total
from voicebot.figures.indicators import BY_NAME, INDICATORS, PUBLISHED
from voicebot.records import operations

NOW = at(30)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with records(tmp_path) as opened:
        yield opened


@pytest.fixture
def days(session: Session) -> Days:
    return Days(session)


def of_day(session: Session, day: int) -> Group:
    session.flush()
    return total(session, at(day), at(day + 1), NOW)


def value(group: Group, name: str) -> float | None:
    return group.figures[name].value


def test_calls_refused_count_as_offered_and_not_connected(session: Session, days: Days) -> None:
    for hour in (8, 9, 10):
        days.call(at(2, f"{hour:02}:00:00"))
    days.refused(at(2, "11:00:00"))
    found = of_day(session, 2)
    assert value(found, "calls") == 4
    assert value(found, "connection") == 3 / 4
    assert found.figures["connection"].meets(BY_NAME["connection"]) is False


def test_a_call_refused_twice_over_from_the_spool_counts_once(session: Session) -> None:
    for _ in range(2):
        operations.refuse_call(session, call_id="r", did="12345", reason="full", at=at(2))
    assert len(refused_rows(session)) == 1


def test_who_is_refused_by_one_node_and_served_by_the_next_counts_as_served(
    session: Session, days: Days
) -> None:
    days.refused(at(2, "10:59:59"), offer_key="k1")  # in whatever order the two are written
    days.call(at(2, "11:00:00"), offer_key="k1")
    days.call(at(2, "11:00:00"), offer_key="k2")
    days.refused(at(2, "10:59:59"), offer_key="k2")
    for _ in range(3):  # by each of three nodes
        days.refused(at(2, "12:00:00"), offer_key="k3")
    days.refused(at(2, "12:00:00"))  # before there were keys
    days.refused(at(2, "12:00:00"))
    found = of_day(session, 2)
    assert (value(found, "calls"), value(found, "connection")) == (5, 2 / 5)


def test_answered_within_15_seconds_counts_from_the_ringing(session: Session, days: Days) -> None:
    days.call(at(2, "08:00:00"), rang=2.0)
    days.call(at(2, "08:01:00"), rang=15.0)
    days.call(at(2, "08:02:00"), rang=16.0)
    days.call(at(2, "08:03:00"), rang=None)  # an older record: left out on both sides
    days.refused(at(2, "08:04:00"))
    found = of_day(session, 2)
    assert value(found, "answered_15s") == 2 / 4
    assert value(found, "answer_wait") == (2 + 15 + 16) / 3


def test_what_calls_came_to(session: Session, days: Days) -> None:
    for outcome in ("answered", "answered", "ticket", "guided", "human", "handed_off", "abandoned"):
        days.call(at(2, "09:00:00"), outcome=outcome)
    days.call(at(2, "09:00:00"), outcome=None)  # still going on
    found = of_day(session, 2)
    assert value(found, "containment") == 4 / 7
    assert value(found, "first_call") == 2 / 7
    assert value(found, "abandonment") == 1 / 7
    assert value(found, "calls") == 8


def test_seats_reached_refused_given_up_and_waited_for(session: Session, days: Days) -> None:
    ten = at(2, "10:00:00")
    for wait in (5, 20, 35):
        days.handoff(days.call(ten, outcome="human"), ten, "seat", (wait, "seat", "confirmed"))
    days.handoff(days.call(ten, outcome="ticket"), ten, "seat", (9, "seat", "busy"))
    days.handoff(days.call(ten, outcome="abandoned"), ten, "seat", (1, "seat", "ringing"))
    days.handoff(days.call(ten, outcome=None), ten, "seat", (1, "seat", "ringing"))  # waits now
    found = of_day(session, 2)
    assert value(found, "human_connection") == 3 / 5
    assert value(found, "seat_wait") == 20
    assert value(found, "seat_wait_p95") == 35
    assert value(found, "queue_abandonment") == 1 / 5


def a_day_of_surge(days: Days) -> None:
    """Two callers whom the bot serves and one whom nobody answers; seven whom surge control gives
    to people, of whom one is offered again, since no seat answers in time.
    """
    ten = at(2, "10:00:00")
    days.call(ten, rang=1.0, outcome="answered")
    days.call(ten, rang=1.0, outcome="abandoned")
    days.refused(ten)
    days.diverted(ten, "met", 5.0)
    days.diverted(ten, "met", 15.0, did="12333")
    days.diverted(ten, "met", 40.0)
    days.diverted(ten, "gone", 30.0)
    days.diverted(ten, "gone", 20.0, call_back=True)
    days.diverted(ten)  # the service was gone first
    back = days.diverted(ten, "returned", 60.0)
    days.call(ten + 61.0, call_id=back, rang=1.0, outcome="ticket")


def test_calls_given_to_people_count_in_connection_and_waiting(
    session: Session, days: Days
) -> None:
    a_day_of_surge(days)
    found = of_day(session, 2)
    assert value(found, "calls") == 10
    assert value(found, "answered_calls") == 6
    assert value(found, "connection") == 6 / 10
    assert value(found, "answered_15s") == 4 / 10  # whom the bot took from the queue waited 62 s
    assert value(found, "answer_wait") == (1 + 1 + 5 + 15 + 40 + 62) / 6
    assert value(found, "human_connection") == 3 / 7
    assert value(found, "seat_wait") == 20
    assert value(found, "seat_wait_p95") == 40


def test_who_gives_up_waiting_for_people_is_abandoned_unless_a_call_back_was_promised(
    session: Session, days: Days
) -> None:
    a_day_of_surge(days)
    found = of_day(session, 2)
    assert value(found, "queue_abandonment") == 2 / 7
    assert value(found, "abandonment") == (1 + 2) / (3 + 3 + 3)
    assert value(found, "containment") == 2 / (3 + 3)
    assert value(found, "first_call") == 1 / 3


def test_who_waits_for_people_just_now_is_neither_connected_nor_lost(
    session: Session, days: Days
) -> None:
    days.diverted(NOW - 3599.0)
    assert value(of_day(session, 29), "calls") == 0
    days.diverted(NOW - 3600.0)
    assert value(of_day(session, 29), "connection") == 0


def test_percentiles_are_of_hand_offs_and_of_calls_given_to_people_together(
    session: Session, days: Days
) -> None:
    ten = at(2, "10:00:00")
    for wait in range(1, 20):
        days.handoff(days.call(ten, outcome="human"), ten, "seat", (wait, "seat", "confirmed"))
    days.diverted(ten, "met", 60.0)
    assert value(of_day(session, 2), "seat_wait_p95") == 19
    days.diverted(ten, "met", 60.0)
    assert value(of_day(session, 2), "seat_wait_p95") == 60


def test_calls_given_to_people_count_by_line_and_hour_and_have_no_region(
    session: Session, days: Days
) -> None:
    a_day_of_surge(days)
    session.flush()
    lines = {each.key: each for each in grouped(session, at(2), at(3), NOW, "line")}
    assert value(lines["12333"], "connection") == 1
    assert value(lines["12345"], "connection") == 5 / 9
    hours = {each.key: each for each in grouped(session, at(2), at(3), NOW, "hour")}
    assert value(hours[10], "connection") == 6 / 10
    regions = {each.key: each for each in grouped(session, at(2), at(3), NOW, "region")}
    assert value(regions[""], "human_connection") == 3 / 7
    lowest_24h = lowest_connection(session, at(2), at(3), NOW)
    assert lowest_24h is not None
    assert lowest_24h.connection.value == 6 / 10


def test_what_became_of_a_diverted_call_may_come_before_and_twice(session: Session) -> None:
    told = {"call_id": "p", "did": "12345", "at": at(2), "call_back": False}
    operations.note_diverted(session, **told, became="returned", became_at=at(2) + 60)
    operations.note_diverted(session, **told)
    operations.note_diverted(
        session, **{**told, "at": at(2) + 61}, became="met", became_at=at(2) + 70
    )
    operations.note_diverted(session, **told, became="returned", became_at=at(2) + 60)
    found = of_day(session, 2)
    assert value(found, "calls") == 1
    assert value(found, "answer_wait") == 70


def test_the_60_percent_mark_is_told_by_line(session: Session, days: Days) -> None:
    ten = at(2, "10:00:00")
    for did, states in (
        ("12345", ["confirmed"] * 3 + ["busy"] * 2),  # 60 %: not below
        ("12333", ["confirmed"] * 1 + ["busy"] * 1),
    ):
        for state in states:
            call = days.call(ten, did=did, outcome="human")
            days.handoff(call, ten, "seat", (5, "seat", state))
    session.flush()
    lines = {each.key: each for each in grouped(session, at(2), at(3), NOW, "line")}
    mark = BY_NAME["human_connection"]
    assert lines["12345"].figures["human_connection"].meets(mark) is True
    assert lines["12333"].figures["human_connection"].meets(mark) is False


def test_hand_offs_to_110_and_what_110_gave_back(session: Session, days: Days) -> None:
    ten = at(2, "10:00:00")
    for seconds in (2.0, 4.0, 6.0, 30.0):
        days.handoff(
            days.call(ten, outcome="handed_off"), ten, "110-460100",
            (seconds, "110-460100", "confirmed"), (seconds + 60, "110-460100", "ended"),
            region="460100", returned=50.0 if seconds == 6.0 else None,
        )  # fmt: skip
    # The chain fell to a seat: 110 was not reached, though a person was.
    days.handoff(
        days.call(ten, outcome="human"), ten, "110-460100",
        (3, "110-460100", "busy"), (9, "seat", "confirmed"),
    )  # fmt: skip
    found = of_day(session, 2)
    assert value(found, "handoffs_110") == 5
    assert value(found, "handoff_110") == 4 / 5
    assert value(found, "handoff_p50") == 4.0  # nearest rank: the 2nd of 4
    assert value(found, "handoff_p95") == 30.0
    assert value(found, "false_transfer") == 1 / 4
    assert found.figures["human_connection"].denominator == 0  # nobody asked for a seat


def test_tickets_answered_in_time_solved_and_not_yet_due(session: Session, days: Days) -> None:
    call, created = days.call(at(2)), at(2, "10:00:00")
    due = at(9, "18:00:00")
    common = {"due_at": due, "department": "市政局"}
    days.ticket(call, created, status="closed", answered_at=due, closed_at=due, **common)
    unhappy = days.ticket(call, created, status="closed", answered_at=due - 60, **common)
    days.ticket(call, created, status="closed", answered_at=due + 1, **common)
    days.ticket(call, created, status="accepted", **common)  # late, and no answer
    days.ticket(call, created, status="accepted", due_at=at(30) + 1)  # not due before NOW
    days.ticket(call, created, status="withdrawn", **common)
    days.evaluation(call, 3, due, unhappy)
    found = of_day(session, 2)
    assert value(found, "tickets") == 5
    assert value(found, "response") == 2 / 4
    assert value(found, "resolution") == 2 / 4


def test_satisfaction_counts_those_who_replied(session: Session, days: Days) -> None:
    for score in (1, 1, 2, 3, None):
        days.evaluation(days.call(at(2)), score, at(2, "10:00:00"))
    assert value(of_day(session, 2), "satisfaction") == 3 / 4


def test_departments_have_the_figures_of_their_tickets_alone(session: Session, days: Days) -> None:
    call = days.call(at(2))
    first = days.ticket(call, at(2), department="市政局", due_at=at(5), answered_at=at(4))
    days.ticket(call, at(2), department="水务局", due_at=at(5), answered_at=at(6))
    days.ticket(call, at(2), due_at=at(5), answered_at=at(6))
    days.evaluation(call, 1, at(2), first)
    session.flush()
    found = {each.key: each for each in grouped(session, at(2), at(3), NOW, "department")}
    assert set(found) == {"市政局", "水务局", ""}
    assert value(found["市政局"], "response") == 1
    assert value(found["市政局"], "satisfaction") == 1
    assert value(found["水务局"], "response") == 0
    assert value(found["水务局"], "calls") == 0


def test_days_and_hours_are_hainans(session: Session, days: Days) -> None:
    days.call(at(2, "00:00:00"), rang=0.0)
    days.call(at(2, "23:59:59"), rang=0.0)
    days.call(at(3, "00:00:00"), rang=0.0)
    session.flush()
    by_day = grouped(session, at(1), at(4), NOW, "day")
    second = int((at(2) + 8 * 3600) // 86400)
    assert {each.key: value(each, "calls") for each in by_day} == {second: 2, second + 1: 1}
    by_hour = grouped(session, at(1), at(4), NOW, "hour")
    assert {each.key: value(each, "calls") for each in by_hour} == {0: 2, 23: 1}
    assert value(of_day(session, 3), "calls") == 1


def test_calls_are_divided_by_region_and_the_rest_is_unknown(session: Session, days: Days) -> None:
    days.call(at(2), region="460106")
    days.call(at(2), region="460106")
    days.call(at(2))
    session.flush()
    found = grouped(session, at(2), at(3), NOW, "region")
    assert {each.key: value(each, "calls") for each in found} == {"460106": 2, "": 1}


def test_the_worst_24_hours_may_lie_across_midnight(session: Session, days: Days) -> None:
    for hour in range(24):
        days.call(at(2, f"{hour:02}:30:00"))
        days.call(at(3, f"{hour:02}:30:00"))
        if hour >= 20:
            days.refused(at(2, f"{hour:02}:40:00"))
        if hour < 4:
            days.refused(at(3, f"{hour:02}:40:00"))
    session.flush()
    found = lowest_connection(session, at(2), at(4), NOW)
    assert found is not None
    assert found.connection.value == 24 / 32  # each day alone: 24 of 28
    assert found.begins == at(2, "04:00:00")
    assert lowest({}, 0, 100) is None


def test_a_day_without_calls_has_no_shares(session: Session) -> None:
    found = total(session, at(2), at(3), NOW)
    assert value(found, "calls") == 0
    assert value(found, "connection") is None
    assert found.figures["connection"].meets(BY_NAME["connection"]) is None
    assert lowest_connection(session, at(2), at(4), NOW) is None
    assert all(grouped(session, at(2), at(3), NOW, by) == [] for by in BY)


def test_each_indicator_says_what_it_is_and_where_it_comes_from() -> None:
    for each in INDICATORS:
        assert each.chinese
        assert each.definition.endswith("。")
        assert each.numerator
        assert each.source
    assert set(PUBLISHED) <= set(BY_NAME)
    assert len(BY_NAME) == len(INDICATORS)
