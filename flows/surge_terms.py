"""What surge control knows and decides: the values of `flows.surge`."""

from __future__ import annotations

import math
from dataclasses import dataclass
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
    NOBODY_ANSWERED = "nobody_answered"
    """The call comes back from the seats, where nobody answered in time."""
    BOT_FIRST = "bot_first"
    """The line's policy: the bot answers every call."""
    ENDPOINT = "endpoint"
    """The call came in a way on which it cannot be given to seats unanswered."""
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
        waiting: calls in the queue for which no seat rings.
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
        enter_wait_s: an outlook beyond it, for `hold_s`, begins a surge; until then the bot
            takes the calls of those moments alone.
        leave_wait_s: an outlook below it, for `hold_s`, ends the surge.
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

    enter_wait_s: float = 10.0
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
        crossed_since: since when the outlook has been beyond the limit of the other mode
            without a break.
    """

    mode: Mode = Mode.NORMAL
    since: float = 0.0
    crossed_since: float | None = None


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
