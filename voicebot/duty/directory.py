"""The directory and the rotas as the database has them, and what of it is in force."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from flows.routes import areas
from voicebot.duty.hours import Hours
from voicebot.duty.number_file import Number
from voicebot.duty.rota import Shift
from voicebot.duty.tables import DutyShiftRow
from voicebot.records.tables import DutyNumberRow


def hours_of(row: DutyNumberRow | DutyShiftRow) -> Hours:
    return Hours(row.days, row.start, row.end, row.valid_from, row.valid_to)


def number_of(row: DutyNumberRow) -> Number:
    return Number(row.number, row.kind, row.region, row.name, row.url, row.http_url, hours_of(row))


def shift_of(row: DutyShiftRow) -> Shift:
    return Shift(
        row.line,
        row.region,
        row.person,
        row.rank,
        hours_of(row),
        row.phone,
        row.email,
        row.webhook,
    )


def numbers(session: Session, line: str | None = None) -> list[Number]:
    """The directory, in force or not, by line, place and number."""
    query = select(DutyNumberRow).order_by(
        DutyNumberRow.kind, DutyNumberRow.region, DutyNumberRow.number
    )
    if line is not None:
        query = query.where(DutyNumberRow.kind == line)
    return [number_of(row) for row in session.scalars(query)]


def shifts(session: Session, line: str | None = None) -> list[Shift]:
    """All rotas, past and coming ones too."""
    query = select(DutyShiftRow).order_by(DutyShiftRow.key)
    if line is not None:
        query = query.where(DutyShiftRow.line == line)
    return [shift_of(row) for row in session.scalars(query)]


def answering(session: Session, line: str, region: str | None, at: datetime) -> list[Number]:
    """The numbers of a line that are in force, the nearest to the place first."""
    near = {area: place for place, area in enumerate(areas(region))}
    found = [
        each
        for each in numbers(session, line)
        if each.region in near and each.hours.beginning(at) is not None
    ]
    return sorted(found, key=lambda each: (near[each.region], -each.hours.specificity))


def notice_address(session: Session, line: str, region: str | None, at: datetime) -> str:
    """Where the line's desk takes messages; "" where the directory has no address for it."""
    return next(
        (each.http_url for each in answering(session, line, region, at) if each.http_url), ""
    )


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON keeps it: days as text."""
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in values.items()
    }
