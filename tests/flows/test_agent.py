"""What an agent asks for at his desk: take over, 110 by one key, say an answer, leave."""

from __future__ import annotations

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
