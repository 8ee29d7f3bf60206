"""What an agent (话务员) asks for at his desk: taken as any event, decided here. Pure.

`refusal` says why something cannot be had, before it is asked for and when it is. An agent may
take a call over at any moment, call 110 in by one key and leave it; what only 110 may do (stand
down) he cannot, and no answer is spoken while danger is open.
"""

from __future__ import annotations

from dataclasses import replace

from flows import handoff as opening
from flows import judging, seatless
from flows.actions import Action, Decide, DialLine, DialRoute, Hold, ReleaseLeg, Route
from flows.events import AgentAct, AgentAsked, LegState, TransferProgress
from flows.pending import HandoffState, Side
from flows.policy import Policy, Step
from flows.routes import SEAT
from flows.speaking import hush, say_entry
from flows.state import Phase, State

TAKEN = "taken_over"
"""Reason of a hand-off to the agent who has taken the call."""
PASSED_ON = "passed_on"
"""Reason of a hand-off from one agent to another."""
REFUSED = "agent_refused"

_LEADS = frozenset({Phase.LISTENING, Phase.CLARIFYING, Phase.CONNECTED})
"""Phases in which the bot may be made to say something without confusing what it has asked."""


def seat_of(state: State) -> HandoffState | Side | None:
    """The chain or the leg by which an agent is on the line."""
    handoff = state.handoff
    if handoff is None:
        return None
    if handoff.connected and handoff.route.kind == SEAT:
        return handoff
    side = handoff.side(SEAT)
    return side if side is not None and side.connected else None


def refusal(state: State, act: AgentAct) -> str:
    """Why it cannot be had where the call stands, as a code of the desk's messages; "" if it can.

    ``ended`` | ``not_started`` | ``agent_on_the_line`` | ``no_agent`` | ``police_called`` |
    ``danger`` | ``bot_asks`` | ``quiet``
    """
    if state.phase is Phase.ENDED:
        return "ended"
    if not state.started:
        return "not_started"
    handoff, seat = state.handoff, seat_of(state)
    match act:
        case AgentAct.TAKE:
            return "agent_on_the_line" if seat is not None else ""
        case AgentAct.POLICE | AgentAct.JOIN_POLICE:
            return "police_called" if _police_comes(handoff) else ""
        case AgentAct.TRANSFER:
            if seat is None:
                return "no_agent"
            return "" if isinstance(seat, HandoffState) and not seat.to_police else "police_called"
        case AgentAct.LEAVE | AgentAct.RESUME:
            return "" if seat is not None else "no_agent"
        case AgentAct.HOLD:
            return _not_held(handoff) if seat is not None else "no_agent"
        case AgentAct.SAY:
            if _dangerous(state):
                return "danger"
            return "" if state.phase in _LEADS else "bot_asks"
        case AgentAct.HUSH:
            return "quiet" if state.quiet or state.protected else ""


def _police_comes(handoff: HandoffState | None) -> bool:
    """110 has the call or is being called; not once it has left, or a seat answers in its place."""
    if handoff is None or not handoff.to_police or handoff.released:
        return False
    return not (handoff.connected and handoff.route.kind == SEAT)


def _not_held(handoff: HandoffState | None) -> str:
    """Why the caller must be heard; "" if he may wait with music."""
    if handoff is not None and handoff.to_police:
        return "police_called"
    return "danger" if handoff is not None and handoff.alarmed else ""


def off_hold(state: State, actions: tuple[Action, ...]) -> Step:
    """Nobody waits with music for an agent who is gone, or while 110 or danger is there."""
    if not state.held or (seat_of(state) is not None and not _not_held(state.handoff)):
        return state, actions
    return replace(state, held=False), (Hold(False), *actions)


def asked(state: State, event: AgentAsked, policy: Policy) -> Step:
    """Do it, or put on the record why not."""
    reason = refusal(state, event.act)
    if reason:
        return state, (Decide(REFUSED, f"{event.agent}：{event.act.value}，{reason}"),)
    state, actions = _done(state, event, policy)
    return state, (Decide(f"agent_{event.act.value}", event.agent), *actions)


def _done(state: State, event: AgentAsked, policy: Policy) -> Step:
    match event.act:
        case AgentAct.TAKE:
            return _take(state, event.destination)
        case AgentAct.POLICE:
            return _police(state)
        case AgentAct.JOIN_POLICE:
            if seat_of(state) is None:
                return _police(state)
            if state.handoff is not None and state.handoff.to_police:
                return opening.police_again(state, seat_stays=True)
            return opening.police_beside(state, _reason(state))
        case AgentAct.TRANSFER:
            return _pass_on(state, event.destination)
        case AgentAct.LEAVE:
            return _leave(state, policy)
        case AgentAct.SAY:
            state, hushed = hush(state)
            state, said = say_entry(state, event.entry)
            return state, (*hushed, said)
        case AgentAct.HUSH:
            return hush(state)
        case AgentAct.HOLD | AgentAct.RESUME:
            on = event.act is AgentAct.HOLD
            return replace(state, held=on), (Hold(on),)


def _take(state: State, destination: str) -> Step:
    """The agent, and a seat of the directory if he does not come after all."""
    route, handoff = Route(destination, SEAT), state.handoff
    if handoff is None:
        return opening.to_agent(state, (route, Route(SEAT, SEAT)), TAKEN)
    if handoff.to_police:
        return _join(state, handoff, Side(SEAT, (route,)))
    rest = tuple(each for each in handoff.routes if each.destination != destination)
    handoff = replace(
        handoff, routes=(route, *rest), index=0, leg=LegState.REQUESTED, redial_at=None
    )
    return replace(state, handoff=handoff), (DialRoute(handoff.id, route),)


def _join(state: State, handoff: HandoffState, seat: Side) -> Step:
    """Beside 110, in place of any seat that was called and has not come: one agent has the call."""
    others = tuple(side for side in handoff.sides if side.line != SEAT)
    chain: tuple[Action, ...] = ()
    rest = tuple(route for route in handoff.routes if route.kind != SEAT)
    if handoff.released:  # nothing of the chain is dialled any more
        pass
    elif handoff.route.kind != SEAT:
        handoff = replace(handoff, routes=rest, index=rest.index(handoff.route))
    else:  # it rings at the seats, who give way
        after = handoff.routes[handoff.index + 1 :]
        index = rest.index(after[0]) if after else 0
        handoff = replace(handoff, routes=rest, index=index, leg=LegState.REQUESTED)
        chain = (ReleaseLeg(handoff.id), DialRoute(handoff.id, handoff.route))
    handoff = replace(handoff, sides=(*others, seat))
    dialled = DialLine(handoff.id, SEAT, seat.route)
    return replace(state, handoff=handoff), (*chain, dialled)


def _police(state: State) -> Step:
    """To 110; a seat that has the call, or is being called, is left, and the bot goes on."""
    reason, before = _reason(state), state.handoff
    if before is not None and before.to_police:
        return opening.police_again(state, seat_stays=False)
    released = () if before is None else (ReleaseLeg(before.id),)
    state, actions = opening.to_police(state, reason)
    return state, (*released, *actions)


def _reason(state: State) -> str:
    """Why 110 is called: danger that triage has heard as well, or the agent's word alone."""
    return "danger" if _dangerous(state) else "requested_police"


def _dangerous(state: State) -> bool:
    handoff, verdict = state.handoff, state.assessment
    told = handoff is not None and (handoff.to_police or handoff.alarmed)
    return told or opening.unsettled(state) or (verdict is not None and judging.is_danger(verdict))


def _pass_on(state: State, destination: str) -> Step:
    """To another seat; the call comes back to this one where that does not answer."""
    before = state.handoff
    assert before is not None
    routes = (Route(destination, SEAT), before.route)
    state, actions = opening.to_agent(state, routes, PASSED_ON)
    return state, (ReleaseLeg(before.id), *actions)


def _leave(state: State, policy: Policy) -> Step:
    """As if the agent had hung up his telephone."""
    handoff, seat = state.handoff, seat_of(state)
    assert handoff is not None
    assert seat is not None
    line = seat.line if isinstance(seat, Side) else ""
    gone = TransferProgress(
        state.at, handoff.id, seat.route.destination, LegState.ENDED, "left", line
    )
    state, actions = seatless.transfer(state, gone, policy)
    return state, (ReleaseLeg(handoff.id, line), *actions)
