"""A live call is handed to 110 or to a human seat: opened, written, announced. Pure.

What the caller is told follows the write; the dialling does not wait for it. What becomes of
the legs is in `legs`.
"""

from __future__ import annotations

from dataclasses import replace

from flows import sides
from flows.actions import Action, Decide, DialRoute, Handoff, KeepBeside, ReleaseLeg, Route
from flows.announcing import UNDECIDED, WORK_ORDER, handling_order, police_prompt
from flows.events import LegState, Written
from flows.pending import Side
from flows.policy import Step
from flows.routes import SEAT, police_routes
from flows.speaking import hush, say
from flows.state import HandoffState, Phase, State
from flows.triage import Assessment


def unsettled(state: State) -> bool:
    """Danger that came up and that neither a clear no nor 110 has settled.

    A person who has the call decides about doubt, but not about what was certain.
    """
    handoff = state.handoff
    if handoff is None:
        return state.phase is Phase.CONFIRMING_DANGER or state.doubt > 0
    if handoff.to_police:
        return False
    return handoff.alarmed or (not handoff.connected and (handoff.doubtful or state.doubt > 0))


def to_police(state: State, reason: str) -> Step:
    """Open a hand-off to 110; whatever the bot was saying stops."""
    evidence = _evidence(state)
    assessment = state.assessment
    state, hushed = hush(state)
    routes = routes_to_police(state.region, seat=reason != UNDECIDED)
    state, opened = _open(state, routes, reason, "", assessment, evidence)
    why = "；".join(evidence[:3]) or reason
    return state, (*hushed, *opened, Decide("hand_off_110", why))


def police_beside(state: State, reason: str) -> Step:
    """110 is called into a call that a seat has, and the seat stays on the line.

    Its leg becomes a leg of the new hand-off, beside 110, before that is dialled; the chain of 110
    is gone through again and again while the seat is there.
    """
    before = state.handoff
    assert before is not None
    evidence, assessment = _evidence(state), state.assessment
    state, hushed = hush(state)
    routes = routes_to_police(state.region, seat=False)
    state, (opened, *called) = _open(state, routes, reason, "", assessment, evidence)
    handoff = state.handoff
    assert handoff is not None
    seat, kept = _kept_beside(handoff, before.route)
    handoff = replace(handoff, sides=(seat, *handoff.sides))
    why = Decide("hand_off_110", "；".join(evidence[:3]) or "座席请110加入")
    state = replace(state, handoff=handoff, phase=Phase.CONNECTED)
    return state, (*hushed, kept, opened, *called, why)


def police_again(state: State, *, seat_stays: bool) -> Step:
    """110 is called again where it has left the call, or a seat has answered in its place.

    In the same hand-off: the lines beside it go on, and none of them is called twice.
    """
    handoff = state.handoff
    assert handoff is not None
    state, hushed = hush(state)
    kept: tuple[Action, ...] = ()
    beside, others = handoff.side(SEAT), tuple(s for s in handoff.sides if s.line != SEAT)
    if handoff.connected and seat_stays:
        beside, keep = _kept_beside(handoff, handoff.route)
        kept = (keep,)
    elif handoff.connected:
        kept = (ReleaseLeg(handoff.id),)
    elif beside is not None and beside.connected and not seat_stays:
        beside, kept = replace(beside, leg=LegState.ENDED), (ReleaseLeg(handoff.id, SEAT),)
    handoff = replace(
        handoff,
        reason="requested_police" if handoff.reason == UNDECIDED else handoff.reason,
        sides=others if beside is None else (beside, *others),
    )
    handoff = replace(
        handoff,
        routes=routes_to_police(handoff.region, seat=sides.chain_has_seat(handoff)),
        index=0,
        rounds=0,
        leg=LegState.REQUESTED,
        redial_at=None,
        tried=False,
        released=False,
        handed_back=False,
    )
    phase = Phase.CONNECTED if handoff.talking else Phase.HANDING_OFF
    state = replace(state, handoff=handoff, phase=phase)
    why = Decide("hand_off_110", "座席再次呼叫110")
    actions = (*hushed, *kept, DialRoute(handoff.id, handoff.route), why)
    if not handoff.waiting:
        return state, actions
    state, said = say(state, "still_connecting")
    return state, (*actions, said)


def _kept_beside(handoff: HandoffState, route: Route) -> tuple[Side, KeepBeside]:
    """The seat on `route` has the caller, and stays as a leg of this hand-off beside 110."""
    seat = Side(SEAT, (route,), leg=LegState.CONFIRMED, reached=True)
    return seat, KeepBeside(handoff.id, SEAT, route.destination)


def to_agent(state: State, routes: tuple[Route, ...], reason: str) -> Step:
    """Open a hand-off to an agent; danger, be it in doubt, goes to 110 if he cannot be had."""
    doubtful, evidence = unsettled(state), _evidence(state)
    alarmed = state.handoff is not None and state.handoff.alarmed
    state, hushed = hush(state)
    state, opened = _open(
        state, routes, reason, "connecting_human", state.assessment, evidence, alarmed=alarmed
    )
    handoff = state.handoff
    assert handoff is not None
    state = replace(state, handoff=replace(handoff, doubtful=doubtful))
    return state, (*hushed, *opened, Decide("hand_off_human", reason))


def _flags(state: State, assessment: Assessment | None) -> tuple[str, ...]:
    found = assessment.flags if assessment is not None else ()
    return (*found, *((WORK_ORDER,) if handling_order(state) else ()), *state.distress)


def routes_to_police(region: str | None, *, seat: bool) -> tuple[Route, ...]:
    """The chain of 110; without its last, the seat, where a seat is called or has it beside 110."""
    routes = police_routes(region)
    return routes if seat else routes[:-1]


def _evidence(state: State) -> tuple[str, ...]:
    found = state.assessment.evidence if state.assessment else ()
    return tuple(f"{each.kind}：{each.detail}" for each in found)


def to_human(state: State, reason: str, prompt: str) -> Step:
    """Open a hand-off to a seat."""
    state, hushed = hush(state)
    doubt = reason == "danger_doubt"
    state, opened = _open(
        state,
        (Route(SEAT, SEAT),),
        reason,
        prompt,
        state.assessment if doubt else None,
        _evidence(state) if doubt else (),
    )
    return state, (*hushed, *opened, Decide("hand_off_human", reason))


def _open(
    state: State,
    routes: tuple[Route, ...],
    reason: str,
    prompt: str,
    assessment: Assessment | None,
    evidence: tuple[str, ...],
    *,
    alarmed: bool = False,
) -> tuple[State, tuple[Action, ...]]:
    number = state.handoffs + 1
    newest = state.turn.number if state.turn else state.handled
    handoff = HandoffState(
        f"{state.call_id}-h{number}",
        reason,
        routes,
        prompt,
        region=state.region,
        category=assessment.category if assessment else None,
        lines=assessment.lines if assessment else (),
        flags=(*_flags(state, assessment), *(("danger",) if alarmed else ())),
        turn=newest,
        alarmed=alarmed,
        doubtful=reason == "danger_doubt",
    )
    state = replace(
        state,
        phase=Phase.HANDING_OFF,
        handoff=handoff,
        handoffs=number,
        awaiting=None,
        handled=max(state.handled, newest),
        doubt_turn=None,
        early=None,
        result=None,
        searched=None,
        nudges=0,
        unheard=0,
    )
    opened = Handoff(
        handoff.id,
        routes,
        reason,
        handoff.region,
        handoff.category,
        handoff.lines,
        handoff.flags,
        evidence,
    )
    handoff, called = sides.brought_in(handoff, handoff.lines, state.duty_lines)
    if reason == UNDECIDED:
        handoff, seat = sides.with_seat(handoff)
        called = (*called, seat)
    return replace(state, handoff=handoff), (opened, *called)


def written(state: State, event: Written) -> Step:
    """The hand-off's record is safe, or is known to be lost."""
    handoff = state.handoff
    assert handoff is not None
    if handoff.written is not None:
        return state, ()
    return announce(replace(state, handoff=replace(handoff, written=event.ok)))


def announce(state: State) -> Step:
    """Tell the caller once; what is not known to be written is only being tried."""
    handoff = state.handoff
    assert handoff is not None
    if handoff.announced or not handoff.waiting:
        return state, ()
    prompt = handoff.prompt or police_prompt(state, handoff)
    if handoff.to_police and not handoff.written:
        prompt = "trying_110"
    state = replace(state, handoff=replace(handoff, announced=True))
    state, said = say(state, prompt)
    return state, (said,)
