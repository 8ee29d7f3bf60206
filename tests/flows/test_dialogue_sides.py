"""119, 120, 122 and 12395 beside 110; calls from 110, and given back by it; what ends a call."""

from __future__ import annotations

import pytest

from flows import jurisdiction
from flows.actions import (
    Decide,
    DialLine,
    DialRoute,
    Handoff,
    HangUp,
    Leave,
    NotifyLine,
    OpenTicket,
    ReleaseLeg,
    Route,
    Search,
    StopSpeaking,
    UpdateDossier,
)
from flows.events import DutyLine, DutyLinesChanged, LegState, Released
from flows.sides import MOST_ROUNDS
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

DUTY = (
    DutyLine("120", "120"),
    DutyLine("120", "120-460200", "460200"),
    DutyLine("119", "119"),
)


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jurisdiction, "resolve", resolve_place)


@pytest.fixture
def call() -> Call:
    """Somebody has fainted: 110 and 120 are being called."""
    call = Call()
    call.start()
    call.begins()
    call.partial("孩子晕倒了")
    call.ends()
    call.written()
    call.hear_out()
    return call


def with_120(call: Call) -> Call:
    """120 has the caller; 110 still rings."""
    call.leg(LegState.RINGING)
    call.side(LegState.ANSWERED, "120")
    call.side(LegState.CONFIRMED, "120")
    return call


# ── calling ───────────────────────────────────────────────────────────────────────


def test_the_line_is_called_at_the_same_moment_as_110() -> None:
    call = Call(known_region="460200", duty_lines=DUTY)
    call.start()
    call.begins()
    actions = call.partial("孩子晕倒了")
    assert only(Handoff, actions).routes[0] == Route("110-460200", "110")
    assert only(DialLine, actions).route == Route("120-460200", "120")
    assert call.state.handoff is not None
    assert call.state.handoff.sides[0].routes[1] == Route("120", "120")


def test_a_number_that_the_directory_got_during_the_call_is_called() -> None:
    call = Call(known_region="460200", duty_lines=DUTY)
    call.start()
    newer = (*DUTY, DutyLine("120", "120-new", "460200"))
    call.take(DutyLinesChanged(call.after(1.0), newer[2:]))
    call.begins()
    assert only(DialLine, call.partial("孩子晕倒了")).route == Route("120-new", "120")


def test_another_county_is_another_number_where_nobody_is_off_hook() -> None:
    call = Call(duty_lines=DUTY)
    call.start()
    call.begins()
    assert only(DialLine, call.partial("孩子晕倒了")).route.destination == "120"
    assert only(DialLine, call.partial("孩子晕倒了在三亚")).route.destination == "120-460200"
    answered = Call(duty_lines=DUTY)
    answered.start()
    answered.begins()
    answered.partial("孩子晕倒了")
    answered.side(LegState.ANSWERED, "120")
    assert every(DialLine, answered.partial("孩子晕倒了在三亚")) == []


def test_a_line_that_fails_is_called_again_and_at_last_gets_a_message(call: Call) -> None:
    for _ in range(MOST_ROUNDS - 1):
        assert every(NotifyLine, call.side(LegState.BUSY, "120")) == []
        assert only(DialLine, call.waits(5.0)).line == "120"
    actions = call.side(LegState.NO_ANSWER, "120")
    assert only(NotifyLine, actions).line == "120"
    assert every(DialLine, call.waits(60.0)) == []
    assert call.state.phase is Phase.HANDING_OFF, "110 is still being called"


@pytest.mark.parametrize("late", [LegState.CONFIRMED, LegState.BUSY])
def test_news_of_a_leg_that_failed_is_not_taken_for_the_next_one_s(
    call: Call, late: LegState
) -> None:
    """It comes at the very moment when the pause before the next call is over."""
    call.side(LegState.BUSY, "120")
    call.after(5.0)
    assert only(DialLine, call.side(late, "120")).line == "120"
    assert call.state.handoff is not None
    side = call.state.handoff.side("120")
    assert side is not None
    assert not side.connected
    assert side.rounds == 1


def test_its_failure_does_not_touch_the_chain_of_110(call: Call) -> None:
    call.leg(LegState.RINGING)
    actions = call.side(LegState.BUSY, "120")
    assert every(DialRoute, actions) == []
    assert prompts(actions) == []
    assert call.state.handoff is not None
    assert call.state.handoff.leg is LegState.RINGING


def test_once_110_has_the_call_a_new_line_gets_a_message(call: Call) -> None:
    call.leg(LegState.CONFIRMED)
    call.begins()
    actions = call.partial("又着火了")
    assert only(NotifyLine, actions).line == "119"
    assert every(DialLine, actions) == []


def test_a_seat_is_not_joined_by_other_lines(call: Call) -> None:
    seat = Call()
    seat.start()
    seat.says("转人工")
    assert every(DialLine, seat.done) == []


# ── talking ───────────────────────────────────────────────────────────────────────


def test_110_never_answers_and_120_does(call: Call) -> None:
    call.side(LegState.RINGING, "120")
    call.side(LegState.ANSWERED, "120")
    confirmed = call.side(LegState.CONFIRMED, "120")
    assert "120" in only(UpdateDossier, confirmed).note
    assert call.state.phase is Phase.CONNECTED
    for _ in range(3):  # 110's chain goes on, and nobody hears of it
        assert prompts(call.leg(LegState.NO_ANSWER)) == []
        call.leg(LegState.BUSY, "seat")
        assert only(DialRoute, call.waits(3.0)).route == Route("110-460000", "110")
    assert call.state.phase is Phase.CONNECTED
    assert every(HangUp, call.done) == []


def test_the_bot_falls_silent_as_soon_as_any_leg_is_off_hook(call: Call) -> None:
    call.leg(LegState.BUSY)
    assert not call.state.quiet
    assert only(StopSpeaking, call.side(LegState.ANSWERED, "120"))


def test_while_the_caller_talks_to_120_the_bot_says_a_word_about_110_only_if_all_rest(
    call: Call,
) -> None:
    with_120(call)
    assert prompts(call.is_silent(3.6)) == []
    call.after(20.0)
    assert prompts(call.is_silent(3.6)) == ["still_connecting_110"]
    call.hear_out()
    assert prompts(call.is_silent(9.6)) == []


def test_110_joins_the_conversation(call: Call) -> None:
    with_120(call)
    call.leg(LegState.CONFIRMED)
    assert call.state.phase is Phase.CONNECTED
    assert prompts(call.is_silent(30)) == []


# ── ending ────────────────────────────────────────────────────────────────────────


def test_120_hanging_up_does_not_end_a_call_that_110_has(call: Call) -> None:
    with_120(call)
    call.leg(LegState.CONFIRMED)
    assert every(HangUp, call.side(LegState.ENDED, "120")) == []
    assert call.state.phase is Phase.CONNECTED
    assert outcome(call.leg(LegState.ENDED)) == "handed_off"


def test_110_hanging_up_does_not_end_a_call_that_120_has(call: Call) -> None:
    with_120(call)
    call.leg(LegState.CONFIRMED)
    assert every(HangUp, call.leg(LegState.ENDED)) == []
    assert call.state.phase is Phase.CONNECTED
    assert call.waits(60.0) == ()
    assert outcome(call.side(LegState.ENDED, "120")) == "handed_off"


def test_when_120_is_gone_and_110_was_never_reached_the_chain_goes_on(call: Call) -> None:
    with_120(call)
    actions = call.side(LegState.ENDED, "120")
    assert every(HangUp, actions) == []
    assert prompts(actions) == ["still_connecting"]
    assert call.state.phase is Phase.HANDING_OFF
    call.leg(LegState.CONFIRMED)
    assert outcome(call.leg(LegState.ENDED)) == "handed_off"


def test_120_whose_line_breaks_is_called_again(call: Call) -> None:
    with_120(call)
    call.side(LegState.ENDED, "120", reason="lost")
    assert call.state.phase is Phase.HANDING_OFF
    assert only(DialLine, call.waits(5.0)).line == "120"


def test_when_110_left_the_caller_to_120_and_120_is_lost_for_good_110_is_called_again(
    call: Call,
) -> None:
    with_120(call)
    call.leg(LegState.CONFIRMED)
    call.leg(LegState.ENDED)
    actions = call.side(LegState.ENDED, "120", reason="lost")
    for _ in range(MOST_ROUNDS - 1):
        assert every(Handoff, actions) == []
        call.waits(5.0)
        actions = call.side(LegState.BUSY, "120")
    assert only(Handoff, actions).reason == "danger"


def test_what_was_not_reached_gets_a_message_when_the_call_is_over(call: Call) -> None:
    call.leg(LegState.CONFIRMED)
    assert only(NotifyLine, call.leg(LegState.ENDED)).line == "120"
    assert call.state.phase is Phase.ENDED


def test_a_caller_who_hangs_up_while_120_rings_leaves_it_a_message(call: Call) -> None:
    actions = call.hangs_up()
    assert only(NotifyLine, actions).line == "120"
    assert "中断" in [update.note for update in every(UpdateDossier, actions)]


def test_a_caller_who_hangs_up_on_120_leaves_a_police_order_and_no_message(call: Call) -> None:
    with_120(call)
    actions = call.hangs_up()
    assert every(NotifyLine, actions) == []
    assert "中断" in [update.note for update in every(UpdateDossier, actions)]
    assert outcome(actions) == "handed_off"


# ── the caller's line is taken over (REFER) ───────────────────────────────────────


def test_a_transfer_ends_the_call_without_hanging_up(call: Call) -> None:
    call.leg(LegState.CONFIRMED, reason="transferred")
    actions = call.leg(LegState.ENDED, reason="transferred")
    assert only(Leave, actions).outcome == "handed_off"
    assert every(HangUp, actions) == []
    assert call.state.phase is Phase.ENDED
    assert call.hangs_up() == ()


def test_a_seat_that_took_the_caller_over_with_danger_told_is_no_new_chain() -> None:
    call = Call()
    call.start()
    call.says("转人工")
    call.leg(LegState.CONFIRMED, reason="transferred")
    call.begins()
    call.partial("他拿刀")
    actions = call.leg(LegState.ENDED, reason="transferred")
    assert every(Handoff, actions) == []
    assert only(Leave, actions).outcome == "human"


# ── from 110, and back from 110 ───────────────────────────────────────────────────


def test_a_call_from_110_is_greeted_shortly_and_its_order_is_on_record() -> None:
    call = Call(trunk="110", order="JD20261126001")
    actions = call.start(greeted=False)
    assert prompts(actions) == ["from_110"]
    assert "JD20261126001" in only(Decide, actions).why
    assert (call.state.trunk, call.state.order) == ("110", "JD20261126001")
    call.hear_out()
    assert final_search(call.says("公积金怎么提取"))


@pytest.fixture
def with_110(call: Call) -> Call:
    call.leg(LegState.CONFIRMED)
    return call


def test_110_hands_the_caller_back_by_one_key(with_110: Call) -> None:
    actions = with_110.far_side_presses("*")
    assert only(ReleaseLeg, [a for a in every(ReleaseLeg, actions) if not a.line])
    assert [a.line for a in every(ReleaseLeg, actions)] == ["", "120"]
    assert "110" in only(UpdateDossier, actions).note
    assert only(Decide, actions).what == "handed_back"
    assert prompts(actions) == ["handed_back"]
    assert with_110.state.phase is Phase.LISTENING
    with_110.hear_out()
    search = final_search(with_110.says("公积金怎么提取"))
    assert prompts(with_110.knows(search.text, ("gjj-1", 0.9))) == ["entry:gjj-1"]
    assert outcome(with_110.hangs_up()) == "handed_off"


def test_what_110_has_settled_does_not_come_up_again(with_110: Call) -> None:
    with_110.far_side_presses("*")
    assert every(Handoff, with_110.final("孩子晕倒了", turn=1)) == []
    assert every(Handoff, with_110.says("谢谢你")) == []


def test_new_danger_after_that_goes_to_110_again(with_110: Call) -> None:
    with_110.far_side_presses("*")
    with_110.begins()
    assert only(Handoff, with_110.partial("他拿刀")).reason == "danger"


@pytest.mark.parametrize("key", ["1", "#"])
def test_other_keys_of_110_are_its_own(with_110: Call, key: str) -> None:
    assert with_110.far_side_presses(key) == ()


def test_nobody_but_110_can_stand_down(call: Call) -> None:
    assert call.far_side_presses("*") == (), "nobody is there yet"
    with_120(call)
    assert call.far_side_presses("*", line="120") == ()
    call.leg(LegState.BUSY)
    call.leg(LegState.CONFIRMED)
    assert call.far_side_presses("*") == (), "it is the seat"


def test_with_120_on_the_line_110_only_leaves_and_the_bot_goes_on_after_it(call: Call) -> None:
    with_120(call)
    call.leg(LegState.CONFIRMED)
    actions = call.far_side_presses("*")
    assert only(ReleaseLeg, actions).line == ""
    assert call.state.phase is Phase.CONNECTED
    assert every(Search, call.says("公积金怎么提取")) == []
    assert prompts(call.side(LegState.ENDED, "120")) == ["handed_back"]
    assert call.state.phase is Phase.LISTENING


def test_nobody_is_called_any_more_into_a_call_that_is_the_bots_again(call: Call) -> None:
    call.begins()
    call.partial("我家着火了")  # 119 is called too, and rings on
    with_120(call)
    call.leg(LegState.CONFIRMED)
    call.far_side_presses("*")
    actions = call.side(LegState.ENDED, "120")
    assert only(ReleaseLeg, actions).line == "119"
    assert prompts(actions) == ["handed_back"]


# ── the service is stopped ────────────────────────────────────────────────────────


def test_a_caller_who_is_left_to_the_fallback_has_not_hung_up(call: Call) -> None:
    actions = call.take(Released(call.after(0.5)))
    assert only(Leave, actions).outcome == "human"
    update = only(UpdateDossier, actions)
    assert "未断开" in update.note
    assert "interrupted" not in update.flags
    assert [notice.line for notice in every(NotifyLine, actions)] == ["120"]


def test_a_caller_who_is_left_to_110_was_handed_off(with_110: Call) -> None:
    actions = with_110.take(Released(with_110.after(0.5)))
    assert only(Leave, actions).outcome == "handed_off"
    assert every(UpdateDossier, actions) == []


def test_a_ticket_is_safe_when_the_service_stops() -> None:
    call = Call()
    call.start()
    call.presses("0")
    call.leg(LegState.BUSY)
    call.hear_out()
    call.says("路灯坏了三天了")
    assert only(OpenTicket, call.take(Released(call.after(0.5)))).matter
