"""Taking down a work order: matter, place, name, number read back, written, announced."""

from __future__ import annotations

import pytest

from flows import events as ev
from flows.actions import Handoff, OpenTicket, Say
from flows.events import LegState
from flows.state import Phase
from tests.flows.scripted_call import Call, every, only, outcome, prompts


def ticket_of(caller: str = "13800138000") -> Call:
    call = Call(caller=caller)
    call.start()
    call.asks("路灯坏了", decision="none")
    call.hear_out()
    return call


@pytest.fixture
def call() -> Call:
    return ticket_of()


@pytest.fixture
def at_number(call: Call) -> Call:
    call.written()
    call.says("海口龙华区")
    call.hear_out()
    call.says("我姓王")
    call.hear_out()
    return call


def spoken_number(call: Call) -> str:
    return [say for say in every(Say, call.done) if say.prompt == "ticket_number"][-1].values[
        "number"
    ]


def test_a_ticket_is_taken_down_read_back_written_and_then_announced() -> None:
    call = Call()
    call.start()
    actions = call.asks("路灯坏了", decision="none")
    draft = only(OpenTicket, actions)
    assert (draft.matter, draft.number) == ("路灯坏了", "13800138000")
    assert prompts(actions) == ["ticket_place"]
    assert call.written(draft.ticket) == ()
    call.hear_out()
    assert prompts(call.says("海口龙华区")) == ["ticket_name"]
    call.hear_out()
    assert prompts(call.says("我姓王")) == ["ticket_summary", "ticket_number"]
    assert spoken_number(call) == "幺三八零零幺三八零零零"
    call.hear_out()
    actions = call.says("对的")
    ticket = only(OpenTicket, actions)
    assert (ticket.ticket, ticket.place, ticket.name) == (draft.ticket, "海口龙华区", "王")
    assert prompts(actions) == []
    assert prompts(call.written()) == ["ticket_done"]
    call.hear_out()
    assert prompts(call.says("没有了谢谢")) == ["goodbye"]
    assert outcome(call.hear_out()) == "ticket"


def test_the_late_confirmation_of_the_draft_does_not_announce_the_ticket(call: Call) -> None:
    call.says("海口")
    call.says("我姓王")
    call.says("对")
    assert call.written() == ()
    assert prompts(call.written()) == ["ticket_done"]


def test_the_ticket_s_tail_is_what_its_number_ends_in(at_number: Call) -> None:
    at_number.says("对")
    assert only(Say, at_number.written()).values["ticket"] == "幺幺"  # c1-t1


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_caller_who_hangs_up_in_the_middle_leaves_a_ticket(call: Call, turns: int) -> None:
    call.written()
    for words in ("海口龙华区", "我姓王")[: turns - 1]:
        call.says(words)
    actions = call.hangs_up()
    ticket = only(OpenTicket, actions)
    assert ticket.matter == "路灯坏了"
    assert ticket.place == ("海口龙华区" if turns > 1 else "")
    assert outcome(actions) == "ticket"


def test_a_write_confirmed_after_the_call_counts_in_the_figures(call: Call) -> None:
    call.hangs_up()
    call.written()
    assert call.state.outcome == "ticket"


def test_a_complete_ticket_is_not_written_again_at_the_end(at_number: Call) -> None:
    at_number.says("对")
    at_number.written()
    assert every(OpenTicket, at_number.hangs_up()) == []


def test_another_number_is_said_in_groups_and_read_back(at_number: Call) -> None:
    assert prompts(at_number.says("不对")) == ["ticket_other_number"]
    at_number.hear_out()
    assert prompts(at_number.says("幺三九")) == []
    assert prompts(at_number.says("八七六五")) == []
    assert prompts(at_number.says("四三二幺")) == ["ticket_number"]
    assert spoken_number(at_number) == "幺三九八七六五四三二幺"
    assert only(OpenTicket, at_number.says("对")).number == "13987654321"


def test_a_number_can_be_corrected_in_one_breath(at_number: Call) -> None:
    assert prompts(at_number.says("不对是13987654321")) == ["ticket_number"]
    assert only(OpenTicket, at_number.says("嗯对")).number == "13987654321"


def test_another_number_can_be_keyed_in(at_number: Call) -> None:
    at_number.says("换一个")
    assert prompts(at_number.presses("13987654321")) == ["ticket_number"]
    assert spoken_number(at_number) == "幺三九八七六五四三二幺"


def test_star_begins_the_keying_again(at_number: Call) -> None:
    at_number.says("换一个")
    at_number.presses("1398*")
    assert prompts(at_number.presses("13987654321"))[-1] == "ticket_number"


@pytest.mark.parametrize(("key", "kind"), [("1", "110"), ("0", "seat")])
def test_a_lone_key_and_a_long_pause_is_the_menu_even_there(
    at_number: Call, key: str, kind: str
) -> None:
    at_number.says("换一个")
    at_number.hear_out()
    assert at_number.presses(key) == ()
    assert prompts(at_number.is_silent()) == ["ticket_more_digits"]
    at_number.hear_out()
    assert only(Handoff, at_number.is_silent()).routes[0].kind == kind


def test_keying_110_is_110_even_there(at_number: Call) -> None:
    at_number.says("换一个")
    assert only(Handoff, at_number.presses("110")).routes[0].kind == "110"


@pytest.mark.parametrize("caller", ["", "anonymous", "unknown"])
def test_a_withheld_number_is_asked_for(caller: str) -> None:
    call = ticket_of(caller)
    call.says("海口")
    assert prompts(call.says("我姓王")) == ["ticket_summary", "ticket_other_number"]
    call.hear_out()
    assert only(OpenTicket, call.says("没有")).number == ""
    call.written()
    assert prompts(call.written()) == ["ticket_no_number"]


def test_the_country_code_is_not_read_out() -> None:
    call = ticket_of("+8613800138000")
    call.says("海口")
    call.says("我姓王")
    assert spoken_number(call) == "幺三八零零幺三八零零零"


def test_an_unclear_reply_to_the_number_is_asked_again_once(at_number: Call) -> None:
    assert prompts(at_number.says("什么东西")) == ["ticket_number"]
    at_number.hear_out()
    assert only(OpenTicket, at_number.says("什么东西"))


def test_a_ticket_that_cannot_be_saved_goes_to_a_human(at_number: Call) -> None:
    at_number.says("对")
    actions = at_number.written(ok=False)
    assert only(Handoff, actions).reason == "ticket_not_written"
    assert prompts(at_number.written(ok=False)) == ["ticket_unsaved"]
    assert prompts(at_number.leg(LegState.BUSY)) == ["not_recorded"]


def test_a_write_that_is_never_confirmed_goes_to_a_human(at_number: Call) -> None:
    at_number.says("对")
    actions = at_number.is_silent()
    assert only(Handoff, actions).reason == "ticket_not_written"
    assert prompts(actions) == ["ticket_unsaved"]


def test_the_question_is_repeated_to_a_silent_caller_and_then_a_human_comes(call: Call) -> None:
    assert prompts(call.is_silent()) == ["ticket_where"]
    call.hear_out()
    assert prompts(call.is_silent()) == ["are_you_there"]
    call.hear_out()
    assert only(Handoff, call.is_silent()).reason == "silent_caller"


def test_without_a_free_seat_the_ticket_goes_on_where_it_was(at_number: Call) -> None:
    at_number.says("我要人工")
    assert prompts(at_number.leg(LegState.BUSY)) == ["human_busy", "ticket_number"]
    at_number.hear_out()
    assert only(OpenTicket, at_number.says("对")).name == "王"


def test_a_line_that_stays_silent_ends_with_its_ticket_written(call: Call) -> None:
    """Neither the caller nor a seat ever answers: the line must not be held for ever."""
    actions: list[object] = []
    for _ in range(20):
        actions += call.is_silent()
        if call.state.phase is Phase.ENDED:
            break
        actions += call.hear_out()
        if call.state.phase is Phase.HANDING_OFF:
            actions += call.leg(LegState.NO_ANSWER)
        if call.state.phase is Phase.TICKET_WRITING:
            while call.state.ticket is not None and call.state.ticket.writes:
                actions += call.written()
    assert call.state.phase is Phase.ENDED
    assert call.state.outcome == "ticket"


def test_after_a_complete_ticket_a_busy_seat_means_a_call_back(at_number: Call) -> None:
    at_number.says("对")
    at_number.written()
    at_number.hear_out()
    at_number.presses("0")
    actions = at_number.leg(LegState.BUSY)
    again = only(OpenTicket, actions)
    assert (again.ticket, again.number) == ("c1-t2", "13800138000")


def test_two_matters_make_two_tickets(at_number: Call) -> None:
    at_number.says("对")
    at_number.written()
    at_number.hear_out()
    assert only(OpenTicket, at_number.asks("下水道堵了", decision="none")).ticket == "c1-t2"


def test_writing_survives_the_question_about_danger(at_number: Call) -> None:
    at_number.says("对")
    assert prompts(at_number.says("那个人又来了")) == ["ask_danger"]
    assert prompts(at_number.written()) == []
    at_number.hear_out()
    assert prompts(at_number.says("没有没有")) == ["ticket_done"]


def test_an_ordinary_police_matter_that_comes_up_goes_to_110(call: Call) -> None:
    assert prompts(call.says("我手机被偷了")) == ["offer_110"]
    call.hear_out()
    assert only(Handoff, call.says("行")).reason == "police_matter"


def test_a_caller_may_stay_anonymous(call: Call) -> None:
    call.says("海口")
    call.says("我不方便说")
    assert call.state.ticket is not None
    assert call.state.ticket.name == "匿名"


@pytest.mark.parametrize(
    "said",
    [
        "请替我保密",
        "海口龙华区，请替我保密",
        "地址说错了，是龙华区，请替我保密",
        "请替我保密，就这样吧再见",
    ],
)
def test_a_wish_for_confidentiality_is_written_in_the_turn_that_says_it(
    call: Call, said: str
) -> None:
    assert only(OpenTicket, call.says(said)).confidential
    call.hear_out()
    assert all(ticket.confidential for ticket in every(OpenTicket, call.says("你好")))


def test_a_wish_that_is_taken_back_is_written_as_well(call: Call) -> None:
    call.says("请替我保密")
    call.hear_out()
    assert not only(OpenTicket, call.says("不用保密了")).confidential


def test_a_ticket_is_written_with_the_place_s_code(monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import jurisdiction
    from tests.flows.scripted_call import resolve_place

    monkeypatch.setattr(jurisdiction, "resolve", resolve_place)
    call = ticket_of()
    call.says("在三亚")
    assert only(OpenTicket, call.take(ev.HungUp(call.at))).region == "460200"


# ── the number, said and keyed ────────────────────────────────────────────────────


@pytest.fixture
def other(at_number: Call) -> Call:
    """Another number is asked for."""
    at_number.says("换一个")
    at_number.hear_out()
    return at_number


@pytest.mark.parametrize("number", ["65301231", "089865301231", "4001234561", "13912345671"])
@pytest.mark.parametrize("end", ["pause", "#"])
def test_no_key_of_a_number_is_left_over_for_the_menu(other: Call, number: str, end: str) -> None:
    actions = list(other.presses(number))
    actions += other.presses("#") if end == "#" else other.is_silent(2.4)
    assert prompts(actions) == ["ticket_number"]
    assert every(Handoff, other.done) == []
    other.hear_out()
    assert only(OpenTicket, other.says("对")).number == number


def test_keys_stay_digits_while_a_number_is_read_back(other: Call) -> None:
    other.presses("6530123")
    assert prompts(other.is_silent(2.4)) == ["ticket_number"]
    assert prompts(other.presses("1")) == ["ticket_number"]  # a slow finger
    assert every(Handoff, other.done) == []
    assert spoken_number(other) == "六五三零幺二三幺"


def test_another_number_may_be_keyed_without_a_word(at_number: Call) -> None:
    """While the caller's own number is read back; its first digit is a 1 and no menu."""
    assert prompts(at_number.presses("13987654321")) == ["ticket_number"]
    assert every(Handoff, at_number.done) == []
    at_number.hear_out()
    assert only(OpenTicket, at_number.says("对")).number == "13987654321"


def test_a_single_key_does_not_lose_the_number_that_was_read_back(at_number: Call) -> None:
    assert at_number.presses("1") == ()
    assert only(OpenTicket, at_number.says("对")).number == "13800138000"


def test_the_gate_key_confirms_a_number_that_was_heard(other: Call) -> None:
    other.presses("65301231")
    assert other.presses("#") == ()
    other.hear_out()
    assert only(OpenTicket, other.presses("#")).number == "65301231"


def test_a_slow_finger_is_waited_for(other: Call) -> None:
    for key in "13":
        other.presses(key)
        assert every(Handoff, other.is_silent(2.4)) == []
    assert prompts(other.presses("987654321"))[-1] == "ticket_number"


def test_a_key_after_a_whole_number_never_dials_110(other: Call) -> None:
    other.presses("13987654321")
    other.hear_out()
    other.presses("1")
    for _ in range(4):
        other.is_silent()
        other.hear_out()
    assert all(
        route.kind == "seat" for handed in every(Handoff, other.done) for route in handed.routes
    )


def test_counting_words_are_no_digits(other: Call) -> None:
    assert prompts(other.says("另外一个号码是幺三九八七六五四三二幺")) == ["ticket_number"]
    assert spoken_number(other) == "幺三九八七六五四三二幺"


def test_pauses_between_spoken_groups_lose_no_digit(other: Call) -> None:
    other.says("幺三九")
    assert prompts(other.is_silent()) == ["ticket_more_digits"]
    other.hear_out()
    other.says("八七六五")
    other.is_silent()
    other.hear_out()
    assert prompts(other.says("四三二幺")) == ["ticket_number"]
    assert spoken_number(other) == "幺三九八七六五四三二幺"


def test_a_landline_in_groups_is_read_back_with_its_last_digit(other: Call) -> None:
    other.says("六五三零")
    assert prompts(other.says("幺二三")) == []  # seven digits may go on
    assert prompts(other.says("四")) == ["ticket_number"]
    assert spoken_number(other) == "六五三零幺二三四"


@pytest.mark.parametrize(
    "reply", ["对幺三九八七六五四三二幺", "是的四三二幺", "幺三九八七六五四三二幺"]
)
def test_the_same_number_again_is_a_yes(other: Call, reply: str) -> None:
    other.says("幺三九八七六五四三二幺")
    other.hear_out()
    assert only(OpenTicket, other.says(reply)).number == "13987654321"


@pytest.mark.parametrize(
    "reply", ["就打这个", "打这个电话就行", "对的就是这个号码", "好的，另外我还想投诉", "没有错"]
)
def test_this_number_will_do(at_number: Call, reply: str) -> None:
    assert only(OpenTicket, at_number.says(reply)).number == "13800138000"


def test_who_wants_no_call_gets_none(at_number: Call) -> None:
    assert only(OpenTicket, at_number.says("不用回电话")).number == ""


def test_too_many_digits_are_asked_for_anew(other: Call) -> None:
    assert prompts(other.says("幺三九八七六五四三二幺零")) == ["ticket_other_number"]
    assert prompts(other.says("幺三九八七六五四三二幺")) == ["ticket_number"]


def test_by_sound_alone_a_ticket_has_words_and_what_is_read_back_is_confirmed() -> None:
    call = Call()
    call.start()
    call.fails("transcriber")
    call.says_by_sound("路灯坏了")
    call.knows("路灯坏了", decision="none")
    call.written()
    call.hear_out()
    call.says_by_sound("海口龙华区")
    call.hear_out()
    assert prompts(call.says_by_sound("我姓王")) == ["ticket_summary", "ticket_number"]
    call.hear_out()
    ticket = only(OpenTicket, call.says_by_sound("对的"))
    assert (ticket.matter, ticket.place, ticket.name) == ("路灯坏了", "海口龙华区", "王")
    assert prompts(call.written()) == ["ticket_done"]
