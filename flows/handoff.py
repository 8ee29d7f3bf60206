"""Handing a live call to 110 or to a human seat, and staying with the caller until it is done.

A hand-off to 110 never ends by itself: a route that fails falls to the next, the chain
starts over, and only a person who was reached, or the caller, ends the call (R1). What the
caller is told follows the write; the dialling does not wait for it.
"""

from __future__ import annotations

from dataclasses import replace

from flows import sides
from flows.actions import (
    Action,
    Decide,
    DialRoute,
    Handoff,
    HangUp,
    Leave,
    ReleaseLeg,
    Route,
    UpdateDossier,
)
from flows.announcing import UNDECIDED, WORK_ORDER, handling_order, police_prompt
from flows.events import FarSideKey, LegState, TransferProgress, Written
from flows.policy import Policy, Step
from flows.routes import LEG_LINES, POLICE, SEAT, police_routes
from flows.speaking import hush, say
from flows.state import HandoffState, Phase, State
from flows.triage import Assessment

BROKEN_OFF_S = 12.0
"""110 gone so soon after its first words is a line that broke, not a matter that is settled."""

REDIAL_S = 3.0
"""Pause before an exhausted chain starts over: a desk that is busy needs a moment."""


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
    assessment = state.assessment
    state, hushed = hush(state)
    routes = routes_to_police(state.region, reason)
    state, opened = _open(state, routes, reason, "", assessment, evidence)
    why = "；".join(evidence[:3]) or reason
    return state, (*hushed, *opened, Decide("hand_off_110", why))


def _flags(state: State, assessment: Assessment | None) -> tuple[str, ...]:
    found = assessment.flags if assessment is not None else ()
    return (*found, *((WORK_ORDER,) if handling_order(state) else ()), *state.distress)


def routes_to_police(region: str | None, reason: str) -> tuple[Route, ...]:
    """The chain of 110; without its last, the seat, where a seat is called beside it."""
    routes = police_routes(region)
    return routes[:-1] if reason == UNDECIDED else routes


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
        flags=_flags(state, assessment),
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


# ── the legs ──────────────────────────────────────────────────────────────────────


def transfer(state: State, event: TransferProgress) -> Step:
    """Progress of the route that is being tried, or of a leg beside it."""
    handoff = state.handoff
    if handoff is None or event.handoff != handoff.id:
        return state, ()
    if event.state is LegState.ENDED and event.reason == "transferred" and handoff.talking:
        # The caller's line is the far side's now: nothing is left to hang up, or to try.
        left = Decide("released", "电话已转交对方"), *sides.notices(state)
        state = replace(state, phase=Phase.ENDED)
        return state, (*left, Leave(state.outcome))
    if event.line:
        return _beside(state, handoff, event)
    if (
        event.destination != handoff.route.destination  # a route already given up
        or handoff.redial_at is not None
        or handoff.released
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
                handoff=replace(handoff, leg=LegState.CONFIRMED, connected_at=state.at),
            )
            return state, (*hushed, Decide("connected", f"{event.destination} 有人应答"))
        case LegState.ENDED if handoff.connected and event.reason != "lost":
            if handoff.alarmed and not handoff.to_police:
                # The seat is gone and the danger is not: the call never ends on that.
                return to_police(state, "danger")
            if (
                handoff.route.kind == POLICE
                and state.at - handoff.connected_at < BROKEN_OFF_S
                and not handoff.retracted
            ):
                return _route_failed(state, handoff, event)
            return _released(state, handoff)
        case _:
            return _route_failed(state, handoff, event)


def _released(state: State, handoff: HandoffState) -> Step:
    """110 (or the seat) has had the call and is gone: the call ends with the last of the others."""
    handoff = replace(handoff, leg=LegState.ENDED, released=True)
    state = replace(state, handoff=handoff)
    if handoff.talking:
        return state, (Decide("released", "对方已挂断，其他方还在线"),)
    return _over(state)


def _over(state: State) -> Step:
    notices = sides.notices(state)
    state = replace(state, phase=Phase.ENDED)
    return state, (Decide("released", "对方已挂断"), *notices, HangUp(state.outcome))


def _beside(state: State, handoff: HandoffState, event: TransferProgress) -> Step:
    """Progress of a leg to another line."""
    side = handoff.side(event.line)
    if (
        side is None
        or event.destination != side.route.destination
        or side.redial_at is not None
        or side.given_up
        or side.leg is LegState.ENDED
    ):
        return state, ()
    if event.state is LegState.ENDED and side.connected and event.reason != "lost":
        handoff = handoff.with_side(replace(side, leg=LegState.ENDED))
        return _side_gone(replace(state, handoff=handoff), handoff, side.line)
    if event.state is LegState.CONFIRMED and not side.connected:
        state = replace(state, reached=_reached(state.reached, side.line))
    state, actions = sides.transfer(state, event)
    handoff = state.handoff or handoff
    if handoff.talking:
        return state, actions
    if handoff.released and all(each.over for each in handoff.sides):
        # 110 left the caller to others, and they cannot be had: it is called again.
        state, again = to_police(state, "danger")
        return state, (*actions, *again)
    if side.connected:  # its line broke in mid-conversation
        state, alone = _alone(state, handoff)
        actions = (*actions, *alone)
    return state, actions


def _side_gone(state: State, handoff: HandoffState, line: str) -> Step:
    gone = Decide("line_released", f"{line}已挂断")
    if handoff.talking:
        return state, (gone,)
    if line == SEAT and handoff.reason == UNDECIDED:
        # The seat has had the matter and is done: 110 is not called for it any more.
        calling = () if handoff.released else (ReleaseLeg(handoff.id),)
        state, over = _over(state)
        return state, (gone, *calling, *over)
    if handoff.released and handoff.handed_back:
        state, resumed = _resume(state)
        return state, (gone, *_stop_calling(handoff), *resumed)
    if handoff.released:
        state, over = _over(state)
        return state, (gone, *over)
    state, alone = _alone(state, handoff)
    return state, (gone, *alone)


def _alone(state: State, handoff: HandoffState) -> Step:
    """No human is on the line any more, and more are being called: the caller is told."""
    state = replace(state, phase=Phase.HANDING_OFF)
    if handoff.off_hook:
        return state, ()
    state, said = say(state, "still_connecting")
    return state, (said,)


def _reached(before: str | None, kind: str) -> str:
    """110 once reached stays the outcome, whoever takes the call after it; then other lines."""
    order = (POLICE, *LEG_LINES, SEAT)
    return min((each for each in (before, kind) if each is not None), key=order.index)


def _progress(state: State, handoff: HandoffState, leg: LegState) -> Step:
    """Forward only: desks repeat themselves, and say ringing after they have answered."""
    if handoff.connected or sides.RANK[leg] <= sides.RANK.get(handoff.leg, 0):
        return state, ()
    state = replace(state, handoff=replace(handoff, leg=leg))
    return hush(state) if leg is LegState.ANSWERED else (state, ())


def _route_failed(state: State, handoff: HandoffState, event: TransferProgress) -> Step:
    """The next of the chain; when all have failed a call for 110 starts over, never dropped."""
    failed = Decide("route_failed", f"{event.destination}：{event.state} {event.reason}".strip())
    last = handoff.index + 1 >= len(handoff.routes)
    if last and not handoff.to_police:
        return no_seat(state), (failed,)
    if last and handoff.reason == UNDECIDED and handoff.waiting:
        return no_seat(state), (failed, *_stop_calling(handoff))
    handoff = replace(
        handoff,
        index=0 if last else handoff.index + 1,
        rounds=handoff.rounds + int(last),
        leg=LegState.REQUESTED,
        redial_at=state.at + REDIAL_S if last else None,
    )
    phase = Phase.CONNECTED if handoff.talking else Phase.HANDING_OFF
    state = replace(state, handoff=handoff, phase=phase)
    dialled = () if last else (DialRoute(handoff.id, handoff.route),)
    if not handoff.waiting or (not state.quiet and state.prompt == "next_route"):
        # The others on the line would hear it, or the caller is being told so already.
        return state, (failed, *dialled)
    # News before patience: the next desk may answer before both are said.
    state, hushed = hush(state) if state.prompt == "still_connecting" else (state, ())
    state, told = say(state, "next_route")
    return state, (failed, *hushed, *dialled, told)


def redial(state: State) -> Step:
    """Start exhausted chains over when their pause is past."""
    state, beside = sides.redial(state)
    handoff = state.handoff
    if handoff is None or handoff.redial_at is None or state.at < handoff.redial_at:
        return state, beside
    state = replace(state, handoff=replace(handoff, redial_at=None))
    return state, (DialRoute(handoff.id, handoff.route), *beside)


def due_at(state: State) -> float | None:
    """When `redial` has something to do; any event after that will do, `TimePassed` at least."""
    if state.handoff is None or state.phase is Phase.ENDED:
        return None
    times = (state.handoff.redial_at, *(side.redial_at for side in state.handoff.sides))
    return min((at for at in times if at is not None), default=None)


# ── 110 hands the call back ───────────────────────────────────────────────────────


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
    handed = (Decide("handed_back", "110按键，把电话转回12345"), note, ReleaseLeg(handoff.id))
    if any(side.connected for side in handoff.sides):
        state, actions = _released(state, replace(handoff, handed_back=True))
        return state, (*handed, *actions)
    state, resumed = _resume(state)
    return state, (*handed, *_stop_calling(handoff), *resumed)


def _stop_calling(handoff: HandoffState) -> tuple[Action, ...]:
    """Lines that are still being called: nobody may come into a call that is 12345's again."""
    return tuple(ReleaseLeg(handoff.id, side.line) for side in handoff.sides if not side.over)


def _resume(state: State) -> Step:
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
