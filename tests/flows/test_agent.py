"""What an agent asks for at his desk: take over, 110 by one key, say an answer, leave."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flows import jurisdiction
from flows.actions import (
    Action,
    Decide,
    DialLine,
    DialRoute,
    Handoff,
    HangUp,
    Hold,
    KeepBeside,
    OpenTicket,
    ReleaseLeg,
    Route,
    Say,
)
from flows.agent import refusal
from flows.events import AgentAct, AgentAsked, LegState
from flows.pending import HandoffState
from flows.state import Phase
from tests.flows.scripted_call import Call, every, only, outcome, prompts, resolve_place

DESK = "seat@ab12"


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jurisdiction, "resolve", resolve_place)


@pytest.fixture
def call() -> Call:
    call = Call()
    call.start()
    return call


def asks(call: Call, act: AgentAct, **given: str) -> tuple[Action, ...]:
    return call.take(AgentAsked(call.after(0.1), act, "王芳", **given))


def opened(call: Call) -> HandoffState:
    """The hand-off that is open."""
    assert call.state.handoff is not None
    return call.state.handoff


def taken(call: Call) -> Call:
    """The agent has the call."""
    asks(call, AgentAct.TAKE, destination=DESK)
    call.written()
    call.leg(LegState.ANSWERED)
    call.leg(LegState.CONFIRMED)
    return call


# ── taking over ───────────────────────────────────────────────────────────────────


def test_an_agent_takes_a_call_of_the_bot_and_a_seat_is_there_if_he_does_not_come(
    call: Call,
) -> None:
    actions = asks(call, AgentAct.TAKE, destination=DESK)
    handoff = only(Handoff, actions)
    assert handoff.reason == "taken_over"
    assert handoff.routes == (Route(DESK, "seat"), Route("seat", "seat"))
    call.written()
    assert call.leg(LegState.FAILED, reason="unreachable")
    assert only(DialRoute, call.done).route == Route("seat", "seat")


def test_what_the_bot_was_saying_stops_and_the_agent_has_the_caller(call: Call) -> None:
    call.asks("公积金怎么提取", ("a", 0.95))
    taken(call)
    assert call.state.phase is Phase.CONNECTED
    assert call.state.quiet
    assert outcome(call.hangs_up()) == "human"


def test_who_has_taken_the_call_is_not_taken_from(call: Call) -> None:
    taken(call)
    actions = asks(call, AgentAct.TAKE, destination="seat@other")
    assert not every(Handoff, actions)
    assert only(Decide, actions).what == "agent_refused"
    assert refusal(call.state, AgentAct.TAKE) == "agent_on_the_line"


def test_an_agent_joins_a_call_for_which_110_is_being_called(call: Call) -> None:
    call.begins()
    call.partial("我家着火了")
    call.written()
    line = only(DialLine, asks(call, AgentAct.TAKE, destination=DESK))
    assert (line.line, line.route) == ("seat", Route(DESK, "seat"))
    call.side(LegState.CONFIRMED, "seat")
    assert call.state.phase is Phase.CONNECTED
    assert call.state.handoff is not None
    assert not call.state.handoff.connected, "110 is still being called"


def test_a_seat_that_is_being_called_gives_way_to_the_agent_who_takes_the_call(call: Call) -> None:
    call.says("转人工")
    call.written()
    assert only(DialRoute, asks(call, AgentAct.TAKE, destination=DESK)).route.destination == DESK
    call.leg(LegState.CONFIRMED)
    assert call.state.phase is Phase.CONNECTED


def test_danger_in_doubt_goes_to_110_when_the_agent_cannot_be_had(call: Call) -> None:
    call.says("那个人在门口")
    asks(call, AgentAct.TAKE, destination=DESK)
    call.written()
    call.leg(LegState.NO_ANSWER)
    actions = call.leg(LegState.NO_ANSWER)
    assert any(handoff.routes[0].kind == "110" for handoff in every(Handoff, actions))


# ── 110 by one key ────────────────────────────────────────────────────────────────


def test_to_110_and_the_agent_leaves(call: Call) -> None:
    taken(call)
    actions = asks(call, AgentAct.POLICE)
    assert only(ReleaseLeg, actions).handoff == "c1-h1"
    assert only(Handoff, actions).reason == "requested_police"
    call.written()
    assert "transferring_110" in prompts(call.done) or "connecting_110" in prompts(call.done)
    call.leg(LegState.CONFIRMED)
    assert call.state.reached == "110"


def test_110_joins_and_the_agent_stays(call: Call) -> None:
    taken(call)
    actions = asks(call, AgentAct.JOIN_POLICE)
    kept, opened = only(KeepBeside, actions), only(Handoff, actions)
    assert actions.index(kept) < actions.index(opened), "before 110 is dialled on that line"
    assert (kept.handoff, kept.line) == (opened.handoff, "seat")
    assert not every(ReleaseLeg, actions)
    assert all(route.kind == "110" for route in opened.routes)
    assert call.state.phase is Phase.CONNECTED
    call.written()
    call.leg(LegState.CONFIRMED)
    handoff = call.state.handoff
    assert handoff is not None
    assert handoff.connected
    assert handoff.talking
    seat = handoff.side("seat")
    assert seat is not None
    assert seat.connected


def test_110_that_cannot_be_had_is_called_again_while_the_agent_has_the_caller(call: Call) -> None:
    taken(call)
    asks(call, AgentAct.JOIN_POLICE)
    call.written()
    assert call.state.handoff is not None
    for _ in call.state.handoff.routes:
        call.leg(LegState.BUSY)
    assert call.state.phase is Phase.CONNECTED
    assert call.state.handoff.redial_at is not None
    assert not every(HangUp, call.done)


def test_either_may_leave_a_call_of_three_and_the_last_one_ends_it(call: Call) -> None:
    taken(call)
    asks(call, AgentAct.JOIN_POLICE)
    call.written()
    call.leg(LegState.CONFIRMED)
    left = asks(call, AgentAct.LEAVE)
    assert only(ReleaseLeg, left).line == "seat"
    assert not every(HangUp, left)
    assert only(HangUp, call.leg(LegState.ENDED)).outcome == "handed_off"


def test_the_agent_who_leaves_before_110_is_there_leaves_the_caller_to_the_bot(call: Call) -> None:
    taken(call)
    asks(call, AgentAct.JOIN_POLICE)
    call.written()
    left = asks(call, AgentAct.LEAVE)
    assert not every(HangUp, left)
    assert call.state.phase is Phase.HANDING_OFF
    assert "still_connecting" in prompts(left)


def test_110_is_called_once(call: Call) -> None:
    taken(call)
    asks(call, AgentAct.JOIN_POLICE)
    assert not every(Handoff, asks(call, AgentAct.POLICE))
    assert refusal(call.state, AgentAct.JOIN_POLICE) == "police_called"


def test_an_agent_who_only_reads_may_call_110_as_well(call: Call) -> None:
    assert only(Handoff, asks(call, AgentAct.JOIN_POLICE)).routes[0].kind == "110"


def seat_in_110s_place(call: Call) -> None:
    """110 had no line, and a seat has answered."""
    call.begins()
    call.partial("我家着火了")
    call.written()
    while opened(call).route.kind == "110":
        call.leg(LegState.BUSY)
    call.leg(LegState.CONFIRMED)
    call.done.clear()


def left_by_110(call: Call) -> None:
    """110 had joined the agent, and has hung up after a while."""
    taken(call)
    asks(call, AgentAct.JOIN_POLICE)
    call.written()
    call.leg(LegState.CONFIRMED)
    call.leg(LegState.ENDED)


def test_a_seat_that_answered_in_place_of_110_has_it_join(call: Call) -> None:
    seat_in_110s_place(call)
    before = opened(call)
    actions = asks(call, AgentAct.JOIN_POLICE)
    kept, dialled = only(KeepBeside, actions), only(DialRoute, actions)
    assert actions.index(kept) < actions.index(dialled), "before 110 is dialled on that line"
    assert (kept.handoff, kept.line, kept.destination) == (before.id, "seat", "seat")
    assert dialled.route.kind == "110"
    assert not every(Handoff, actions), "119 beside it is not called twice"
    assert not every(DialLine, actions)
    assert opened(call).side("119") == before.side("119")
    assert call.state.phase is Phase.CONNECTED
    assert refusal(call.state, AgentAct.POLICE) == "police_called"
    for _ in opened(call).routes:
        call.leg(LegState.BUSY)
    assert opened(call).redial_at is not None, "it is called until it is there"


def test_a_seat_that_answered_in_place_of_110_leaves_the_caller_to_it(call: Call) -> None:
    seat_in_110s_place(call)
    actions = asks(call, AgentAct.POLICE)
    assert only(ReleaseLeg, actions).line == ""
    assert only(DialRoute, actions).route.kind == "110"
    assert call.state.phase is Phase.HANDING_OFF
    assert "still_connecting" in prompts(actions)
    assert opened(call).routes[-1].kind == "seat", "its last resort again"


@pytest.mark.parametrize("key", [AgentAct.POLICE, AgentAct.JOIN_POLICE])
def test_110_that_has_left_the_agent_is_called_again_by_his_key(call: Call, key: AgentAct) -> None:
    left_by_110(call)
    assert opened(call).released
    actions = asks(call, key)
    assert only(DialRoute, actions).route.kind == "110"
    stays = key is AgentAct.JOIN_POLICE
    assert [each.line for each in every(ReleaseLeg, actions)] == ([] if stays else ["seat"])
    call.leg(LegState.CONFIRMED)
    assert opened(call).connected
    assert not every(HangUp, call.done)


def test_danger_that_triage_heard_is_the_reason(call: Call) -> None:
    taken(call)
    call.begins()
    call.partial("他拿刀")
    assert only(Handoff, asks(call, AgentAct.POLICE)).reason == "danger"


# ── with the call ─────────────────────────────────────────────────────────────────


def test_the_bot_says_an_answer_into_the_agents_call(call: Call) -> None:
    taken(call)
    said = only(Say, asks(call, AgentAct.SAY, entry="sb-001"))
    assert (said.entry, said.interruptible) == ("sb-001", True)


def test_no_answer_is_spoken_while_danger_is_open(call: Call) -> None:
    taken(call)
    call.begins()
    call.partial("我家着火了")
    assert not every(Say, asks(call, AgentAct.SAY, entry="sb-001"))
    assert refusal(call.state, AgentAct.SAY) == "danger"


def test_the_caller_waits_with_music_and_no_longer(call: Call) -> None:
    assert refusal(call.state, AgentAct.HOLD) == "no_agent"
    taken(call)
    assert only(Hold, asks(call, AgentAct.HOLD)).on
    assert not only(Hold, asks(call, AgentAct.RESUME)).on


def lost(call: Call) -> tuple[Action, ...]:
    return call.leg(LegState.ENDED, reason="lost")


def threatened(call: Call) -> tuple[Action, ...]:
    call.begins()
    return call.partial("他拿刀")


@pytest.mark.parametrize(
    "ends",
    [
        lost,
        threatened,
        lambda call: asks(call, AgentAct.POLICE),
        lambda call: asks(call, AgentAct.JOIN_POLICE),
        lambda call: asks(call, AgentAct.TRANSFER, destination="seat@cd34"),
    ],
    ids=["browser_lost", "danger", "to_110", "110_joins", "passed_on"],
)
def test_a_caller_waits_no_longer_than_for_the_agent_alone(
    call: Call, ends: Callable[[Call], tuple[Action, ...]]
) -> None:
    taken(call)
    asks(call, AgentAct.HOLD)
    actions = ends(call)
    assert actions[0] == Hold(False), "before anybody else is called, or anything said"
    assert not call.state.held


def test_nobody_waits_with_music_while_110_or_danger_is_there(call: Call) -> None:
    taken(call)
    threatened(call)
    assert refusal(call.state, AgentAct.HOLD) == "danger"
    asks(call, AgentAct.JOIN_POLICE)
    assert refusal(call.state, AgentAct.HOLD) == "police_called"
    assert refusal(call.state, AgentAct.RESUME) == ""


def test_danger_goes_with_a_call_that_is_passed_on(call: Call) -> None:
    taken(call)
    threatened(call)
    asks(call, AgentAct.TRANSFER, destination="seat@cd34")
    assert "danger" in opened(call).flags, "the next agent is told"
    call.written()
    call.leg(LegState.CONFIRMED)
    actions = call.leg(LegState.ENDED)
    assert only(Handoff, actions).routes[0].kind == "110"
    assert not every(HangUp, actions)


def test_who_hangs_up_on_the_next_agent_in_danger_is_still_in_danger(call: Call) -> None:
    taken(call)
    threatened(call)
    asks(call, AgentAct.TRANSFER, destination="seat@cd34")
    call.written()
    call.leg(LegState.CONFIRMED)
    assert only(Handoff, call.hangs_up()).routes[0].kind == "110"


def test_danger_rings_at_no_further_seat_when_the_agent_is_lost(call: Call) -> None:
    taken(call)
    threatened(call)
    actions = lost(call)
    assert only(Handoff, actions).routes[0].kind == "110"
    assert not every(DialRoute, actions)


def test_danger_that_the_next_agent_does_not_answer_goes_to_110(call: Call) -> None:
    taken(call)
    threatened(call)
    asks(call, AgentAct.TRANSFER, destination="seat@cd34")
    call.written()
    assert only(Handoff, call.leg(LegState.NO_ANSWER)).routes[0].kind == "110"


def test_seats_at_which_it_rings_give_way_to_who_takes_a_call_for_110(call: Call) -> None:
    call.begins()
    call.partial("我家着火了")
    call.written()
    while opened(call).route.kind == "110":
        call.leg(LegState.BUSY)
    actions = asks(call, AgentAct.TAKE, destination=DESK)
    assert only(ReleaseLeg, actions).line == ""
    assert only(DialRoute, actions).route.kind == "110", "which is called on meanwhile"
    assert only(DialLine, actions).route == Route(DESK, "seat")
    call.side(LegState.CONFIRMED, "seat")
    assert all(route.kind == "110" for route in opened(call).routes)


def test_no_second_agent_is_called_into_a_call_for_110_that_one_has(call: Call) -> None:
    call.begins()
    call.partial("我家着火了")
    call.written()
    asks(call, AgentAct.TAKE, destination=DESK)
    call.side(LegState.CONFIRMED, "seat")
    call.partial("我家着火了在三亚")
    call.ends()
    call.final("我家着火了在三亚")
    assert opened(call).region == "460200"
    assert all(route.kind == "110" for route in opened(call).routes)
    asks(call, AgentAct.LEAVE)
    assert opened(call).routes[-1].kind == "seat", "once he is gone a seat is the last resort"


def test_a_call_that_is_passed_on_comes_back_if_nobody_answers_there(call: Call) -> None:
    taken(call)
    actions = asks(call, AgentAct.TRANSFER, destination="seat@cd34")
    assert only(Handoff, actions).routes == (Route("seat@cd34", "seat"), Route(DESK, "seat"))
    assert only(ReleaseLeg, actions).handoff == "c1-h1"
    call.written()
    call.leg(LegState.NO_ANSWER)
    assert call.state.handoff is not None
    assert call.state.handoff.route == Route(DESK, "seat")


def test_an_agent_who_hangs_up_ends_the_call(call: Call) -> None:
    taken(call)
    left = asks(call, AgentAct.LEAVE)
    assert only(HangUp, left).outcome == "human"
    assert only(ReleaseLeg, left).line == ""


def test_an_agent_who_hangs_up_on_danger_leaves_the_caller_to_110(call: Call) -> None:
    taken(call)
    call.begins()
    call.partial("他拿刀")
    left = asks(call, AgentAct.LEAVE)
    assert not every(HangUp, left)
    assert only(Handoff, left).routes[0].kind == "110"


def test_a_ticket_under_way_is_kept_when_an_agent_takes_the_call(call: Call) -> None:
    call.says("路灯坏了三天没人修")
    call.knows("路灯坏了三天没人修", decision="none")
    assert every(OpenTicket, call.done)
    ticket = call.state.ticket
    taken(call)
    assert call.state.ticket == ticket


def test_nothing_can_be_asked_of_a_call_that_is_over(call: Call) -> None:
    call.hangs_up()
    assert {refusal(call.state, act) for act in AgentAct} == {"ended"}
