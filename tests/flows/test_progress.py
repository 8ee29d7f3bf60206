"""What became of a ticket: which words ask it, and that nothing is told to who may not hear it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import events as ev
from flows.actions import FindTickets, Handoff
from flows.events import TicketProgress, TicketsFound
from flows.progress import asked, progress_prompt
from flows.prompts import load_prompts
from flows.state import Phase
from tests.flows.scripted_call import Call, every, only, prompts

TICKET = TicketProgress("4711", "working", "海口市水务局", "十二月一号")


@pytest.mark.parametrize(
    "said",
    [
        "我上次反映的事怎么样了",
        "查一下工单",
        "帮我查一下我的投诉进度",
        "我之前投诉的那个单子处理得怎么样了",
        "我上周反映的路灯处理了没有",
        "我的工单办到哪一步了",
        "我前几天打电话反映的问题有没有结果",
        "问一下我投诉的处理结果",
    ],
)
def test_words_that_ask_what_became_of_a_ticket(said: str) -> None:
    assert asked(said)


@pytest.mark.parametrize(
    "said",
    [
        "怎么自己查工单进度",
        "我反映过的路灯坏了一直没有人来修",
        "我要投诉物业",
        "怎么投诉物业",
        "我报警的那个案子怎么样了",
        "路灯坏了什么时候能修好",
        "我要登记一件事",
        "我想反映一个情况",
        "",
    ],
)
def test_words_that_ask_something_else(said: str) -> None:
    assert not asked(said)


@given(st.text(max_size=80))
def test_nothing_said_breaks_it(said: str) -> None:
    asked(said)


def asking(**start: str) -> Call:
    call = Call(**start)  # type: ignore[arg-type]
    call.start()
    call.says("查一下工单")
    return call


def found(call: Call, *tickets: TicketProgress, failed: bool = False) -> list[str]:
    query = every(FindTickets, call.done)[-1].query
    return prompts(call.take(TicketsFound(call.after(0.1), query, tickets, failed)))


def test_the_tickets_of_the_calling_number_are_looked_for() -> None:
    call = asking()
    assert only(FindTickets, call.done).caller == "13800138000"
    assert found(call, TICKET) == ["progress_working"]
    assert call.state.phase is Phase.LISTENING


def test_a_withheld_number_shows_both_digits_and_no_number_is_sent() -> None:
    call = asking(caller="anonymous")
    assert every(FindTickets, call.done) == []
    call.hear_out()
    call.says("四七一一")
    call.hear_out()
    call.says("八零零零")
    search = only(FindTickets, call.done)
    assert (search.caller, search.tail, search.phone_tail) == ("", "4711", "8000")


def test_digits_may_be_said_in_parts() -> None:
    call = asking(caller="anonymous")
    call.hear_out()
    call.says("四七")
    assert call.state.phase is Phase.PROGRESS_TICKET
    call.says("一一")
    assert call.state.phase is Phase.PROGRESS_PHONE


def test_records_that_cannot_be_read_bring_a_person() -> None:
    call = asking()
    found(call, failed=True)
    assert only(Handoff, call.done).routes[0].destination == "seat"


def test_a_search_without_an_answer_brings_a_person() -> None:
    call = asking()
    call.is_silent(4.2)
    assert only(Handoff, call.done).routes[0].destination == "seat"


def test_an_answer_to_another_search_says_nothing() -> None:
    call = asking()
    assert call.take(TicketsFound(call.after(0.1), "other", (TICKET,))) == ()


def test_an_answer_that_comes_after_danger_says_nothing() -> None:
    call = asking()
    call.says("我家着火了")
    assert only(Handoff, call.done).routes[0].kind == "110"
    assert found(call, TICKET) == []


def test_danger_is_asked_about_first_and_the_search_forgotten() -> None:
    call = asking()
    call.says("有点怕")
    assert found(call, TICKET) == []
    call.hear_out()
    call.says("没有")
    assert call.state.phase is Phase.LISTENING


@pytest.mark.parametrize("keys", ["110", "119", "120"])
def test_an_emergency_number_that_is_keyed_and_not_gone_on_with_is_a_call_for_help(
    keys: str,
) -> None:
    call = asking(caller="anonymous")
    call.hear_out()
    call.presses(keys)
    assert every(Handoff, call.done) == []
    call.is_silent(3.0)
    assert only(Handoff, call.done).reason == "requested_police"


def test_each_state_has_its_words_and_tells_nothing_of_the_matter() -> None:
    wording = load_prompts()
    for status in (
        "created", "dispatched", "accepted", "working", "answered", "closed", "returned",
        "disputed", "suspended", "merged", "withdrawn", "escalated", "of a later version",
    ):  # fmt: skip
        for overdue in (False, True):
            prompt = wording[progress_prompt(TicketProgress("4711", status, overdue=overdue))]
            assert prompt.blanks <= {"ticket", "department", "due"}
            assert "ticket" in prompt.blanks


def test_a_key_goes_on_to_be_110_where_no_digit_is_asked_for() -> None:
    call = asking()
    found(call, TICKET)
    call.take(ev.KeyPressed(call.after(0.2), "1"))
    assert only(Handoff, call.done).reason == "requested_police"
