"""A ticket is opened by its call, whose writes may come late, twice and in any order."""

import itertools
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.voicebot.ticket_desk import DAY, MONDAY, act, opened, steps
from voicebot.records.operations import OPERATIONS
from voicebot.records.tables import TicketRow
from voicebot.tickets.states import Act

DRAFT = {"at": MONDAY, "matter": "路灯坏了", "place": "", "number": ""}
MORE = {"at": MONDAY + 20, "matter": "路灯坏了", "place": "和平大道", "number": ""}
LAST = {"at": MONDAY + 40, "matter": "路灯坏了", "place": "和平大道", "number": "13800138000"}


@pytest.mark.parametrize("order", list(itertools.permutations([DRAFT, MORE, LAST])))
def test_whatever_order_writes_come_in_the_newest_words_stand(
    desk: Session, order: tuple[dict[str, Any], ...]
) -> None:
    for values in (*order, *order):
        OPERATIONS["save_ticket"](desk, ticket="C-2026-1234-t1", call_id="C-2026-1234", **values)
    row = desk.get_one(TicketRow, "C-2026-1234-t1")
    assert (row.place, row.number, row.created_at) == ("和平大道", "13800138000", MONDAY)
    assert (row.status, row.version, row.tail) == ("created", 1, "2341")
    assert [step.act for step in steps(desk, row.id)] == ["create"]


def test_a_ticket_that_its_caller_does_not_want_is_withdrawn(desk: Session) -> None:
    opened(desk)
    row = opened(desk, at=MONDAY + 20, withdrawn=True)
    opened(desk, at=MONDAY + 20, withdrawn=True)
    assert (row.status, row.matter) == ("withdrawn", "路灯坏了")
    assert row.awaited_by is row.remind_at is None
    assert [(s.act, s.who) for s in steps(desk)] == [
        ("create", "来电人"),
        ("withdraw", "来电人"),
    ]


def test_a_withdrawal_that_comes_before_its_draft_stands(desk: Session) -> None:
    opened(desk, at=MONDAY + 20, withdrawn=True)
    row = opened(desk)
    assert (row.status, row.created_at) == ("withdrawn", MONDAY)


def test_words_that_come_late_reach_a_ticket_that_people_have_in_hand(desk: Session) -> None:
    opened(desk)
    act(desk, Act.DISPATCH, at=MONDAY + DAY)
    row = opened(desk, at=MONDAY + 20, place="海秀路", department="市城管局", region="460105")
    assert row.place == "海秀路"
    assert (row.status, row.department, row.region) == ("dispatched", "市水务局", "460106")


def test_what_a_ticket_does_not_have_is_refused(desk: Session) -> None:
    with pytest.raises(ValueError, match="no colour"):
        opened(desk, colour="red")
