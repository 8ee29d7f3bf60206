"""119, 120, 122 and 12395 beside 110: each a leg with its own chain, in the same conversation.

They are dialled at the same moment as 110 and end for themselves; a line that cannot be
reached gets a message instead. Power, water, gas and railway always get one.
"""

from __future__ import annotations

from dataclasses import replace

from flows.actions import Action, Decide, DialLine, NotifyLine, Route, UpdateDossier
from flows.announcing import UNDECIDED
from flows.events import DutyLine, LegState, TransferProgress
from flows.pending import HandoffState, Side
from flows.policy import Step
from flows.routes import LEG_LINES, SEAT, line_routes
from flows.speaking import hush
from flows.state import Phase, State

REDIAL_S = 5.0
"""Pause before a chain starts over."""

MOST_ROUNDS = 3
"""How often a chain is gone through before the line gets a message instead."""

RANK = {LegState.REQUESTED: 0, LegState.RINGING: 1, LegState.ANSWERED: 2}


def brought_in(
    handoff: HandoffState, lines: tuple[str, ...], duty_lines: tuple[DutyLine, ...]
) -> tuple[HandoffState, tuple[Action, ...]]:
    """Lines that are to help: called beside 110, told by message where that is all there is.

    Who has the call already decides for himself whether anyone else is to come on the line.
    """
    actions: list[Action] = []
    for line in lines:
        if line not in LEG_LINES or not handoff.to_police or handoff.connected or handoff.released:
            actions.append(NotifyLine(line, handoff.id))
        elif handoff.side(line) is None:
            side = Side(line, line_routes(line, handoff.region, duty_lines))
            handoff = replace(handoff, sides=(*handoff.sides, side))
            actions.append(DialLine(handoff.id, line, side.route))
    return handoff, tuple(actions)


def with_seat(handoff: HandoffState) -> tuple[HandoffState, Action]:
    """A seat called beside 110, where both are to decide whose matter it is."""
    seat = Side(SEAT, (Route(SEAT, SEAT),))
    handoff = replace(handoff, sides=(*handoff.sides, seat))
    return handoff, DialLine(handoff.id, SEAT, seat.route)


def chain_has_seat(handoff: HandoffState) -> bool:
    """A seat is the chain's last resort, where none is called or has the call beside 110."""
    seat = handoff.side(SEAT)
    return handoff.reason != UNDECIDED and (seat is None or seat.over)


def with_last_resort(handoff: HandoffState) -> HandoffState:
    """The seat beside 110 is gone: the chain has one again."""
    if not chain_has_seat(handoff) or any(route.kind == SEAT for route in handoff.routes):
        return handoff
    return replace(handoff, routes=(*handoff.routes, Route(SEAT, SEAT)))


def rerouted(
    handoff: HandoffState, duty_lines: tuple[DutyLine, ...]
) -> tuple[HandoffState, tuple[Action, ...]]:
    """Another city or county: its own numbers, where nobody is off-hook yet."""
    actions: list[Action] = []
    for side in handoff.sides:
        if side.line == SEAT:
            continue
        routes = line_routes(side.line, handoff.region, duty_lines)
        if side.off_hook or side.reached or side.given_up or routes == side.routes:
            continue
        if routes[0] != side.route:
            actions.append(DialLine(handoff.id, side.line, routes[0]))
            side = replace(side, leg=LegState.REQUESTED, redial_at=None)
        handoff = handoff.with_side(replace(side, routes=routes, index=0))
    return handoff, tuple(actions)


def transfer(state: State, event: TransferProgress) -> Step:
    """Progress of a leg beside 110, but for the end of a conversation (`handoff`)."""
    handoff = state.handoff
    side = handoff.side(event.line) if handoff is not None else None
    if handoff is None or side is None:
        return state, ()
    match event.state:
        case LegState.REQUESTED | LegState.RINGING | LegState.ANSWERED:
            if side.connected or RANK[event.state] <= RANK.get(side.leg, 0):
                return state, ()
            side = replace(side, leg=event.state)
            state = replace(state, handoff=handoff.with_side(side))
            return hush(state) if event.state is LegState.ANSWERED else (state, ())
        case LegState.CONFIRMED:
            return (state, ()) if side.connected else _confirmed(state, handoff, side)
        case _:
            return _failed(state, handoff, side, event)


def _confirmed(state: State, handoff: HandoffState, side: Side) -> Step:
    state, hushed = hush(state)
    side = replace(side, leg=LegState.CONFIRMED, reached=True)
    state = replace(state, phase=Phase.CONNECTED, handoff=handoff.with_side(side))
    return state, (
        *hushed,
        Decide("line_connected", f"{side.route.destination} 有人应答"),
        _noted(handoff, f"{_name(side)}已接通"),
    )


def _failed(state: State, handoff: HandoffState, side: Side, event: TransferProgress) -> Step:
    """The next of its chain; the chain again after a pause; at last a message."""
    why = f"{event.destination}：{event.state} {event.reason}".strip()
    failed = Decide("line_failed", why)
    rounds = side.rounds + int(side.index + 1 >= len(side.routes))
    side = replace(side, leg=LegState.REQUESTED, rounds=rounds)
    if rounds >= MOST_ROUNDS:
        side = replace(side, given_up=True)
        state = replace(state, handoff=with_last_resort(handoff.with_side(side)))
        if side.line == SEAT:  # nobody reads messages there; 110 goes on being called
            return state, (failed,)
        told = _noted(handoff, f"{side.line}没有接通，已发通知")
        return state, (failed, NotifyLine(side.line, handoff.id), told)
    if rounds > 0 and side.index + 1 >= len(side.routes):
        side = replace(side, index=0, redial_at=state.at + REDIAL_S)
        return replace(state, handoff=handoff.with_side(side)), (failed,)
    side = replace(side, index=side.index + 1)
    state = replace(state, handoff=handoff.with_side(side))
    return state, (failed, DialLine(handoff.id, side.line, side.route))


def redial(state: State) -> Step:
    """Start those chains over whose pause is past."""
    handoff = state.handoff
    if handoff is None:
        return state, ()
    actions: list[Action] = []
    for side in handoff.sides:
        if side.redial_at is not None and state.at >= side.redial_at:
            handoff = handoff.with_side(replace(side, redial_at=None))
            actions.append(DialLine(handoff.id, side.line, side.route))
    return replace(state, handoff=handoff), tuple(actions)


def notices(state: State) -> tuple[Action, ...]:
    """The call is over: lines that were called and not reached get a message."""
    handoff = state.handoff
    if handoff is None:
        return ()
    return tuple(
        NotifyLine(side.line, handoff.id)
        for side in handoff.sides
        if not (side.reached or side.given_up or side.line == SEAT)
    )


def _name(side: Side) -> str:
    return "座席" if side.line == SEAT else side.line


def _noted(handoff: HandoffState, note: str) -> UpdateDossier:
    return UpdateDossier(handoff.id, handoff.region, handoff.lines, handoff.flags, note=note)
