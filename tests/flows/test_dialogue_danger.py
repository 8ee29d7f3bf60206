"""The question about danger: when it is put, what answers it, and what outlives the call."""

from __future__ import annotations

import pytest

from flows import jurisdiction
from flows.actions import Decide, Handoff, OpenTicket, UpdateDossier
from flows.events import LegState
from flows.state import Phase
from tests.flows.scripted_call import (
    Call,
    every,
    final_search,
    only,
    outcome,
    prompts,
    resolve_place,
)

POLICE = "110"
QUESTION = "公积金怎么提取"


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jurisdiction, "resolve", resolve_place)


@pytest.fixture
def cleared(call: Call) -> Call:
    """Asked once, and clearly denied."""
    call.says("那个人在门口")
    call.hear_out()
    call.says("没有")
    call.knows("那个人在门口", ("x-1", 0.8), turn=1)
    call.hear_out()
    return call


def first_route(actions: tuple[object, ...]) -> str:
    return only(Handoff, actions).routes[0].kind  # type: ignore[arg-type]


# ── after a no ────────────────────────────────────────────────────────────────────


def test_a_new_doubt_in_a_later_turn_is_asked_about_again(cleared: Call) -> None:
    assert prompts(cleared.says("吵得厉害")) == ["ask_danger"]


def test_a_doubt_that_was_denied_is_not_asked_about_for_ever(cleared: Call) -> None:
    cleared.asks(QUESTION, ("gjj-1", 0.9))
    cleared.hear_out()
    assert final_search(cleared.says("社保呢")).text == "社保呢"


def test_who_was_asked_often_enough_is_left_to_a_human_and_not_to_a_ticket(cleared: Call) -> None:
    cleared.says("吵得厉害")
    cleared.hear_out()
    cleared.says("没有")
    cleared.knows("吵得厉害", ("x-1", 0.8), turn=3)
    cleared.hear_out()
    actions = cleared.says("有点怕")
    handoff = only(Handoff, actions)
    assert (handoff.reason, handoff.routes[0].kind) == ("danger_doubt", "seat")
    assert prompts(cleared.written()) == ["doubt_human"]
    assert first_route(cleared.leg(LegState.BUSY)) == POLICE


def test_danger_that_a_late_transcription_brings_counts_after_the_no(cleared: Call) -> None:
    assert only(Handoff, cleared.final("他拿刀在门口", turn=1)).reason == "danger"


def test_two_doubts_that_were_denied_make_no_certainty_together(cleared: Call) -> None:
    cleared.says("吵得厉害")
    cleared.hear_out()
    cleared.begins()
    cleared.ends()
    assert every(Handoff, cleared.final("没有")) == []
    assert every(Handoff, cleared.listener("没有", final=True)) == []  # the other ear is late
    assert every(Handoff, cleared.final("那个人在门口", turn=1)) == []


def test_a_no_that_its_late_transcription_takes_back_was_none(call: Call) -> None:
    call.says("那个人在门口")
    call.hear_out()
    call.begins()
    call.partial("没有")
    call.ends()
    call.is_silent()  # the final is not waited for any longer
    assert call.state.phase is not Phase.CONFIRMING_DANGER
    assert only(Handoff, call.final("没有但是他在砸门")).reason == "danger"


# ── what a no may be followed by ──────────────────────────────────────────────────


@pytest.fixture
def asked(call: Call) -> Call:
    call.says("那个人在门口")
    call.hear_out()
    return call


@pytest.mark.parametrize(
    "reply",
    ["没有，我就是想登记一下", "没有啊怎么了", "我没有危险", "没有，都正常", "没，没有"],
)
def test_an_honest_no_gets_the_caller_s_own_words_their_reply(asked: Call, reply: str) -> None:
    assert final_search(asked.says(reply)).text == "那个人在门口"


@pytest.mark.parametrize("reply", ["没有，公积金怎么提取", "没有公积金怎么提取"])
def test_a_question_that_comes_with_the_no_is_the_question(asked: Call, reply: str) -> None:
    search = final_search(asked.says(reply))
    assert search.text == QUESTION
    assert prompts(asked.knows(QUESTION, ("gjj-1", 0.9))) == ["entry:gjj-1"]


def test_a_matter_that_comes_with_the_no_is_told_with_what_was_said_before(asked: Call) -> None:
    assert final_search(asked.says("没有，路灯坏了")).text == "那个人在门口路灯坏了"


def test_a_person_who_is_asked_for_with_the_no_comes(asked: Call) -> None:
    assert only(Handoff, asked.says("没有，我要转人工")).reason == "requested_human"


@pytest.mark.parametrize(
    "reply", ["没有但是有人受伤", "没有，我家着火", "没有，那个人还在", "没有，我有点怕"]
)
def test_a_no_with_danger_beside_it_is_none(asked: Call, reply: str) -> None:
    assert only(Handoff, asked.says(reply)).routes[0].kind == POLICE


def test_in_a_ticket_the_no_goes_back_to_its_question(call: Call) -> None:
    call.asks("路灯坏了", decision="none")
    call.hear_out()
    assert prompts(call.says("那个人在三亚")) == ["ask_danger"]
    call.hear_out()
    assert prompts(call.says("没有，我就是想登记一下")) == ["ticket_name"]


def test_who_does_not_catch_the_question_hears_it_once_more_and_once_only(asked: Call) -> None:
    assert prompts(asked.says("你说什么")) == ["ask_danger"]
    asked.hear_out()
    assert only(Handoff, asked.says("什么")).reason == "danger"


# ── talking on over the question ──────────────────────────────────────────────────


@pytest.fixture
def asking(call: Call) -> Call:
    """The question has only just begun to be heard."""
    call.says("那个人")
    call.being_heard()
    return call


def test_a_sentence_that_goes_on_over_the_question_is_judged_whole(asking: Call) -> None:
    actions = asking.says("上次说的补贴")  # the whole of it is still in doubt
    assert every(Handoff, actions) == []
    assert asking.state.phase is Phase.CONFIRMING_DANGER
    asking.hear_out()
    assert final_search(asking.says("没有")).text == "那个人上次说的补贴"


def test_a_doubt_that_the_rest_of_the_sentence_dispels_needs_no_answer() -> None:
    call = Call()
    call.start()
    call.says("有点怕")
    call.being_heard()
    search = final_search(call.says("麻烦的补贴"))  # 有点怕麻烦: no doubt any more
    assert search.text == "有点怕麻烦的补贴"
    assert call.state.phase is Phase.LISTENING
    assert "no_danger" in [decided.what for decided in every(Decide, call.done)]


def test_danger_in_the_rest_of_the_sentence_hands_off_at_once(asking: Call) -> None:
    asking.begins()
    assert only(Handoff, asking.partial("他拿刀")).reason == "danger"


def test_a_no_that_was_said_before_the_question_was_heard_answers_nothing(asking: Call) -> None:
    assert every(Handoff, asking.says("没有")) == []
    assert asking.state.phase is Phase.CONFIRMING_DANGER


def test_silence_after_talking_on_is_still_a_yes(asking: Call) -> None:
    asking.says("上次说的")
    asking.hear_out()
    assert only(Handoff, asking.is_silent()).reason == "danger"


# ── danger outlives seat, voice and caller ────────────────────────────────────────


def test_doubt_that_nobody_has_asked_about_goes_to_110_when_no_ear_is_left(call: Call) -> None:
    call.begins()
    call.partial("那个人在门口")
    assert call.state.phase is not Phase.CONFIRMING_DANGER
    call.fails("listener")
    assert first_route(call.fails("transcriber")) == POLICE


@pytest.fixture
def alarmed(call: Call) -> Call:
    """A seat has the call, and danger came up."""
    call.says("转人工")
    call.leg(LegState.CONFIRMED)
    call.begins()
    call.partial("他拿刀")
    return call


@pytest.mark.parametrize("reason", ["", "lost"])
def test_danger_told_to_a_seat_goes_to_110_when_the_seat_is_gone(
    alarmed: Call, reason: str
) -> None:
    assert first_route(alarmed.leg(LegState.ENDED, reason=reason)) == POLICE
    assert alarmed.state.phase is Phase.HANDING_OFF


def test_danger_told_to_a_seat_leaves_a_police_order_when_the_caller_is_gone(
    alarmed: Call,
) -> None:
    actions = alarmed.hangs_up()
    assert first_route(actions) == POLICE
    assert only(UpdateDossier, actions).note == "中断"


def test_doubt_that_came_up_in_the_queue_is_asked_about_when_no_seat_is_free(call: Call) -> None:
    call.says("转人工")
    call.says("那个人在门口")
    assert prompts(call.leg(LegState.BUSY)) == ["ask_danger"]
    call.hear_out()
    assert only(Handoff, call.is_silent()).reason == "danger"


def test_a_voice_that_fails_at_the_question_leaves_it_unanswered(call: Call) -> None:
    call.says("那个人在门口")
    assert only(Handoff, call.fails("speech")).reason == "danger"


@pytest.mark.parametrize("ended", [True, False], ids=["turn over", "in mid-sentence"])
def test_hanging_up_on_a_doubt_that_nobody_denied_leaves_a_police_order(
    call: Call, ended: bool
) -> None:
    call.begins()
    call.partial("那个人在门口")
    if ended:
        call.ends()
    actions = call.hangs_up()
    assert only(Handoff, actions).reason == "danger"
    assert only(UpdateDossier, actions).note == "中断"
    assert "interrupted" in only(UpdateDossier, actions).flags


def test_doubt_in_words_that_come_after_the_reply_is_asked_about_at_once(call: Call) -> None:
    call.begins()
    call.partial("请问")
    call.ends()
    call.is_silent(6.0)
    assert call.state.handled == call.turn
    assert prompts(call.final("那个人在门口")) == ["ask_danger"]
    call.hear_out()
    assert only(Handoff, call.is_silent()).reason == "danger"


def test_hanging_up_after_a_clear_no_leaves_none(cleared: Call) -> None:
    actions = cleared.hangs_up()
    assert every(Handoff, actions) == []
    assert outcome(actions) == "answered"


# ── where the caller is ───────────────────────────────────────────────────────────


def test_a_place_named_earlier_does_not_spare_the_question_where(call: Call) -> None:
    call.asks("我在三亚公积金怎么提取", ("gjj-1", 0.9))
    call.hear_out()
    call.says("他拿刀")
    call.written()
    assert "where_are_you" in prompts(call.hear_out())


def test_an_address_in_the_words_of_danger_themselves_does(call: Call) -> None:
    call.says("他拿刀我在三亚解放路十二号")
    call.written()
    assert "where_are_you" not in prompts(call.hear_out())


def test_danger_in_an_ordinary_matter_changes_its_category(call: Call) -> None:
    call.asks("我手机被偷了", decision="none")
    call.hear_out()
    call.says("好的")
    assert call.state.handoff is not None
    assert call.state.handoff.category == 3
    call.says("着火了")
    assert call.state.handoff is not None
    assert (call.state.handoff.reason, call.state.handoff.category) == ("danger", 1)


# ── no seat is free ───────────────────────────────────────────────────────────────


def test_who_said_nothing_yet_is_asked_for_the_matter(call: Call) -> None:
    call.says("转人工")
    actions = call.leg(LegState.BUSY)
    assert prompts(actions) == ["human_busy", "ticket_matter"]
    assert only(OpenTicket, actions).matter == "来电人要求人工服务"
    call.hear_out()
    actions = call.asks("路灯坏了很久", decision="none")
    again = only(OpenTicket, actions)
    assert (again.ticket, again.matter) == ("c1-t1", "路灯坏了很久")


def test_the_matter_may_be_a_question_that_has_its_answer(call: Call) -> None:
    call.says("转人工")
    call.leg(LegState.BUSY)
    call.hear_out()
    assert prompts(call.asks(QUESTION, ("gjj-1", 0.9))) == ["entry:gjj-1"]


def test_a_caller_who_never_spoke_gets_a_goodbye_and_no_ticket(call: Call) -> None:
    for _ in range(3):
        call.is_silent()
        call.hear_out()
    actions = call.leg(LegState.NO_ANSWER)
    assert prompts(actions) == ["nobody_free"]
    assert every(OpenTicket, call.done) == []
    assert outcome(call.hear_out()) == "abandoned"
