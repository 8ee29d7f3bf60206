"""110, a seat or another line leaves a call that it has had: whose the caller is then. Pure.

The call ends with the last of them, or is 12345's again: 110 gives a caller back by one key.
"""

from __future__ import annotations

from dataclasses import replace

from flows import sides
from flows.actions import Action, Decide, HangUp, ReleaseLeg, UpdateDossier
from flows.events import FarSideKey, LegState
from flows.policy import Policy, Step
from flows.routes import POLICE
from flows.speaking import hush, say
from flows.state import HandoffState, Phase, State

HANDED_BACK = "handed_back"


def released(state: State, handoff: HandoffState) -> Step:
    """110 (or the seat) has had the call and is gone: the call ends with the last of the others."""
    handoff = replace(handoff, leg=LegState.ENDED, released=True)
    state = replace(state, handoff=handoff)
    if handoff.talking:
        return state, (Decide("released", "对方已挂断，其他方还在线"),)
    return over(state)


def over(state: State) -> Step:
    """Nobody is left on the line whom the caller was put through to: the call ends."""
    notices = sides.notices(state)
    state = replace(state, phase=Phase.ENDED)
    return state, (Decide("released", "对方已挂断"), *notices, HangUp(state.outcome))


def key(state: State, event: FarSideKey, policy: Policy) -> Step:
    """One key of 110's gives the caller back to 12345: 110 stands down, and only 110 can."""
    handoff = state.handoff
    if (
        handoff is None
        or event.handoff != handoff.id
        or event.line
        or event.key != policy.hand_back_key
        or event.destination != handoff.route.destination
        or not (handoff.connected and handoff.route.kind == POLICE)
    ):
        return state, ()
    note = UpdateDossier(
        handoff.id, handoff.region, handoff.lines, handoff.flags, note="110按键移交回12345"
    )
    handed = (Decide(HANDED_BACK, "110按键，把电话转回12345"), note, ReleaseLeg(handoff.id))
    if any(side.connected for side in handoff.sides):
        state, actions = released(state, replace(handoff, handed_back=True))
        return state, (*handed, *actions)
    state, resumed = resume(state)
    return state, (*handed, *stop_calling(handoff), *resumed)


def stop_calling(handoff: HandoffState) -> tuple[Action, ...]:
    """Lines that are still being called: nobody may come into a call that is 12345's again."""
    return tuple(ReleaseLeg(handoff.id, side.line) for side in handoff.sides if not side.over)


def resume(state: State) -> Step:
    """12345 goes on where 110 left it."""
    state, hushed = hush(_stood_down(state))
    state, said = say(state, "handed_back")
    return state, (*hushed, said)


def _stood_down(state: State) -> State:
    """What was said so far is settled; words of a turn that still goes on count anew."""
    over = max((turn.number for turn in state.turns if turn.ended), default=-1)
    turns = tuple(
        replace(turn, aside=True) if turn.number <= over else turn for turn in state.turns
    )
    return replace(
        state,
        phase=Phase.LISTENING,
        resume=Phase.LISTENING,
        handoff=None,
        turns=turns,
        assessment=None,
        doubt=0.0,
        doubt_turn=None,
        cleared=max(state.cleared, over),
        stood_down=max(state.stood_down, over),
        handled=max(state.handled, over),
        awaiting=None,
        nudges=0,
    )


def no_seat(state: State) -> State:
    """There is no human for the caller; `seatless` says how the call goes on."""
    # What was said while waiting was company, not a question.
    said = max((turn.number for turn in state.turns if turn.ended), default=state.handled)
    return replace(
        state,
        handoff=None,
        phase=Phase.LISTENING,
        seat_failed=True,
        handled=max(state.handled, said),
    )
