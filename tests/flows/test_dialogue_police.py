"""Ordinary matters of 110's, and those that may be 110's or 12345's."""

from __future__ import annotations

import pytest

from flows.actions import Decide, DialLine, Handoff, HangUp, OpenTicket, ReleaseLeg, UpdateDossier
from flows.events import LegState
from flows.state import Phase
from flows.triage import Assessment
from tests.flows.scripted_call import Call, ScriptedTriage, every, only, outcome, prompts

MATTER = "我手机被偷了"
EITHER = "楼上天天半夜砸东西"


@pytest.fixture
def offered(call: Call) -> Call:
    """The caller has heard whose matter it is, and was asked."""
    call.asks(MATTER, decision="none")
    call.hear_out()
    return call


@pytest.fixture
def together(call: Call) -> Call:
    """110 and a seat are being called."""
    call.asks(EITHER, decision="none")
    call.written()
    return call


# ── announced, confirmed, transferred ─────────────────────────────────────────────


def test_an_ordinary_matter_is_announced_at_the_end_of_the_turn_and_not_before(call: Call) -> None:
    call.begins()
    call.partial(MATTER)
    call.ends()
    call.final(MATTER)
    actions = call.knows(MATTER, decision="none")
    assert prompts(actions) == ["offer_110"]
    assert not every(Handoff, call.done)


@pytest.mark.parametrize("reply", ["好的", "可以", "行你转吧", "嗯", "我也不知道", "没事你转吧"])
def test_whatever_is_no_refusal_goes_to_110(offered: Call, reply: str) -> None:
    assert only(Handoff, offered.says(reply)).reason == "police_matter"
    assert prompts(offered.written()) == ["transferring_110"]


def test_silence_goes_to_110(offered: Call) -> None:
    assert only(Handoff, offered.is_silent()).reason == "police_matter"


@pytest.mark.parametrize("reply", ["不用了", "不用转了", "先不转", "我不想找警察", "算了"])
def test_a_refusal_is_respected_and_put_on_record(offered: Call, reply: str) -> None:
    actions = offered.says(reply)
    assert prompts(actions) == ["not_transferred"]
    assert only(Decide, actions).what == "police_declined"
    assert not every(Handoff, offered.done)


def test_what_was_declined_is_not_offered_again(offered: Call) -> None:
    offered.says("不用转了")
    offered.hear_out()
    assert prompts(offered.asks("东西还追得回来吗", decision="none")) == ["ticket_place"]


def test_a_question_in_place_of_the_reply_is_answered(offered: Call) -> None:
    actions = offered.asks("公积金怎么提取", ("gjj-1", 0.9))
    assert prompts(actions) == ["entry:gjj-1"]


def test_who_does_not_catch_the_question_hears_it_again(offered: Call) -> None:
    assert prompts(offered.says("再说一遍")) == ["offer_110"]


def test_danger_waits_for_no_reply(offered: Call) -> None:
    offered.begins()
    assert only(Handoff, offered.partial("他拿刀回来了")).reason == "danger"


def test_danger_that_comes_up_on_the_way_is_told_to_110(offered: Call) -> None:
    offered.says("好的")
    offered.begins()
    assert "危险" in only(UpdateDossier, offered.partial("他拿刀出来了")).note


def test_words_of_doubt_are_asked_about_and_are_no_refusal(offered: Call) -> None:
    assert prompts(offered.says("那个人还在")) == ["ask_danger"]
    offered.hear_out()
    assert only(Handoff, offered.says("没有")).reason == "police_matter"


def test_hanging_up_over_the_question_leaves_a_work_order(offered: Call) -> None:
    actions = offered.hangs_up()
    assert only(OpenTicket, actions).matter == MATTER
    assert not every(Handoff, actions)


def test_in_a_work_order_a_refusal_goes_back_to_its_question(call: Call) -> None:
    call.asks("路灯坏了", decision="none")
    call.hear_out()
    call.says(MATTER)
    call.hear_out()
    assert prompts(call.says("不用转了")) == ["ticket_where"]


# ── 110's or 12345's ──────────────────────────────────────────────────────────────


def test_what_is_rather_12345s_stays_with_12345(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    spread = {"110_now": 0.0, "110": 0.44, "12345": 0.46, "neither": 0.1}
    monkeypatch.setattr(
        ScriptedTriage, "assess", lambda *_: Assessment("12345", spread, "continue")
    )
    actions = call.asks(EITHER, decision="none")
    assert every(Handoff, actions) == []
    assert prompts(actions) == ["ticket_place"]


def test_110_and_a_seat_are_called_together(call: Call) -> None:
    actions = call.asks(EITHER, decision="none")
    handed = only(Handoff, actions)
    assert handed.reason == "undecided"
    assert [route.kind for route in handed.routes] == ["110"]
    assert only(DialLine, actions).route.destination == "seat"
    assert prompts(call.written()) == ["joining_110"]


def test_an_approved_answer_goes_before_both(call: Call) -> None:
    assert prompts(call.asks(EITHER, ("zx-1", 0.8))) == ["entry:zx-1"]


def test_either_may_leave(together: Call) -> None:
    together.side(LegState.CONFIRMED, "seat")
    together.leg(LegState.CONFIRMED)
    assert not every(HangUp, together.leg(LegState.ENDED))
    assert outcome(together.side(LegState.ENDED, "seat")) == "handed_off"


def test_a_seat_that_is_done_ends_it_and_110_is_not_called_any_more(together: Call) -> None:
    together.side(LegState.CONFIRMED, "seat")
    actions = together.side(LegState.ENDED, "seat")
    assert only(ReleaseLeg, actions).line == ""
    assert outcome(actions) == "human"


def test_a_caller_whom_a_seat_has_had_leaves_no_police_order(together: Call) -> None:
    together.side(LegState.CONFIRMED, "seat")
    assert not every(UpdateDossier, together.hangs_up())


@pytest.mark.parametrize("seat", [LegState.BUSY, LegState.RINGING])
def test_where_nobody_can_be_had_the_first_receiver_keeps_it_as_a_dispute(
    together: Call, seat: LegState
) -> None:
    together.side(seat, "seat")
    actions = together.leg(LegState.NO_ANSWER)
    assert only(ReleaseLeg, actions).line == "seat"
    assert "dispute" in [each.what for each in every(Decide, actions)]
    assert only(OpenTicket, actions).matter == EITHER
    assert prompts(actions) == ["human_busy", "ticket_where"]


def test_what_110_gives_back_is_a_dispute(together: Call) -> None:
    together.leg(LegState.CONFIRMED)
    actions = together.far_side_presses("*")
    assert "dispute" in [each.what for each in every(Decide, actions)]
    assert only(OpenTicket, actions).matter == EITHER
    assert together.state.phase is Phase.TICKET_PLACE


def test_with_a_seat_on_the_line_110_may_give_it_back(together: Call) -> None:
    together.side(LegState.CONFIRMED, "seat")
    together.leg(LegState.CONFIRMED)
    assert not every(OpenTicket, together.far_side_presses("*"))
    assert outcome(together.side(LegState.ENDED, "seat")) == "handed_off"


def test_danger_makes_it_110_s(together: Call) -> None:
    together.says("他拿刀")
    together.side(LegState.BUSY, "seat")
    actions = together.leg(LegState.BUSY)
    assert not every(OpenTicket, actions)
    assert together.state.handoff is not None
    assert together.state.handoff.reason == "danger"


def test_a_place_said_meanwhile_changes_110_alone(together: Call) -> None:
    together.says("在琼海市嘉积镇")
    handoff = together.state.handoff
    assert handoff is not None
    assert [route.destination for route in handoff.routes] == ["110-469002", "110-460000"]


# ── what 110 is told, and asked ───────────────────────────────────────────────────


def test_who_said_that_it_was_a_mistake_is_noted_and_110_comes(call: Call) -> None:
    call.says("我家着火了")
    call.written()
    assert only(UpdateDossier, call.says("不好意思打错了")).note == "来电人改口：不好意思打错了"
    assert call.state.handoff is not None


@pytest.mark.parametrize("words", ["他拿刀在楼下", "他拿刀在学校", "他拿刀就在我们小区"])
def test_words_that_name_no_place_do_not_spare_the_question_where(call: Call, words: str) -> None:
    call.says(words)
    assert "where_are_you" in prompts((*call.written(), *call.hear_out()))
