"""What a simulation found: the figures that tables, pictures and `--json` have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from voicebot.simulation.scenario import HALF_HOUR_S, HALF_HOURS, half_hour
from voicebot.simulation.staffing import Staffing
from voicebot.simulation.tally import Tally

_95 = 1.96


@dataclass(frozen=True, slots=True)
class HalfHour:
    """The means of one half-hour over all simulated days.

    Parameters:
        at: when it begins.
        calls: that came.
        queue, queue_most: waiting calls on the mean, and at the worst moment of all days.
        wait_s: mean wait of its calls until an answer or until giving up.
        abandoned: share of its calls that gave up, or found all lines busy.
        contained: share of its calls that the bot finished without a human.
        bot_calls: calls that the bot has, on the mean.
        answered_15_s: share answered within 15 s.
    """

    at: str
    calls: float
    queue: float
    queue_most: int
    wait_s: float
    abandoned: float
    contained: float
    bot_calls: float
    answered_15_s: float


@dataclass(frozen=True, slots=True)
class Totals:
    """A day on the mean. A *call* is one try, a *caller* a person; shares are of calls
    unless they say otherwise.

    Parameters:
        connected: answered by a seat or the bot (接通率).
        connected_95: 95 % confidence interval of its mean over days; None of one day.
        abandoned, busy, call_backs: gave up; no incoming line; left with a promise.
        by_seats, by_remote_seats, by_bot: who answered.
        contained: finished by the bot without a human.
        containment: the same, of the calls that the bot answered.
        tickets: work orders that the bot took for want of a seat.
        answered_15_s, answered_20_s: by seat or bot.
        wait_s, wait_p95_s: mean until an answer or giving up; of the answered, 95th percentile.
        humans_asked, human_15_s, human_wait_s: calls that wanted a person, share of them
            that had one within 15 s, mean wait until then or until giving up.
        unreached: share of *callers* who got nobody, whatever they tried.
        in_danger, in_danger_unreached: callers a day.
        in_danger_wait_s: of those reached, from the first call to a human.
        handoffs: by the bot to 110, a day.
        handoffs_at_once: share for which a line and a seat of 110 were free within 1 s.
        handoff_wait_most_s: the longest of all days.
        call_backs_made: share of those promised; call_back_delay_s: until then.
        queue_most, bot_calls_most, lines_most, trunks_most: at the worst moment of all
            days: what is to be provided.
        surges: how often the line went over to surge, a day.
    """

    calls: float
    callers: float
    connected: float
    connected_95: tuple[float, float] | None
    abandoned: float
    busy: float
    call_backs: float
    by_seats: float
    by_remote_seats: float
    by_bot: float
    contained: float
    containment: float | None
    tickets: float
    answered_15_s: float
    answered_20_s: float
    wait_s: float
    wait_p95_s: int
    humans_asked: float
    human_15_s: float | None
    human_wait_s: float | None
    unreached: float
    in_danger: float
    in_danger_unreached: float
    in_danger_wait_s: float | None
    handoffs: float
    handoffs_at_once: float | None
    handoff_wait_most_s: int
    call_backs_made: float | None
    call_back_delay_s: float | None
    queue_most: int
    bot_calls_most: int
    lines_most: int
    trunks_most: int
    surges: float


@dataclass(frozen=True, slots=True)
class Side:
    """One way to run the day: with the bot, or without."""

    totals: Totals
    half_hours: tuple[HalfHour, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that is shown of a scenario."""

    scenario: str
    title: str
    days: int
    seed: int
    with_bot: Side
    without_bot: Side
    staffing: Staffing


def side(days: Sequence[Tally]) -> Side:
    """The figures of some days of one kind; at least one."""
    whole = Tally(days=0)
    for day in days:
        whole.add(day)
    return Side(_totals(whole, days), tuple(_half_hour(whole, n) for n in range(HALF_HOURS)))


def _totals(whole: Tally, days: Sequence[Tally]) -> Totals:
    calls, n, bot = sum(whole.offered), whole.days, sum(whole.bot)
    reached = whole.in_danger - whole.in_danger_unreached
    asked, promised = sum(whole.asked_human), sum(whole.call_backs)

    def share(counts: Sequence[float]) -> float:
        return _rounded(_ratio(sum(counts), calls) or 0.0)

    return Totals(
        calls=round(calls / n, 1),
        callers=round(whole.callers / n, 1),
        connected=_rounded(_connected(whole)),
        connected_95=_interval(_connected(whole), [_connected(day) for day in days]),
        abandoned=share(whole.abandoned),
        busy=share(whole.busy),
        call_backs=share(whole.call_backs),
        by_seats=share(whole.seats),
        by_remote_seats=share(whole.remote),
        by_bot=share(whole.bot),
        contained=share(whole.contained),
        containment=_ratio(sum(whole.contained), bot),
        tickets=share(whole.tickets),
        answered_15_s=share(whole.in_15_s),
        answered_20_s=share(whole.in_20_s),
        wait_s=round(sum(whole.wait_s) / calls, 1) if calls else 0.0,
        wait_p95_s=_percentile(whole.waits, 0.95),
        humans_asked=round(asked / n, 1),
        human_15_s=_ratio(sum(whole.human_in_15_s), asked),
        human_wait_s=_ratio(sum(whole.human_wait_s), asked, 1),
        unreached=_rounded(_ratio(whole.unreached, whole.callers) or 0.0),
        in_danger=round(whole.in_danger / n, 1),
        in_danger_unreached=round(whole.in_danger_unreached / n, 1),
        in_danger_wait_s=_ratio(whole.in_danger_wait_s, reached, 1),
        handoffs=round(sum(whole.police) / n, 1),
        handoffs_at_once=_ratio(whole.police_waits[0], sum(whole.police_waits)),
        handoff_wait_most_s=_percentile(whole.police_waits, 1.0),
        call_backs_made=_ratio(whole.called_back, promised),
        call_back_delay_s=_ratio(whole.call_back_delay_s, whole.called_back, 1),
        queue_most=max(whole.queue_most),
        bot_calls_most=max(whole.bot_most),
        lines_most=max(whole.lines_most),
        trunks_most=max(whole.trunks_most),
        surges=round(whole.surges / n, 2),
    )


def _half_hour(whole: Tally, n: int) -> HalfHour:
    calls = whole.offered[n]

    def share(count: float) -> float:
        return _ratio(count, calls) or 0.0

    return HalfHour(
        at=half_hour(n),
        calls=round(calls / whole.days, 1),
        queue=round(whole.queue_area[n] / HALF_HOUR_S / whole.days, 2),
        queue_most=whole.queue_most[n],
        wait_s=round(whole.wait_s[n] / calls, 1) if calls else 0.0,
        abandoned=share(whole.abandoned[n] + whole.busy[n]),
        contained=share(whole.contained[n]),
        bot_calls=round(whole.bot_area[n] / HALF_HOUR_S / whole.days, 2),
        answered_15_s=share(whole.in_15_s[n]),
    )


def _connected(tally: Tally) -> float:
    answered = sum(tally.seats) + sum(tally.remote) + sum(tally.bot)
    return answered / max(1, sum(tally.offered))


def _interval(share: float, days: Sequence[float]) -> tuple[float, float] | None:
    """About the share of all days together, by how much theirs differ."""
    n = len(days)
    if n < 2:
        return None
    deviation = math.sqrt(sum((day - share) ** 2 for day in days) / (n - 1))
    half = _95 * deviation / math.sqrt(n)
    return _rounded(max(0.0, share - half)), _rounded(min(1.0, share + half))


def _percentile(histogram: Sequence[int], share: float) -> int:
    """The least whole second that `share` of the counted do not exceed; 0 of none."""
    wanted, seen = share * sum(histogram), 0
    for second, counted in enumerate(histogram):
        seen += counted
        if counted and seen >= wanted:
            return second
    return 0


def _ratio(part: float, whole: float, digits: int = 4) -> float | None:
    return round(part / whole, digits) if whole else None


def _rounded(share: float) -> float:
    return round(share, 4)
