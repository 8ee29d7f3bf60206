"""Figures as their page shows them: the days asked for, and what is put into tables. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from voicebot.figures.indicators import Figure, Indicator, Unit
from voicebot.figures.report import MOST_DAYS, Period, Report, Row, shown

SPANS: Mapping[str, int] = {"yesterday": 1, "week": 7, "month": 30}
"""Days until yesterday, by name in the catalogue."""
GLANCE = (
    "calls",
    "connection",
    "human_connection",
    "answered_15s",
    "response",
    "resolution",
    "satisfaction",
    "handoff_p95",
)
"""Indicators that stand at the head of the page."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure: `text` for people, `number` for charts (None: there is none)."""

    text: str
    number: float | None
    meets: bool | None


def day_of(text: str) -> date | None:
    """A day of a form, 2026-11-26; None where none is written."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def period_of(span: str, first: str, last: str, today: date) -> Period:
    """The days of a named span, or those written; yesterday where nothing makes sense."""
    yesterday = today - timedelta(days=1)
    if span in SPANS:
        return Period(yesterday - timedelta(days=SPANS[span] - 1), yesterday)
    if span == "today":
        return Period(today, today)
    begins = day_of(first) or day_of(last) or yesterday
    ends = day_of(last) or begins
    begins, ends = min(begins, ends), max(begins, ends)
    if not 2000 <= begins.year <= ends.year < 3000:
        begins = ends = yesterday
    return Period(max(begins, ends - timedelta(days=MOST_DAYS - 1)), ends)


def cell(figure: Figure, indicator: Indicator) -> Cell:
    number = figure.value
    if number is not None and indicator.unit is Unit.SHARE:
        number = round(100 * number, 2)
    return Cell(
        shown(figure, indicator),
        None if number is None else round(number, 2),
        figure.meets(indicator),
    )


def cells(row: Row, indicators: tuple[Indicator, ...]) -> list[Cell]:
    return [cell(row.figures[each.name], each) for each in indicators]


def glance(found: Report) -> list[tuple[Indicator, Cell]]:
    """What the head of the page says of the whole period."""
    return [
        (each, cell(found.total.figures[each.name], each))
        for each in found.indicators
        if each.name in GLANCE
    ]
