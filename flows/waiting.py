"""A call for which 110 has no line: what it wants, what its caller is told, a free line. Pure.

Nobody is put off by a full 110: the chain goes on as ever (the province's, a seat), then to the
110s of neighbouring counties, while the call stands in the list of those who wait for a line
(`waiting_list`), the riskiest first. The caller is told how it stands every `TELL_S`, never when
his turn comes; the ears stay on, and worse words move him up.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path

from flows.actions import Action, Decide, DialRoute, Route
from flows.announcing import UNDECIDED
from flows.events import LegState, LineFree, TransferProgress
from flows.policy import Step
from flows.routes import POLICE, areas, police_routes
from flows.speaking import hush, say
from flows.state import HandoffState, Phase, State
from flows.waiting_list import NO_RISK, Claim
from flows.waiting_risk import risk

LINES_FULL = "lines_full"
"""Reason of a route that failed without being dialled: its lines are all in use."""

FIRST_S = 6.0
"""Until a caller is told of it for whom something else still rings; else it is at once."""

TELL_S = 15.0
"""Between two words about how it stands."""

REDIAL_S = 15.0
"""Until a chain that was full throughout starts over; before that a free line is given out."""

MOST_NEIGHBOURS = 3
NEIGHBOURS = Path(__file__).with_name("data") / "neighbours.toml"

_PATIENCE = (
    "still_connecting",
    "next_route",
    "lines_full",
    "lines_full_police",
    "lines_full_still",
)
"""Prompts that better news cuts short."""


def failed(state: State, handoff: HandoffState, event: TransferProgress) -> HandoffState:
    """What the failure of a route tells of its lines."""
    tried = handoff.tried or event.reason != LINES_FULL
    others = tuple(number for number in handoff.full if number != event.destination)
    if event.state is not LegState.BUSY or not handoff.to_police:
        return replace(handoff, tried=tried, full=others)
    since = state.at if handoff.waiting_since is None else handoff.waiting_since
    full = (*others, event.destination)
    return replace(handoff, tried=tried, full=full, waiting_since=since)


def further(handoff: HandoffState) -> HandoffState:
    """The chain with the neighbours' 110 behind it, where its own are full."""
    if not handoff.full or handoff.reason in ("police_matter", UNDECIDED):
        return handoff
    known = {route.destination for route in handoff.routes}
    more = tuple(route for route in neighbours(handoff.region) if route.destination not in known)
    return replace(handoff, routes=(*handoff.routes, *more))


def neighbours(region: str | None) -> tuple[Route, ...]:
    """The 110s of the counties next to a place (or to its city), the nearest first."""
    for area in areas(region):
        if area in _neighbours():
            return tuple(Route(f"110-{code}", POLICE) for code in _neighbours()[area])
    return ()


@cache
def _neighbours() -> dict[str, tuple[str, ...]]:
    table = tomllib.loads(NEIGHBOURS.read_text("utf-8"))
    return {code: tuple(near)[:MOST_NEIGHBOURS] for code, near in table.items()}


def pause(handoff: HandoffState, otherwise: float) -> float:
    """Until an exhausted chain starts over; `otherwise` where anything was really dialled."""
    return otherwise if handoff.tried else REDIAL_S


def told(state: State) -> Step | None:
    """How it stands, if that is due; the caller of this has made sure that the bot may speak."""
    at = _due(state)
    return _speak(state) if at is not None and state.at >= at else None


def due_at(state: State) -> float | None:
    """When the caller is next to be told; None as well while he or the bot is speaking."""
    return None if state.caller_speaking or not state.quiet else _due(state)


def _due(state: State) -> float | None:
    handoff = state.handoff
    if (
        state.phase is not Phase.HANDING_OFF
        or handoff is None
        or not (handoff.announced and handoff.waiting and all_full(handoff))
    ):
        return None
    if handoff.told_at is not None:
        return handoff.told_at + TELL_S
    since = handoff.waiting_since
    return since if since is None or handoff.rounds else since + FIRST_S


def all_full(handoff: HandoffState) -> bool:
    """Each 110 that the place has, the province's too, was without a line."""
    own = [route.destination for route in police_routes(handoff.region) if route.kind == POLICE]
    return handoff.to_police and all(number in handoff.full for number in own)


def _speak(state: State) -> Step:
    """Say how it stands: nothing of when, and nothing that is not so."""
    handoff = state.handoff
    assert handoff is not None
    seat = handoff.reason not in ("police_matter", UNDECIDED)
    prompt = (
        "lines_full_still"
        if handoff.told_at is not None
        else "lines_full"
        if seat
        else "lines_full_police"
    )
    state = replace(state, handoff=replace(handoff, told_at=state.at))
    state, said = say(state, prompt)
    return state, (said,)


def granted(state: State, event: LineFree) -> Step:
    """A line was given to this call; it is dialled unless something better has come up."""
    handoff = state.handoff
    chain = [route.destination for route in handoff.routes] if handoff is not None else []
    if (
        handoff is None
        or event.handoff != handoff.id
        or handoff.off_hook
        or handoff.released
        or event.destination not in handoff.full
        or event.destination not in chain  # the caller is somewhere else by now
    ):
        return state, ()
    index = chain.index(event.destination)
    if handoff.redial_at is None and not (event.sure and _better(handoff, index)):
        return state, ()
    full = tuple(number for number in handoff.full if number != event.destination)
    handoff = replace(handoff, index=index, leg=LegState.REQUESTED, redial_at=None, full=full)
    state = replace(state, handoff=handoff)
    actions: tuple[Action, ...] = (
        Decide("line_free", event.why),
        DialRoute(handoff.id, handoff.route),
    )
    if not (event.sure and handoff.announced and handoff.waiting):
        return state, actions
    state, hushed = hush(state) if state.prompt in _PATIENCE else (state, ())
    state, news = say(state, "line_free")
    return state, (*hushed, *actions, news)


def _better(handoff: HandoffState, index: int) -> bool:
    """A route that goes before the one that rings; any 110 goes before a seat."""
    police = handoff.routes[index].kind == POLICE
    return index < handoff.index or (police and handoff.route.kind != POLICE)


def claim(state: State, began: float = 0.0) -> Claim | None:
    """What this call has of the lines to 110 and to seats, and what it waits for.

    Parameters:
        began: when the call was answered, by the clock of the list.
    """
    handoff = state.handoff
    if state.phase is Phase.ENDED or handoff is None or not handoff.to_police:
        return None
    idle = handoff.redial_at is not None
    over = handoff.released or handoff.leg is LegState.ENDED
    using = None if idle or over else handoff.route.destination
    wants = tuple(
        route.destination
        for index, route in enumerate(handoff.routes)
        if route.destination in handoff.full and (idle or _better(handoff, index))
    )
    if over or handoff.off_hook:
        wants = ()
    said = ((turn.transcript, turn.syllables) for turn in state.turns if not turn.aside)
    found = risk(handoff.reason, handoff.flags, said) if wants else NO_RISK
    since = began + (handoff.waiting_since or 0.0)
    return Claim(handoff.id, using, wants, idle, found, since)
