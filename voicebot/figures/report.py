"""The figures of some days, divided and named for people. Days are Hainan's."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy.orm import Session

from kb.spreadsheet import guarded
from voicebot.clock import BEIJING
from voicebot.errors import VoicebotError
from voicebot.figures.counting import By, Group, Key, Lowest, grouped, lowest_connection, total
from voicebot.figures.facts import FACTS
from voicebot.figures.indicators import BY_NAME, INDICATORS, PUBLISHED, Figure, Indicator, Unit
from voicebot.records.duty import region_names

MOST_DAYS = 366
LEAST_PUBLISHED = 10
"""A public share of fewer cases than this would tell of single persons."""
TOTAL = "合计"
UNKNOWN = "未说明"
BY_NAMES: Mapping[By, str] = {
    "line": "线路", "region": "地区", "department": "部门", "hour": "时段", "day": "日期",
}  # fmt: skip
_EPOCH = date(1970, 1, 1)


class PeriodError(VoicebotError):
    """The days asked for are none, or too many."""

    code = "figures.period"


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days, both included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        """
        Raises:
            PeriodError: the last day is before the first, or more than a year after it, or no
                hotline was there or will be.
        """
        if (
            not 2000 <= self.first.year <= self.last.year < 3000
            or not 0 <= (self.last - self.first).days < MOST_DAYS
        ):
            raise PeriodError(
                f"{self.first} to {self.last}: give a first day and a later last one, "
                f"at most {MOST_DAYS} days in all."
            )

    @property
    def moments(self) -> tuple[float, float]:
        """Its begin and its end, seconds since the epoch."""
        begins, ends = (
            datetime.combine(day, time.min, BEIJING)
            for day in (self.first, self.last + timedelta(days=1))
        )
        return begins.timestamp(), ends.timestamp()

    @property
    def days(self) -> list[str]:
        """Each of them, 2026-11-01."""
        count = (self.last - self.first).days + 1
        return [(self.first + timedelta(days=number)).isoformat() for number in range(count)]

    def __str__(self) -> str:
        return f"{self.first} 至 {self.last}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line, region …; `key` as people and programs write it."""

    key: str
    label: str
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Report:
    """`divided` are the figures that `rows` have by `by`; `lowest` is of the total."""

    period: Period
    by: By
    indicators: tuple[Indicator, ...]
    divided: tuple[Indicator, ...]
    total: Row
    rows: tuple[Row, ...]
    lowest: Lowest | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "from": self.period.first.isoformat(),
            "to": self.period.last.isoformat(),
            "by": self.by,
            "total": _values(self.total, self.indicators),
            "rows": [
                {"key": row.key, "label": row.label, "figures": _values(row, self.divided)}
                for row in self.rows
            ],
            "lowest_24h": {
                "from": moment(self.lowest.begins),
                "connection": self.lowest.connection.value,
                "answered": self.lowest.connection.numerator,
                "offered": self.lowest.connection.denominator,
            }
            if self.lowest
            else None,
        }


def report(
    session: Session, period: Period, by: By, now: float, lines: Mapping[str, str]
) -> Report:
    """The figures of `period`; `lines` are the names of the dialled numbers."""
    since, until = period.moments
    name = _names(by, lines)
    rows = [name(group) for group in grouped(session, since, until, now, by)]
    return Report(
        period,
        by,
        INDICATORS,
        divisible(by),
        Row("", TOTAL, total(session, since, until, now).figures),
        tuple(sorted(rows, key=_order(by))),
        lowest_connection(session, since, until, now),
    )


def divisible(by: By) -> tuple[Indicator, ...]:
    """The figures whose rows all say which `by` they belong to: a refused call has no region."""
    known = {
        name
        for fact in FACTS
        if by in ("hour", "day") or by in fact.groups
        for name in (*fact.counts(0.0), *fact.seconds)
    }
    return tuple(each for each in INDICATORS if known.issuperset((*each.over, *each.under)))


def published(found: Report) -> Report:
    """What the public is told: a few figures, and no share of a handful of people (R17)."""
    shown = tuple(BY_NAME[name] for name in PUBLISHED)
    return replace(
        found,
        indicators=shown,
        divided=tuple(each for each in found.divided if each in shown),
        total=_coarse(found.total),
        rows=tuple(_coarse(row) for row in found.rows),
        lowest=found.lowest if _enough(found.lowest) else None,
    )


def _enough(lowest: Lowest | None) -> bool:
    return lowest is not None and lowest.connection.denominator >= LEAST_PUBLISHED


def table(found: Report) -> list[list[str]]:
    """Head and rows as people read them, the total last."""
    head = [BY_NAMES[found.by], *(each.chinese for each in found.divided)]
    rows = [*found.rows, found.total]
    return [
        head,
        *([row.label, *(shown(row.figures[i.name], i) for i in found.divided)] for row in rows),
    ]


def as_csv(found: Report) -> str:
    """One row a group and the total, shares as 0…1; what a spreadsheet would run is made text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([BY_NAMES[found.by], "名称", *(each.chinese for each in found.divided)])
    for row in (*found.rows, found.total):
        values = [row.figures[each.name].value for each in found.divided]
        cells = ["" if value is None else f"{value:.6g}" for value in values]
        writer.writerow([guarded(row.key), guarded(row.label), *cells])
    return out.getvalue()


def shown(figure: Figure, indicator: Indicator) -> str:
    """95.0%, 12.3秒, 1,234, or — where there is none."""
    if figure.value is None:
        return "—"
    if indicator.unit is Unit.SHARE:
        return f"{figure.value:.1%}"
    if indicator.unit is Unit.SECONDS:
        return f"{figure.value:.1f}秒"
    return f"{figure.value:,.0f}"


def moment(at: float) -> str:
    """2026-11-02T04:00:00+08:00 of seconds since the epoch."""
    return datetime.fromtimestamp(at, BEIJING).isoformat()


def _values(row: Row, indicators: Iterable[Indicator]) -> dict[str, Any]:
    return {
        each.name: {
            "value": row.figures[each.name].value,
            "numerator": row.figures[each.name].numerator,
            "denominator": row.figures[each.name].denominator,
            "meets_goal": row.figures[each.name].meets(each),
        }
        for each in indicators
    }


def _names(by: By, lines: Mapping[str, str]) -> Callable[[Group], Row]:
    regions = region_names()

    def named(group: Group) -> Row:
        key = _key(by, group.key)
        label = {"line": lines, "region": regions}.get(by, {}).get(key) or key or UNKNOWN
        if by == "hour":
            label = f"{int(key)}:00–{int(key) + 1}:00"
        return Row(key, f"{key} {label}" if by == "line" and label != key else label, group.figures)

    return named


def _key(by: By, key: Key) -> str:
    if by == "day":
        return (_EPOCH + timedelta(days=int(key))).isoformat()
    return f"{int(key):02}" if by == "hour" else str(key)


def _order(by: By) -> Callable[[Row], tuple[float, str]]:
    if by in ("hour", "day"):
        return lambda row: (0.0, row.key)
    volume = "tickets" if by == "department" else "answered_calls"
    return lambda row: (-(row.figures[volume].value or 0.0), row.key)


def _coarse(row: Row) -> Row:
    """Without what is made of fewer than `LEAST_PUBLISHED` cases."""

    def kept(name: str, figure: Figure) -> Figure:
        cases = figure.numerator if BY_NAME[name].unit is Unit.COUNT else figure.denominator
        return figure if cases >= LEAST_PUBLISHED else Figure(None, 0.0, 0.0)

    return replace(row, figures={name: kept(name, each) for name, each in row.figures.items()})
