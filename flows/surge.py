"""Surge control: who takes the next call of a line. Pure; the simulator runs the same code.

Local seats first, then seats of other regions (R9 异地座席), then the bot (R22), then a
call-back. `decide` is one call's destination; the mode of the line behind it changes
with hysteresis, so that noise about a limit does not make the service flap:

    NORMAL ── outlook > enter_wait_s for hold_s ──▶ SURGE
    SURGE  ── outlook < leave_wait_s for hold_s ──▶ NORMAL

The outlook is the wait that a caller would meet after `look_ahead_s` if arrivals go on as
they are: calls that the bot takes do not make it look calm, so it stays in surge until
the arrivals themselves fit the seats again. What chance explains of the counted
arrivals begins no surge, and ends none.

In NORMAL a caller without a free seat waits in the queue, unless the outlook is beyond
`enter_wait_s` at this moment: then the bot answers. In SURGE the bot answers all of them. An
ordinary call never takes one of the lines and places kept for hand-offs. Nobody is
dropped: who has neither seat nor bot is queued, or is offered a call-back.
"""

from __future__ import annotations

import math
from dataclasses import replace

from flows.surge_terms import (
    Decision,
    Destination,
    Figures,
    Force,
    Kind,
    Mode,
    Override,
    Policy,
    Reason,
    SeatFigures,
    SeatGroup,
    State,
)

__all__ = [
    "Decision",
    "Destination",
    "Figures",
    "Force",
    "Kind",
    "Mode",
    "Override",
    "Policy",
    "Reason",
    "SeatFigures",
    "SeatGroup",
    "State",
    "decide",
    "expected_wait",
    "observe",
    "waits",
]


COUNTED_S = 300.0
"""Arrivals are taken as counted over so long: of n, about √n are chance."""


def expected_wait(ahead: int | float, staffed: int, service_s: float, patience_s: float) -> float:
    """Wait (s) until `ahead` calls have left the queue, `staffed` seats being busy.

    With impatient callers (Erlang A) the queue moves at c/s + k/p with k of them waiting;
    the sum of the steps' means is taken as an integral. Inf without seats.
    """
    if ahead <= 0:
        return 0.0
    if staffed <= 0:
        return math.inf
    pace = staffed / service_s
    if math.isinf(patience_s):
        return ahead / pace
    return patience_s * math.log1p(ahead / (patience_s * pace))


def waits(figures: Figures, policy: Policy, mode: Mode = Mode.NORMAL) -> tuple[float, float] | None:
    """The wait now and the outlook (s); None while the figures of seats are unknown.

    Parameters:
        mode: of the line. While it is NORMAL, arrivals count beyond what chance explains.
    """
    seats = figures.seats
    if seats is None or figures.seats_age_s > policy.stale_after_s:
        return None
    staffed = free = lent = 0
    for group in seats.groups:
        if group.local:
            staffed += group.staffed
            free += group.free
        elif policy.remote and group.free > policy.remote_keeps:
            lent += group.free - policy.remote_keeps
    if figures.lines - figures.lines_in_use <= policy.reserve:
        lent = 0
    ahead = seats.waiting + 1 - free - lent
    now = expected_wait(ahead, staffed, seats.service_s, seats.patience_s)
    if ahead > 0 and seats.oldest_wait_s > now:
        now = seats.oldest_wait_s  # the head of the queue has proved it
    counted = seats.arrivals_per_min
    if mode is Mode.NORMAL:
        counted = _beyond_chance(counted)
    rate = max(counted, figures.expected_per_min) / 60.0
    growth = (rate - staffed / seats.service_s) * policy.look_ahead_s
    if growth <= 0:
        return now, now
    later = expected_wait(ahead + growth, staffed, seats.service_s, seats.patience_s)
    return now, max(now, later)


def observe(
    state: State, outlook_s: float | None, policy: Policy, now: float, force: Force | None = None
) -> State:
    """The line's mode after an outlook (None: unknown, which changes no mode)."""
    if force is Force.NORMAL:
        since = state.since if state.mode is Mode.NORMAL else now
        return State(Mode.NORMAL, since)
    normal = state.mode is Mode.NORMAL
    if outlook_s is None:
        crossed = False
    elif normal:
        crossed = outlook_s > policy.enter_wait_s
    else:
        crossed = outlook_s < policy.leave_wait_s
    if not crossed:
        return state if state.crossed_since is None else replace(state, crossed_since=None)
    since = now if state.crossed_since is None else state.crossed_since
    if now - since >= policy.hold_s:
        return State(Mode.SURGE if normal else Mode.NORMAL, now)
    return replace(state, crossed_since=since)


def decide(
    state: State,
    figures: Figures,
    policy: Policy,
    now: float,
    *,
    kind: Kind = Kind.ORDINARY,
    number_known: bool = True,
    divertible: bool = True,
    waited: bool = False,
    override: Override | None = None,
) -> tuple[State, Decision]:
    """One call's destination, and the line's mode after it.

    Parameters:
        now: seconds on any clock that does not go back; `override.until` is on it too.
        number_known: the caller can be called back.
        divertible: the call can be given to seats without being answered by the bot.
        waited: it was given to seats before, and nobody answered in time: the bot, if it can.
        override: one that has run out is not looked at.
    """
    if override is not None and now >= override.until:
        override = None
    force = override.force if override is not None else None
    known = waits(figures, policy, state.mode)
    wait, outlook = known if known is not None else (None, None)
    state = observe(state, outlook, policy, now, force)
    destination, reason, region = _destination(
        state.mode, figures, policy, wait, outlook, kind, number_known, divertible, waited, force
    )
    return state, Decision(destination, reason, state.mode, wait, outlook, region, override)


def _destination(
    mode: Mode,
    figures: Figures,
    policy: Policy,
    wait: float | None,
    outlook: float | None,
    kind: Kind,
    number_known: bool,
    divertible: bool,
    waited: bool,
    force: Force | None,
) -> tuple[Destination, Reason, str]:
    spare = figures.lines - figures.lines_in_use
    if kind is Kind.URGENT:
        if figures.bot_calls < figures.bot_room + policy.reserve:
            return Destination.BOT, Reason.URGENT, ""
        return Destination.QUEUE, Reason.BOT_FULL, ""
    reserved = spare <= policy.reserve
    bot = figures.bot_calls < figures.bot_room and not reserved
    if kind is Kind.LIMITED:
        wanted: Reason | None = Reason.LIMITED
    elif force is Force.BOT:
        wanted = Reason.FORCED
    elif not divertible:
        wanted = Reason.ENDPOINT
    elif policy.bot_first and force is None:
        wanted = Reason.BOT_FIRST
    elif wait is None and force is not Force.SEATS:
        wanted = Reason.FIGURES_UNKNOWN
    elif waited and force is not Force.SEATS:
        wanted = Reason.NOBODY_ANSWERED
    else:
        wanted = None
    if wanted is not None and bot:
        return Destination.BOT, wanted, ""
    refused = Reason.RESERVE if reserved else Reason.BOT_FULL
    if wait is None or figures.seats is None or kind is Kind.LIMITED or not divertible:
        why = Reason.FORCED if force is Force.SEATS else refused
        return Destination.QUEUE, why, ""
    seats = figures.seats
    keeps = policy.seat_reserve if mode is Mode.SURGE and force is not Force.SEATS else 0
    local = _most_free(seats.groups, local=True)
    free = sum(group.free for group in seats.groups if group.local)
    if local is not None and free > seats.waiting + keeps:
        return Destination.LOCAL_SEAT, Reason.SEAT_FREE, local.region
    remote = _most_free(seats.groups, local=False)
    if policy.remote and remote is not None and remote.free > policy.remote_keeps and not reserved:
        return Destination.REMOTE_SEAT, Reason.REMOTE_SEAT_FREE, remote.region
    if force is Force.SEATS:
        return Destination.QUEUE, Reason.FORCED, ""
    expected = wait if force is Force.NORMAL or outlook is None else outlook
    if mode is Mode.NORMAL and expected <= policy.enter_wait_s:
        return Destination.QUEUE, Reason.SHORT_WAIT, ""
    if bot:
        return Destination.BOT, Reason.LONG_WAIT, ""
    if policy.call_back and number_known and wait >= policy.call_back_wait_s:
        return Destination.CALL_BACK, refused, ""
    return Destination.QUEUE, refused, ""


def _beyond_chance(per_min: float) -> float:
    """The rate that is there for certain, of one that was counted."""
    counted = per_min * COUNTED_S / 60.0
    return max(0.0, counted - math.sqrt(counted)) * 60.0 / COUNTED_S


def _most_free(groups: tuple[SeatGroup, ...], *, local: bool) -> SeatGroup | None:
    found: SeatGroup | None = None
    for group in groups:
        if group.local is local and group.free > 0 and (found is None or group.free > found.free):
            found = group
    return found
