"""Handing a live call to 110 or to a human seat, and staying with the caller until it is done.

A hand-off to 110 never ends by itself: a route that fails falls to the next, the chain
starts over, and only a person who was reached, or the caller, ends the call (R1). What the
caller is told follows the write; the dialling does not wait for it.
"""

from __future__ import annotations

from dataclasses import replace

from flows.actions import (
    Action,
    Decide,
    DialRoute,
    Handoff,
    HangUp,
    NotifyLine,
    Route,
)
from flows.events import LegState, TransferProgress, Written
from flows.policy import Step
from flows.routes import POLICE, SEAT, police_routes
from flows.speaking import hush, say
from flows.state import HandoffState, Phase, State
from flows.triage import Assessment

REDIAL_S = 3.0
"""Pause before an exhausted chain starts over: a desk that is busy needs a moment."""

_RANK = {LegState.REQUESTED: 0, LegState.RINGING: 1, LegState.ANSWERED: 2}


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


# ── opening ───────────────────────────────────────────────────────────────────────


def to_police(state: State, reason: str) -> Step:
    """Open a hand-off to 110; whatever the bot was saying stops."""
    evidence = _evidence(state)
    prompt = "transferring_110" if reason == "police_matter" else "connecting_110"
    state, hushed = hush(state)
    state, opened = _open(
        state, police_routes(state.region), reason, prompt, state.assessment, evidence
    )
    why = "；".join(evidence[:3]) or reason
    return state, (*hushed, *opened, Decide("hand_off_110", why))


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
        flags=assessment.flags if assessment else (),
        turn=newest,
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
    return state, (opened, *(NotifyLine(line, handoff.id) for line in handoff.lines))


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
    lost = handoff.to_police and not handoff.written
    state = replace(state, handoff=replace(handoff, announced=True))
    state, said = say(state, "trying_110" if lost else handoff.prompt)
    return state, (said,)


# ── the legs ──────────────────────────────────────────────────────────────────────


def transfer(state: State, event: TransferProgress) -> Step:
    """Progress of the route that is being tried."""
    handoff = state.handoff
    if (
        handoff is None
        or event.handoff != handoff.id
        or event.destination != handoff.route.destination  # a route already given up
        or handoff.redial_at is not None
    ):
        return state, ()
    match event.state:
        case LegState.REQUESTED | LegState.RINGING | LegState.ANSWERED:
            return _progress(state, handoff, event.state)
        case LegState.CONFIRMED:
            if handoff.connected:
                return state, ()
            state, hushed = hush(state)
            state = replace(
                state,
                phase=Phase.CONNECTED,
                reached=_reached(state.reached, handoff.route.kind),
                handoff=replace(handoff, leg=LegState.CONFIRMED),
            )
            return state, (*hushed, Decide("connected", f"{event.destination} 有人应答"))
        case LegState.ENDED if handoff.connected and event.reason != "lost":
            if handoff.alarmed and not handoff.to_police:
                # The seat is gone and the danger is not: the call never ends on that.
                return to_police(state, "danger")
            state = replace(state, phase=Phase.ENDED)
            return state, (Decide("released", "对方已挂断"), HangUp(state.outcome))
        case _:
            return _route_failed(state, handoff, event)


def _reached(before: str | None, kind: str) -> str:
    """110 once reached stays the outcome, whoever takes the call after it."""
    return POLICE if POLICE in (before, kind) else kind


def _progress(state: State, handoff: HandoffState, leg: LegState) -> Step:
    """Forward only: desks repeat themselves, and say ringing after they have answered."""
    if handoff.connected or _RANK[leg] <= _RANK.get(handoff.leg, 0):
        return state, ()
    state = replace(state, handoff=replace(handoff, leg=leg))
    return hush(state) if leg is LegState.ANSWERED else (state, ())


def _route_failed(state: State, handoff: HandoffState, event: TransferProgress) -> Step:
    """The next of the chain; when all have failed a call for 110 starts over, never dropped."""
    failed = Decide("route_failed", f"{event.destination}：{event.state} {event.reason}".strip())
    last = handoff.index + 1 >= len(handoff.routes)
    if last and not handoff.to_police:
        return _no_seat(state), (failed,)
    handoff = replace(
        handoff,
        index=0 if last else handoff.index + 1,
        rounds=handoff.rounds + int(last),
        leg=LegState.REQUESTED,
        redial_at=state.at + REDIAL_S if last else None,
    )
    state = replace(state, handoff=handoff, phase=Phase.HANDING_OFF)
    dialled = () if last else (DialRoute(handoff.id, handoff.route),)
    if not state.quiet and state.prompt == "next_route":
        return state, (failed, *dialled)  # the caller is being told so already
    state, told = say(state, "next_route")
    return state, (failed, *dialled, told)


def redial(state: State) -> Step:
    """Start an exhausted chain over when its pause is past."""
    handoff = state.handoff
    if handoff is None or handoff.redial_at is None or state.at < handoff.redial_at:
        return state, ()
    state = replace(state, handoff=replace(handoff, redial_at=None))
    return state, (DialRoute(handoff.id, handoff.route),)


def _no_seat(state: State) -> State:
    """No human is free; `seatless` says how the call goes on."""
    # What was said while waiting was company, not a question.
    said = max((turn.number for turn in state.turns if turn.ended), default=state.handled)
    return replace(
        state,
        handoff=None,
        phase=Phase.LISTENING,
        seat_failed=True,
        handled=max(state.handled, said),
    )
