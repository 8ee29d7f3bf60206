"""Deadlines are counted in the working days of the Chinese calendar."""

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.tickets import working_days
from voicebot.tickets.deadlines import Kind, limits


def moment(text: str, zone: str = "+08:00") -> float:
    return datetime.fromisoformat(f"{text}{zone}").timestamp()


@pytest.mark.parametrize(
    ("said", "days", "last"),
    [
        # An ordinary week: the day itself is not counted (民法典 art. 201).
        ("2026-11-23T10:00", 1, "2026-11-24"),
        ("2026-11-23T10:00", 5, "2026-11-30"),
        ("2026-11-27T23:59", 1, "2026-11-30"),
        # Spring Festival 2026: free from 15 to 23 February, worked on Saturday 14 and 28.
        ("2026-02-13T09:00", 1, "2026-02-14"),
        ("2026-02-13T09:00", 2, "2026-02-24"),
        ("2026-02-14T18:00", 1, "2026-02-24"),
        ("2026-02-17T12:00", 5, "2026-02-28"),
        # National Day 2026: free from 1 to 7 October, worked on Sunday 20 September and
        # Saturday 10 October.
        ("2026-09-18T17:00", 1, "2026-09-20"),
        ("2026-09-30T08:00", 1, "2026-10-08"),
        ("2026-09-30T08:00", 3, "2026-10-10"),
        ("2026-10-03T08:00", 4, "2026-10-12"),
    ],
)
def test_holidays_are_free_and_their_make_up_days_are_worked(
    said: str, days: int, last: str
) -> None:
    deadline = working_days.end_of(moment(said), days)
    assert working_days.last_day(deadline) == date.fromisoformat(last)
    assert deadline == moment(f"{last}T00:00") + 86_400


def test_a_deadline_is_the_same_whatever_zone_the_moment_was_written_in() -> None:
    # 23:30 in Beijing, and still the same day or already another elsewhere.
    for text, zone in (
        ("2026-11-26T23:30", "+08:00"),
        ("2026-11-26T15:30", "+00:00"),
        ("2026-11-27T00:30", "+09:00"),
        ("2026-11-26T05:30", "-10:00"),
    ):
        assert working_days.end_of(moment(text, zone), 1) == moment("2026-11-28T00:00")


def test_the_calendar_day_is_beijings_even_where_the_moment_is_of_the_day_before() -> None:
    # 16:30 UTC on Thursday is Friday in Hainan: one working day on is Monday.
    deadline = working_days.end_of(moment("2026-11-26T16:30", "+00:00"), 1)
    assert working_days.last_day(deadline) == date(2026, 11, 30)


def test_years_without_a_notice_know_weekends_alone_and_say_so() -> None:
    assert working_days.known(date(2026, 12, 31))
    assert not working_days.known(date(2031, 10, 1))
    assert working_days.is_working(date(2031, 10, 1))  # a Wednesday, whatever day it will be
    assert not working_days.is_working(date(2031, 10, 4))


def test_every_kind_of_matter_has_a_limit() -> None:
    assert set(limits().answer) == set(Kind)
    assert limits().dispatch >= 1


MOMENTS = st.integers(int(moment("2025-12-01T00:00")), int(moment("2027-03-01T00:00"))).map(float)


@given(MOMENTS, st.integers(0, 40))
def test_there_are_as_many_working_days_to_a_deadline_as_were_given(at: float, days: int) -> None:
    deadline = working_days.end_of(at, days)
    assert deadline > at
    assert working_days.between(at, deadline - 1.0) == days
    if days:
        assert working_days.is_working(working_days.last_day(deadline))
        assert at < working_days.start_of_last(deadline) < deadline


@given(MOMENTS, st.integers(1, 20), st.integers(1, 20))
def test_days_add_up(at: float, first: int, more: int) -> None:
    together = working_days.end_of(at, first + more)
    assert working_days.end_of(working_days.end_of(at, first) - 1.0, more) == together
