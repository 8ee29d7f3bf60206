"""Who is on duty (值班): for a line, a place and a minute, or that nobody is. Pure.

Rule 1: for each rank one shift wins: the nearer place, then the more special day (a date, a
holiday, a weekday, a kind of day, every day), then the one that began last.
Rule 2: the lowest rank answers; the others, in order, are who is told when he does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flows.routes import areas
from voicebot.clock import BEIJING
from voicebot.duty.hours import Hours, midnight

SUPERIOR = 99
"""Rank of the superior (带班领导): told after everybody else."""


@dataclass(frozen=True, slots=True)
class Shift:
    """One person's hours on a line (值班表的一行).

    Parameters:
        line: `119`, `power` … as in the directory.
        region: GB/T 2260 code of the place; "" for the whole province.
        rank: 1 answers, 2 and so on are next, `SUPERIOR` is last.
        phone, email, webhook: where notices reach the person; "" where there is none.
    """

    line: str
    region: str
    person: str
    rank: int = 1
    hours: Hours = field(default_factory=Hours)
    phone: str = ""
    email: str = ""
    webhook: str = ""


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` until before `end` the same people are on duty; none: a gap (无人值班)."""

    start: datetime
    end: datetime
    people: tuple[Shift, ...]


def on_duty(
    shifts: Iterable[Shift], line: str, region: str | None, at: datetime
) -> tuple[Shift, ...]:
    """Who is on duty at a moment (zone-aware): one shift a rank, the first of them answers."""
    near = {area: place for place, area in enumerate(areas(region))}
    best: dict[int, tuple[tuple[object, ...], Shift]] = {}
    for shift in shifts:
        if shift.line != line or shift.region not in near:
            continue
        began = shift.hours.beginning(at)
        if began is None:
            continue
        worth = (
            near[shift.region],
            -shift.hours.specificity,
            -began.timestamp(),
            shift.person,
            repr(shift),
        )
        if shift.rank not in best or worth < best[shift.rank][0]:
            best[shift.rank] = worth, shift
    return tuple(shift for _, (_, shift) in sorted(best.items()))


def periods(
    shifts: Sequence[Shift], line: str, region: str | None, start: datetime, end: datetime
) -> Iterator[Period]:
    """All of the time from `start` until `end`, without a hole and without an overlap."""
    ours = [shift for shift in shifts if shift.line == line]
    begins, people = start, on_duty(ours, line, region, start)
    for edge in _edges(ours, start, end):
        then = on_duty(ours, line, region, edge)
        if then != people:
            yield Period(begins, edge, people)
            begins, people = edge, then
    if begins < end:
        yield Period(begins, end, people)


def gaps(
    shifts: Sequence[Shift], line: str, region: str | None, start: datetime, end: datetime
) -> list[Period]:
    """When nobody is on duty."""
    return [each for each in periods(shifts, line, region, start, end) if not each.people]


def _edges(shifts: Sequence[Shift], start: datetime, end: datetime) -> list[datetime]:
    """The moments in between at which somebody's shift begins or ends, in order."""
    day, last = start.astimezone(BEIJING).date() - timedelta(days=1), end.astimezone(BEIJING)
    found: set[datetime] = set()
    while midnight(day) < last:
        found.update(edge for shift in shifts for edge in shift.hours.edges(day))
        day += timedelta(days=1)
    return sorted(edge for edge in found if start < edge < end)
