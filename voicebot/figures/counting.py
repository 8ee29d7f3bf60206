"""The figures of a period, computed in the database: one query a fact, one a percentile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import Integer, Select, String, case, cast, func, literal, select, union_all
from sqlalchemy.orm import Session

from voicebot.figures.facts import FACTS, Column, Fact
from voicebot.figures.indicators import BY_NAME, INDICATORS, Figure, Indicator, figure

By = Literal["line", "region", "department", "hour", "day"]
BY: tuple[By, ...] = get_args(By)
BEIJING_S = 8 * 3600
HOUR_S, DAY_HOURS = 3600, 24
Key = str | int
Counts = dict[str, float]


@dataclass(frozen=True, slots=True)
class Group:
    """The figures of one line, region, department, hour of the day or day; "" for no group.

    `key`: a dialled number, a GB/T 2260 code, a department's name, ``0``…``23``, or the number
    of days since 1970-01-01 in Beijing; "" where it is not on record.
    """

    key: Key
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Lowest:
    """The 24 hours in which the fewest calls were connected, from `begins` (epoch) on."""

    begins: float
    connection: Figure


def total(session: Session, since: float, until: float, now: float) -> Group:
    """All figures of [since, until), seconds since the epoch."""
    found = grouped(session, since, until, now, None)
    return found[0] if found else Group("", _figures({}, {}))


def grouped(session: Session, since: float, until: float, now: float, by: By | None) -> list[Group]:
    """The figures of [since, until) for each value of `by`; figures that it does not divide are
    left at nothing counted. `now` decides which tickets are due, and who still waits.
    """
    counts: dict[Key, Counts] = defaultdict(dict)
    percentiles: dict[Key, Counts] = defaultdict(dict)
    for fact in FACTS:
        key = _key(session, fact, by)
        if key is None:
            continue
        for group, found in _counted(session, fact, key, since, until, now):
            counts[group].update(found)
    for indicator in INDICATORS:
        if indicator.percent:
            for group, value in _percentile(session, indicator, by, since, until):
                percentiles[group][indicator.name] = value
    return [Group(key, _figures(counts[key], percentiles.get(key, {}))) for key in counts]


def lowest_connection(session: Session, since: float, until: float, now: float) -> Lowest | None:
    """The worst 24 hours that lie within [since, until); None without a call, or in less."""
    hours: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    connection = BY_NAME["connection"]
    for fact in FACTS:
        if fact.counts(now).keys().isdisjoint(connection.under):
            continue
        hour: Column = _hours(session, fact.at)
        for key, found in _counted(session, fact, hour, since, until, now):
            share = figure(connection, found, {})
            hours[int(key)][0] += share.numerator
            hours[int(key)][1] += share.denominator
    first, last = (int(moment + BEIJING_S) // HOUR_S for moment in (since, until))
    return lowest(hours, first, last)


def lowest(hours: Mapping[int, Sequence[float]], first: int, last: int) -> Lowest | None:
    """Of the windows of 24 hours in [first, last), (answered, offered) by hour since the epoch in
    Beijing, the one with the lowest share; the first of several. Pure.
    """
    worst: Lowest | None = None
    for begins in range(first, last - DAY_HOURS + 1):
        window = [hours[hour] for hour in range(begins, begins + DAY_HOURS) if hour in hours]
        answered, offered = (sum(each[place] for each in window) for place in (0, 1))
        if offered and (worst is None or answered / offered < (worst.connection.value or 0.0)):
            at = float(begins * HOUR_S - BEIJING_S)
            worst = Lowest(at, Figure(answered / offered, answered, offered))
    return worst


def _figures(counts: Counts, percentiles: Counts) -> dict[str, Figure]:
    return {each.name: figure(each, counts, percentiles) for each in INDICATORS}


def _key(session: Session, fact: Fact, by: By | None) -> Column | None:
    """None: the fact has no such group."""
    if by is None:
        return literal("", String)
    if by in ("hour", "day"):
        hours = _hours(session, fact.at)
        return hours % DAY_HOURS if by == "hour" else cast(hours, Integer) // DAY_HOURS
    group = fact.groups.get(by)
    return None if group is None else func.coalesce(group, "")


def _hours(session: Session, at: Column) -> Column:
    """Whole hours since the epoch in Beijing: PostgreSQL's cast rounds, SQLite's cuts off."""
    hours = (at + BEIJING_S) / float(HOUR_S)
    if session.get_bind().dialect.name == "postgresql":
        hours = func.floor(hours)
    return cast(hours, Integer)


def _counted(
    session: Session,
    fact: Fact,
    key: Column,
    since: float,
    until: float,
    now: float,
) -> list[tuple[Key, Counts]]:
    counts = fact.counts(now)
    rows = (
        select(key.label("key"), *(each.label(name) for name, each in counts.items()))
        .select_from(fact.source)
        .where(fact.at >= since, fact.at < until)
        .subquery()
    )
    sums = [func.sum(rows.c[name]) for name in counts]
    found = session.execute(select(rows.c.key, *sums).group_by(rows.c.key))
    return [
        (group, {name: float(value or 0) for name, value in zip(counts, values, strict=True)})
        for group, *values in found
    ]


def _percentile(
    session: Session, indicator: Indicator, by: By | None, since: float, until: float
) -> list[tuple[Key, float]]:
    """By nearest rank: the least value that `percent` of 100 do not exceed."""
    parts: list[Select[Any, float]] = []
    for fact in FACTS:
        seconds, key = fact.seconds.get(indicator.over[0]), _key(session, fact, by)
        if seconds is None or key is None:
            continue
        parts.append(
            select(key.label("key"), seconds.label("seconds"))
            .select_from(fact.source)
            .where(fact.at >= since, fact.at < until, seconds.is_not(None))
        )
    if not parts:
        return []
    rows = union_all(*parts).subquery()
    place = func.row_number().over(partition_by=rows.c.key, order_by=rows.c.seconds)
    of = func.count().over(partition_by=rows.c.key)
    ranked = select(
        rows.c.key, case((place * 100 >= of * indicator.percent, rows.c.seconds)).label("seconds")
    ).subquery()
    found = session.execute(select(ranked.c.key, func.min(ranked.c.seconds)).group_by(ranked.c.key))
    return [(group, float(value)) for group, value in found]
