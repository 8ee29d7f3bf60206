"""The legs of a hand-off: which route is tried next, who is on the line, who has gone. Pure.

A hand-off to 110 never ends by itself: a route that fails falls to the next, the chain starts
over, and only a person who was reached, or the caller, ends the call (R1).
"""

from __future__ import annotations

from dataclasses import replace

from flows import dossier, release, sides, waiting
from flows import handoff as opening
from flows.actions import Decide, DialRoute, Leave, ReleaseLeg
from flows.announcing import UNDECIDED
from flows.events import LegState, TransferProgress
from flows.policy import Step
from flows.routes import LEG_LINES, POLICE, SEAT
from flows.speaking import hush, say
from flows.state import HandoffState, Phase, State

_GOING_ON = (*sides.RANK, LegState.CONFIRMED)

BROKEN_OFF_S = 12.0
"""110 gone so soon after its first words is a line that broke, not a matter that is settled."""

REDIAL_S = 3.0
"""Pause before an exhausted chain starts over: a desk that is busy needs a moment."""


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
    if handoff.alarmed and not handoff.to_police and event.state not in _GOING_ON:
        # The seat is gone, however, or does not answer, and the danger is not: no other is tried.
        state, actions = opening.to_police(state, "danger")
        return state, (_failed(event), *actions)
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
            if (
                handoff.route.kind == POLICE
                and state.at - handoff.connected_at < BROKEN_OFF_S
                and not handoff.retracted
            ):
                return _route_failed(state, handoff, event)
            return release.released(state, handoff)
        case _:
            return _route_failed(state, handoff, event)


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
        handoff = sides.with_last_resort(handoff.with_side(replace(side, leg=LegState.ENDED)))
        return _side_gone(replace(state, handoff=handoff), handoff, side.line)
    if event.state is LegState.CONFIRMED and not side.connected:
        state = replace(state, reached=_reached(state.reached, side.line))
    state, actions = sides.transfer(state, event)
    handoff = state.handoff or handoff
    if handoff.talking:
        return state, actions
    if handoff.released and all(each.over for each in handoff.sides):
        # 110 left the caller to others, and they cannot be had: it is called again.
        state, again = opening.to_police(state, "danger")
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
        state, over = release.over(state)
        return state, (gone, *calling, *over)
    if handoff.released and handoff.handed_back:
        state, resumed = release.resume(state)
        return state, (gone, *release.stop_calling(handoff), *resumed)
    if handoff.released:
        state, over = release.over(state)
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


def _failed(event: TransferProgress) -> Decide:
    return Decide("route_failed", f"{event.destination}：{event.state} {event.reason}".strip())


def _route_failed(state: State, handoff: HandoffState, event: TransferProgress) -> Step:
    """The next of the chain; when all have failed a call for 110 starts over, never dropped."""
    failed = _failed(event)
    handoff = waiting.failed(state, handoff, event)
    if handoff.index + 1 >= len(handoff.routes):
        handoff = waiting.further(handoff)
    last = handoff.index + 1 >= len(handoff.routes)
    if last and not handoff.to_police:
        return release.no_seat(state), (failed,)
    if last and handoff.reason == UNDECIDED and handoff.waiting:
        return release.no_seat(state), (failed, *release.stop_calling(handoff))
    handoff = replace(
        handoff,
        index=0 if last else handoff.index + 1,
        rounds=handoff.rounds + int(last),
        leg=LegState.REQUESTED,
        redial_at=state.at + waiting.pause(handoff, REDIAL_S) if last else None,
        tried=handoff.tried and not last,
    )
    phase = Phase.CONNECTED if handoff.talking else Phase.HANDING_OFF
    state = replace(state, handoff=handoff, phase=phase)
    dialled = () if last else (DialRoute(handoff.id, handoff.route),)
    if not handoff.waiting or (not state.quiet and state.prompt == "next_route"):
        # The others on the line would hear it, or the caller is being told so already.
        return state, (failed, *dialled)
    if event.reason == waiting.LINES_FULL or (last and waiting.all_full(handoff)):
        # There is no next route, or nothing rang at this one: what is full is said in its turn.
        state, said = dossier.keep_company(state)
        return state, (failed, *dialled, *said)
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
    """When something put off is due: any event after that will do, `TimePassed` at least."""
    if state.handoff is None or state.phase is Phase.ENDED:
        return None
    sides_at = (side.redial_at for side in state.handoff.sides)
    times = (state.handoff.redial_at, waiting.due_at(state), *sides_at)
    return min((at for at in times if at is not None), default=None)
