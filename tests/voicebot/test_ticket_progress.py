"""A caller hears of his own tickets, and nobody else does."""

from datetime import date

import pytest
from sqlalchemy.orm import Session

from tests.voicebot.ticket_desk import DAY, MONDAY, act, opened
from voicebot.records.operations import start_call
from voicebot.tickets.progress import progress
from voicebot.tickets.states import Act, Status

CALLER = "13800138000"


def test_the_callers_tickets_are_found_by_the_number_he_calls_from(desk: Session) -> None:
    opened(desk, "C-0001-t1")
    opened(desk, "C-0002-t1", at=MONDAY + DAY, number="13900139000")
    act(desk, Act.DISPATCH, "C-0001-t1")
    (found,) = progress(desk, "", CALLER)
    assert (found.ticket, found.status, found.department) == (
        "C-0001-t1",
        Status.DISPATCHED,
        "市水务局",
    )
    assert found.last_day == date(2026, 11, 30)


def test_a_ticket_that_names_another_number_is_still_that_of_its_caller(desk: Session) -> None:
    start_call(desk, call_id="C1", caller=CALLER, did="12345", started_at=MONDAY, recording="")
    opened(desk, number="0898-66668888")
    assert [each.ticket for each in progress(desk, "", CALLER)] == ["C1-t1"]


@pytest.mark.parametrize(
    ("number", "caller", "found"),
    [
        ("2011", "8000", 1),  # the four digits that were told, and those of the telephone
        ("C-2026-0201-t1", "8000", 1),
        ("2011", "8001", 0),
        ("2012", "8000", 0),
        ("", "8000", 0),
        ("11", "8000", 0),
        ("2011", "", 0),
        ("2011", "80", 0),
        ("2011", "%", 0),
    ],
)
def test_from_another_telephone_both_numbers_are_needed(
    desk: Session, number: str, caller: str, found: int
) -> None:
    opened(desk, "C-2026-0201-t1")
    assert len(progress(desk, number, caller)) == found


def test_of_a_merged_ticket_the_main_ones_state_is_told(desk: Session) -> None:
    opened(desk, number="13900139000")
    opened(desk, "C2-t1")
    act(desk, Act.LINK, "C2-t1", main="C1-t1")
    act(desk, Act.DISPATCH)
    (found,) = progress(desk, "", CALLER)
    assert (found.ticket, found.status) == ("C2-t1", Status.DISPATCHED)
    act(desk, Act.ACCEPT)
    act(desk, Act.ANSWER)
    assert progress(desk, "", CALLER)[0].answer == "已修复。"


def test_a_caller_with_many_tickets_hears_of_the_newest(desk: Session) -> None:
    for each in range(7):
        opened(desk, f"C{each}-t1", at=MONDAY + each * DAY)
    assert [each.ticket for each in progress(desk, "", CALLER)] == [
        f"C{each}-t1" for each in (6, 5, 4, 3, 2)
    ]
