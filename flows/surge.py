"""Surge control: who takes the next call of a line. Pure; the simulator runs the same code.

Local seats first, then seats of other regions (R9 异地座席), then the bot (R22), then a
call-back. `decide` is one call's destination; the mode of the line behind it changes
with hysteresis, so that noise about a limit does not make the service flap:

    NORMAL ── outlook > enter_wait_s ──▶ SURGE
    SURGE  ── outlook < leave_wait_s for hold_s ──▶ NORMAL

The outlook is the wait that a caller would meet after `look_ahead_s` if arrivals go on as
they are: calls that the bot takes do not make it look calm, so it stays in surge until
the arrivals themselves fit the seats again.

In NORMAL a caller without a free seat waits in the queue, in SURGE the bot answers. An
ordinary call never takes one of the lines and places kept for hand-offs. Nobody is
dropped: who has neither seat nor bot is queued, or is offered a call-back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum


class Destination(StrEnum):
    """Where a call goes, the most human first."""

    LOCAL_SEAT = "local_seat"
    """A free seat (坐席) of the line's own region."""
    REMOTE_SEAT = "remote_seat"
    """A free seat of another region (异地座席, R9)."""
    QUEUE = "queue"
    """The queue before the line's own seats."""
    BOT = "bot"
    CALL_BACK = "call_back"
    """The queue, and the number is noted: the caller may hang up and is called back."""


class Mode(StrEnum):
    NORMAL = "normal"
    SURGE = "surge"


class Kind(StrEnum):
    """What is known of a call before it is answered."""

    ORDINARY = "ordinary"
    URGENT = "urgent"
    """From the police, or one that we called back over danger: it may use the reserve."""
    LIMITED = "limited"
    """A limited number (骚扰限制): the bot, which gives no seat but for danger."""


class Force(StrEnum):
    """What a supervisor can order by hand."""

    BOT = "bot"
    """The bot answers, as long as it has room."""
    SEATS = "seats"
    """Seats or the queue, however long it is."""
    NORMAL = "normal"
    """No surge: the bot takes only the calls that would wait beyond the upper limit."""


class Reason(StrEnum):
    """Why a call went where it went."""

    SEAT_FREE = "seat_free"
    REMOTE_SEAT_FREE = "remote_seat_free"
    SHORT_WAIT = "short_wait"
    LONG_WAIT = "long_wait"
    """The line is in surge, or the wait of this call is beyond the upper limit."""
    BOT_FIRST = "bot_first"
    """The line's policy: the bot answers every call."""
    FIGURES_UNKNOWN = "figures_unknown"
    """No figures of seats, or none that are fresh: the bot answers, as without them."""
    URGENT = "urgent"
    LIMITED = "limited"
    FORCED = "forced"
    BOT_FULL = "bot_full"
    RESERVE = "reserve"
    """The bot has room, but the lines left are kept for hand-offs."""


@dataclass(frozen=True, slots=True)
class SeatGroup:
    """The seats of one region that take this line's calls.

    Parameters:
        region: division code.
        local: it is the line's own region.
        staffed: seats with somebody at them, busy or free.
        free: those that would take a call now.
    """

    region: str
    local: bool
    staffed: int
    free: int


@dataclass(frozen=True, slots=True)
class SeatFigures:
    """The human side of one line.

    Parameters:
        groups: seats by region.
        waiting: calls in the queue.
        oldest_wait_s: how long the first of them has waited.
        arrivals_per_min: calls offered to the line, wherever they went.
        service_s: mean time that a seat is busy with a call, after-work included.
        patience_s: mean time after which a waiting caller gives up; inf: never.
    """

    groups: tuple[SeatGroup, ...] = ()
    waiting: int = 0
    oldest_wait_s: float = 0.0
    arrivals_per_min: float = 0.0
    service_s: float = 180.0
    patience_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of one line at the moment of a decision.

    Parameters:
        bot_calls: calls that the bot has now.
        bot_room: those that it can have, ordinary ones.
        lines: outgoing lines there are.
        lines_in_use: those in use.
        seats: None when nobody has told anything.
        seats_age_s: how old `seats` is.
        expected_per_min: arrivals that the forecast expects (`flows.forecast`).
    """

    bot_calls: int
    bot_room: int
    lines: int
    lines_in_use: int
    seats: SeatFigures | None = None
    seats_age_s: float = 0.0
    expected_per_min: float = 0.0


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings of one line.

    Parameters:
        enter_wait_s: an outlook beyond it begins a surge.
        leave_wait_s: an outlook below it, for `hold_s`, ends it.
        call_back_wait_s: from this expected wait on a call-back is offered.
        look_ahead_s: how far the outlook looks.
        stale_after_s: older figures of seats count as unknown.
        reserve: outgoing lines and places of the bot that ordinary calls never take.
        seat_reserve: in surge, free local seats kept for callers whom the bot hands over.
        remote_keeps: free seats that another region keeps for its own callers.
        remote: seats of other regions may be used.
        call_back: call-backs may be offered.
        bot_first: the bot answers every call, whatever the figures say.
    """

    enter_wait_s: float = 20.0
    leave_wait_s: float = 5.0
    hold_s: float = 120.0
    call_back_wait_s: float = 180.0
    look_ahead_s: float = 120.0
    stale_after_s: float = 15.0
    reserve: int = 2
    seat_reserve: int = 1
    remote_keeps: int = 1
    remote: bool = True
    call_back: bool = True
    bot_first: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.leave_wait_s < self.enter_wait_s <= self.call_back_wait_s:
            raise ValueError("leave_wait_s < enter_wait_s <= call_back_wait_s must hold")


@dataclass(frozen=True, slots=True)
class Override:
    """A supervisor's order.

    Parameters:
        force: what is ordered.
        until: when it ends by itself, on the clock of `now`.
        by, why: who ordered it, and the reason given.
    """

    force: Force
    until: float
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class State:
    """The mode of one line.

    Parameters:
        mode: NORMAL or SURGE.
        since: when it began.
        calm_since: in a surge, since when the outlook has been below the lower limit.
    """

    mode: Mode = Mode.NORMAL
    since: float = 0.0
    calm_since: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Where one call goes, and why.

    Parameters:
        destination, reason: see there.
        mode: of the line, after this decision.
        wait_s: wait for a human that this caller would meet now, inf when no seat is
            staffed; None when the figures are unknown.
        outlook_s: the same after `look_ahead_s`, which the mode goes by.
        region: of the seat, for LOCAL_SEAT and REMOTE_SEAT.
        override: the order that was in force.
    """

    destination: Destination
    reason: Reason
    mode: Mode
    wait_s: float | None = None
    outlook_s: float | None = None
    region: str = ""
    override: Override | None = None


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


def waits(figures: Figures, policy: Policy) -> tuple[float, float] | None:
    """The wait now and the outlook (s); None while the figures of seats are unknown."""
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
    rate = max(seats.arrivals_per_min, figures.expected_per_min) / 60.0
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
        return state if state.mode is Mode.NORMAL else State(Mode.NORMAL, now)
    if state.mode is Mode.NORMAL:
        surge = outlook_s is not None and outlook_s > policy.enter_wait_s
        return State(Mode.SURGE, now) if surge else state
    if outlook_s is None or outlook_s >= policy.leave_wait_s:
        return state if state.calm_since is None else replace(state, calm_since=None)
    if state.calm_since is None:
        return replace(state, calm_since=now)
    calm = now - state.calm_since >= policy.hold_s
    return State(Mode.NORMAL, now) if calm else state


def decide(
    state: State,
    figures: Figures,
    policy: Policy,
    now: float,
    *,
    kind: Kind = Kind.ORDINARY,
    number_known: bool = True,
    override: Override | None = None,
) -> tuple[State, Decision]:
    """One call's destination, and the line's mode after it.

    Parameters:
        now: seconds on any clock that does not go back; `override.until` is on it too.
        number_known: the caller can be called back.
        override: one that has run out is not looked at.
    """
    if override is not None and now >= override.until:
        override = None
    force = override.force if override is not None else None
    known = waits(figures, policy)
    wait, outlook = known if known is not None else (None, None)
    state = observe(state, outlook, policy, now, force)
    destination, reason, region = _destination(
        state.mode, figures, policy, wait, kind, number_known, force
    )
    return state, Decision(destination, reason, state.mode, wait, outlook, region, override)


def _destination(
    mode: Mode,
    figures: Figures,
    policy: Policy,
    wait: float | None,
    kind: Kind,
    number_known: bool,
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
    elif policy.bot_first and force is None:
        wanted = Reason.BOT_FIRST
    elif wait is None and force is not Force.SEATS:
        wanted = Reason.FIGURES_UNKNOWN
    else:
        wanted = None
    if wanted is not None and bot:
        return Destination.BOT, wanted, ""
    refused = Reason.RESERVE if reserved else Reason.BOT_FULL
    if wait is None or figures.seats is None or kind is Kind.LIMITED:
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
    if mode is Mode.NORMAL and wait <= policy.enter_wait_s:
        return Destination.QUEUE, Reason.SHORT_WAIT, ""
    if bot:
        return Destination.BOT, Reason.LONG_WAIT, ""
    if policy.call_back and number_known and wait >= policy.call_back_wait_s:
        return Destination.CALL_BACK, refused, ""
    return Destination.QUEUE, refused, ""


def _most_free(groups: tuple[SeatGroup, ...], *, local: bool) -> SeatGroup | None:
    found: SeatGroup | None = None
    for group in groups:
        if group.local is local and group.free > 0 and (found is None or group.free > found.free):
            found = group
    return found
