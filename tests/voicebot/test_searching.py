"""Calls and hand-offs are found in pages, the newest first, and nothing is passed over."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from voicebot.records import searching
from voicebot.records.searching import CallQuery, HandoffQuery, search_calls, search_handoffs
from voicebot.records.tables import CallRow, HandoffRow, TicketRow, TurnRow
from voicebot.web.access import Refusal
from voicebot.web.paging import read_key, write_key

NOON = 1_795_500_000.0


def call(session: Session, id_: str, at: float = NOON, **values: Any) -> None:
    usual = {"caller": "13800138000", "did": "12345", "outcome": "answered", "recording": "",
             "ended_at": at + 60}  # fmt: skip
    session.add(CallRow(id=id_, started_at=at, **{**usual, **values}))


def handed(session: Session, call_id: str, at: float = NOON, **values: Any) -> None:
    usual = {"destination": "110-460100", "lines": [], "flags": [], "reason": "danger",
             "evidence": ["着火"], "state": "confirmed", "state_at": at, "dossier": {},
             "revision": 1}  # fmt: skip
    row = {"id": f"{call_id}-h1", "call_id": call_id, "requested_at": at}
    session.add(HandoffRow(**{**row, **usual, **values}))


def said(session: Session, call_id: str, text: str, seq: int = 0) -> None:
    session.add(TurnRow(call_id=call_id, seq=seq, side="caller", text=text, start=seq, end=seq + 1))


def ids(page: searching.Page) -> list[str]:
    return [each.get("call_id") or each["id"] for each in page.rows]


def all_pages(session: Session, query: CallQuery, limit: int) -> list[str]:
    found, after = [], None
    while True:
        page = search_calls(session, query, after=after, limit=limit)
        found += ids(page)
        if page.next is None:
            return found
        assert page.next != after
        after = page.next


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_pages_together_are_all_calls_once_also_those_of_one_moment(
    desk: Session, limit: int
) -> None:
    for number in range(7):
        call(desk, f"c{number}", NOON + number // 3)
    desk.flush()
    assert all_pages(desk, CallQuery(), limit) == ["c6", "c5", "c4", "c3", "c2", "c1", "c0"]


def test_by_line_number_outcome_and_time(desk: Session) -> None:
    call(desk, "a")
    call(desk, "b", NOON + 10, did="12333")
    call(desk, "c", NOON + 20, caller="13900139000")
    call(desk, "d", NOON + 30, outcome="ticket")
    desk.flush()
    assert all_pages(desk, CallQuery(did="12333"), 5) == ["b"]
    assert all_pages(desk, CallQuery(number="13900139000"), 5) == ["c"]
    assert all_pages(desk, CallQuery(outcome="ticket"), 5) == ["d"]
    assert all_pages(desk, CallQuery(since=NOON + 10, until=NOON + 30), 5) == ["c", "b"]


def test_by_words_with_the_turn_that_has_them(desk: Session) -> None:
    call(desk, "a")
    call(desk, "b", NOON + 1)
    said(desk, "a", "路灯坏了")
    said(desk, "a", "我被困在电梯里", 1)
    said(desk, "b", "100%的把握")
    desk.flush()
    (found,) = search_calls(desk, CallQuery(text="被困")).rows
    assert (found["call_id"], found["excerpt"]) == ("a", "我被困在电梯里")
    assert ids(search_calls(desk, CallQuery(text="0%"))) == ["b"], "no wildcard"
    assert ids(search_calls(desk, CallQuery(text="_"))) == []


def test_a_page_of_a_rare_word_ends_where_it_has_looked_and_the_next_goes_on(
    desk: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "SCANNED_FOR_WORDS", 3)
    for number in range(8):
        call(desk, f"c{number}", NOON + number)
    said(desk, "c0", "外星人来了")
    desk.flush()
    first = search_calls(desk, CallQuery(text="外星人"))
    assert (first.rows, first.next) == ((), (NOON + 5, "c5"))
    assert all_pages(desk, CallQuery(text="外星人"), 50) == ["c0"]


def test_why_a_call_was_transferred_stands_beside_it(desk: Session) -> None:
    call(desk, "a")
    call(desk, "b", NOON + 1)
    handed(desk, "a", category=3)
    desk.flush()
    (found,) = search_calls(desk, CallQuery(transferred=True)).rows
    assert found["call_id"] == "a"
    assert found["handoffs"] == [
        {"id": "a-h1", "reason": "danger", "category": 3, "state": "confirmed",
         "destination": "110-460100"}
    ]  # fmt: skip


def test_confidential_calls_are_marked_and_left_out_where_they_would_be_found_by_number(
    desk: Session,
) -> None:
    for name in "ab":
        call(desk, name)
    values = {"matter": "", "number": "", "created_at": NOON, "updated_at": NOON}
    desk.add(TicketRow(id="a-t1", call_id="a", confidential=True, **values))
    desk.add(TicketRow(id="b-t1", call_id="b", confidential=False, **values))
    desk.flush()
    found = {each["call_id"]: each["confidential"] for each in search_calls(desk, CallQuery()).rows}
    assert found == {"a": True, "b": False}
    assert ids(search_calls(desk, CallQuery(number="13800138000", open_alone=True))) == ["b"]


def test_hand_offs_by_state_reason_and_destination(desk: Session) -> None:
    call(desk, "a")
    handed(desk, "a")
    handed(desk, "b", NOON + 1, destination="seat", reason="requested_human", state="busy")
    desk.flush()

    def found(**values: Any) -> list[str]:
        return [each["id"] for each in search_handoffs(desk, HandoffQuery(**values)).rows]

    assert found() == ["b-h1", "a-h1"]
    assert found(state="busy") == ["b-h1"]
    assert found(reason="danger") == ["a-h1"]
    assert found(destination="110") == ["a-h1"]
    page = search_handoffs(desk, HandoffQuery(), limit=1)
    after = search_handoffs(desk, HandoffQuery(), after=page.next, limit=1)
    assert [each["id"] for each in (*page.rows, *after.rows)] == ["b-h1", "a-h1"]
    (whole,) = search_handoffs(desk, HandoffQuery(reason="danger")).rows
    assert (whole["caller"], whole["did"]) == ("13800138000", "12345")
    assert "dossier" not in whole


def test_hand_offs_that_are_open_are_those_whose_caller_may_still_be_there(desk: Session) -> None:
    call(desk, "over")
    call(desk, "on", ended_at=None)
    handed(desk, "over")
    handed(desk, "on", NOON + 1)
    handed(desk, "spooled", NOON + 2, state="requested")
    handed(desk, "tried", NOON + 3, state="no_answer")
    desk.flush()
    found = searching.open_handoffs(desk, NOON - 60)
    assert [each["id"] for each in found] == ["spooled-h1", "on-h1"]
    assert [each["call_id"] for each in searching.running_calls(desk, NOON - 60)] == ["on"]


@given(st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.text()))
def test_a_key_stands_in_an_address_and_is_read_back(key: tuple[float, str]) -> None:
    text = write_key(key)
    assert text is not None
    assert read_key(text) == key


@pytest.mark.parametrize("text", ["x", "1.0", "x~y"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        read_key(text)
