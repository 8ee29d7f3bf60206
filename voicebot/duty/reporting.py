"""Who answers now, and what should be looked at: for the command line and the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from voicebot.duty import directory
from voicebot.duty.calendar import announced
from voicebot.duty.names import LINES
from voicebot.duty.number_file import Number
from voicebot.duty.rota import SUPERIOR, Period, Shift, gaps, periods
from voicebot.exchange.address import unsafe

AHEAD = timedelta(days=7)
"""How far ahead the end of a period is looked for."""
CALENDAR_AHEAD = timedelta(days=45)
"""How far ahead the public holidays are to be known."""


@dataclass(frozen=True, slots=True)
class Answering:
    """Who answers a line for a place at a moment.

    `numbers`: the nearest first. `people`: the first answers, the others are told after him;
    none is a gap. `until`: when that changes, None where it does not within a week.
    `has_rota`: False where the line has no rota for this place at all.
    """

    line: str
    region: str
    at: datetime
    numbers: tuple[Number, ...]
    people: tuple[Shift, ...]
    until: datetime | None
    has_rota: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a duty officer should look at."""

    code: str
    line: str
    region: str
    text: str


def answering_now(session: Session, line: str, region: str, at: datetime) -> Answering:
    rota = directory.shifts(session, line)
    now = next(periods(rota, line, region, at, at + AHEAD))
    return Answering(
        line,
        region,
        at,
        tuple(directory.answering(session, line, region, at)),
        now.people,
        now.end if now.end < at + AHEAD else None,
        bool(rota),
    )


def findings(session: Session, at: datetime, days: int) -> list[Finding]:
    """Gaps and faults of the directory and the rotas, from `at` for so many days."""
    end = at + timedelta(days=days)
    found: list[Finding] = []
    rota = directory.shifts(session)
    for line, region in sorted({(shift.line, shift.region) for shift in rota}):
        for gap in gaps(rota, line, region, at, end):
            found.append(Finding("gap", line, region, f"nobody is on duty {_span(gap)}"))
        if not any(each.rank == SUPERIOR and each.line == line for each in rota):
            text = "no superior (带班领导) is told when nobody answers a notice"
            found.append(Finding("no_superior", line, region, text))
    with_rota = {shift.line for shift in rota}
    found.extend(
        Finding("no_rota", line, "", "has no rota: notices reach its desk alone")
        for line in LINES
        if line not in with_rota and line not in ("110", "seat")
    )
    for shift in rota:
        if shift.hours.valid_to is not None and shift.hours.valid_to < at.date():
            text = f"{shift.person}'s shift has ended on {shift.hours.valid_to}"
            found.append(Finding("ended", shift.line, shift.region, text))
    found.extend(_of_numbers(directory.numbers(session), at))
    last = (at + max(timedelta(days=days), CALENDAR_AHEAD)).date()
    if not announced(last):
        text = (
            f"the public holidays of {last.year} are not known here: those of a fixed date and "
            "weekends are taken; write the others as dates, or update chinesecalendar"
        )
        found.append(Finding("calendar", "", "", text))
    return found


def _of_numbers(numbers: Sequence[Number], at: datetime) -> list[Finding]:
    found = []
    for number in numbers:
        if number.http_url and (reason := unsafe(number.http_url)):
            text = f"{number.number} gets no messages: {reason}"
            found.append(Finding("unsafe", number.line, number.region, text))
        if number.hours.valid_to is not None and number.hours.valid_to < at.date():
            text = f"{number.number} has ended on {number.hours.valid_to}"
            found.append(Finding("ended", number.line, number.region, text))
    return found


def _span(gap: Period) -> str:
    return f"{gap.start:%Y-%m-%d %H:%M} to {gap.end:%Y-%m-%d %H:%M}"
