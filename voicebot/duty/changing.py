"""What a file would change in the directory or the rotas, and the change with its history.

No import may close a line: numbers as delivered are changed and never removed, keep their
line and place and are always in force; those of 110 and of the seats are changed only when
that is confirmed. A row that would break this is left out and said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb.headings import RowError
from telephony.trunk_address import trunk_address
from voicebot.config import Settings
from voicebot.duty.directory import plain
from voicebot.duty.hours import Hours
from voicebot.duty.number_file import Number
from voicebot.duty.reading_rows import Read
from voicebot.duty.rota import Shift
from voicebot.duty.shift_file import shift_key
from voicebot.duty.tables import DutyChangeRow, DutyShiftRow
from voicebot.records.duty import seed
from voicebot.records.readdressing import readdress
from voicebot.records.tables import DutyNumberRow

LIFELINES = ("110", "seat")
"""Lines whose numbers are changed only when that is confirmed."""
MAX_NUMBER_NAME = 200


@dataclass(frozen=True, slots=True)
class Change:
    """One row before and after; None: there is none."""

    what: Literal["number", "shift"]
    key: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def kind(self) -> str:
        """``added`` | ``changed`` | ``removed``."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"

    def fields(self) -> list[tuple[str, Any, Any]]:
        """(name, before, after) of what differs."""
        before, after = self.before or {}, self.after or {}
        return [
            (name, before.get(name), after.get(name))
            for name in dict.fromkeys((*before, *after))
            if before.get(name) != after.get(name)
        ]


@dataclass(frozen=True, slots=True)
class Plan:
    changes: tuple[Change, ...]
    left_out: tuple[RowError, ...]
    """Rows that would close a line or change nothing that there is, by line of the file."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who changes something, with which login, and why."""

    name: str
    login: str
    why: str


def plan_numbers(
    session: Session, read: Read[Number], settings: Settings, *, confirmed: bool = False
) -> Plan:
    """What the rows of a file would change in the directory."""
    delivered = {row["number"]: row for row in seed(settings.handoff)}
    trunks = {*settings.asterisk.trunks, *settings.sip.trunks}
    desk_url, desk_http = settings.handoff.desk_url, settings.handoff.desk_http
    changes: list[Change] = []
    left_out: list[RowError] = []
    for line, number in read.rows:
        row = session.get(DutyNumberRow, number.number)
        before = _number_values(row) if row is not None else None
        known = before or delivered.get(number.number) or {}
        after = {
            "kind": number.line,
            "region": number.region,
            "name": number.name or known.get("name") or number.number,
            "url": number.url or known.get("url") or desk_url.replace("{number}", number.number),
            "http_url": number.http_url or known.get("http_url") or desk_http,
            **_hours_values(number.hours),
        }
        if before == after:
            continue
        given = delivered.get(number.number)
        reason = _closes(number, given, after, trunks) or (
            "" if confirmed else _unconfirmed(number.line, before)
        )
        if reason:
            left_out.append(RowError(line, "", f"{number.number}: {reason}"))
        else:
            changes.append(Change("number", number.number, before, after))
    for line, number in read.removed:
        row = session.get(DutyNumberRow, number.number)
        if row is None:
            left_out.append(RowError(line, "", f"{number.number} is not in the directory"))
        elif number.number in delivered:
            reason = "belongs to the directory as delivered: it is changed, never removed"
            left_out.append(RowError(line, "", f"{number.number} {reason}"))
        elif row.kind in LIFELINES and not confirmed:
            left_out.append(RowError(line, "", f"{number.number}: {_CONFIRM}"))
        else:
            changes.append(Change("number", number.number, _number_values(row), None))
    return Plan(tuple(changes), tuple(left_out))


def plan_shifts(session: Session, read: Read[Shift], *, replace: bool = False) -> Plan:
    """What the rows of a file would change in the rotas.

    `replace`: what the database has of the lines and places of the file, and the file has not,
    is removed; not where a row of the file is faulty, which may be the one that stays.
    """
    changes: list[Change] = []
    left_out: list[RowError] = []
    for _, shift in read.rows:
        row = session.get(DutyShiftRow, shift_key(shift))
        before = _shift_values(row) if row is not None else None
        after = plain(
            {
                "line": shift.line,
                "region": shift.region,
                **_hours_values(shift.hours),
                "rank": shift.rank,
                "person": shift.person,
                "phone": shift.phone,
                "email": shift.email,
                "webhook": shift.webhook,
            }
        )
        if before != after:
            changes.append(Change("shift", shift_key(shift), before, after))
    for line, shift in read.removed:
        row = session.get(DutyShiftRow, shift_key(shift))
        if row is None:
            left_out.append(RowError(line, "", "there is no such shift to remove"))
        else:
            changes.append(Change("shift", row.key, _shift_values(row), None))
    if replace and not read.errors:
        changes.extend(_superseded(session, read))
    return Plan(tuple(changes), tuple(left_out))


def apply(session: Session, changes: Iterable[Change], who: Who, at: float) -> None:
    """Make the changes and put each on record, in the caller's transaction.

    Dossiers and notices that wait go to where their desks are now.
    """
    for change in changes:
        table = DutyNumberRow if change.what == "number" else DutyShiftRow
        row = session.get(table, change.key)
        if change.after is None:
            if row is not None:
                session.delete(row)
        else:
            if row is None:
                row = (
                    DutyNumberRow(number=change.key)
                    if change.what == "number"
                    else DutyShiftRow(key=change.key)
                )
                session.add(row)
            for name, value in change.after.items():
                dated = name in ("valid_from", "valid_to") and value is not None
                setattr(row, name, date.fromisoformat(value) if dated else value)
            if isinstance(row, DutyNumberRow):
                row.seeded = False
        session.add(
            DutyChangeRow(
                at=at,
                who=who.name[:100],
                login=who.login[:100],
                why=who.why,
                what=change.what,
                key=change.key,
                before=change.before,
                after=change.after,
            )
        )
    session.flush()
    readdress(session, at)


_CONFIRM = "is a number of 110 or of the seats; --confirm changes it"


def _unconfirmed(line: str, before: dict[str, Any] | None) -> str:
    lifeline = line in LIFELINES or (before is not None and before["kind"] in LIFELINES)
    return _CONFIRM if lifeline else ""


def _closes(
    number: Number, delivered: dict[str, Any] | None, after: dict[str, Any], trunks: Collection[str]
) -> str:
    """Why the row may not stand; "" where it may."""
    trunk = trunk_address(after["url"])
    if trunk is not None and trunk.trunk not in trunks:
        return f"there is no trunk {trunk.trunk!r} in the settings ({', '.join(sorted(trunks))})"
    if len(after["name"]) > MAX_NUMBER_NAME:
        return f"the name has more than {MAX_NUMBER_NAME} characters"
    if delivered is None:
        return ""
    if (number.line, number.region) != (delivered["kind"], delivered["region"]):
        return "belongs to the directory as delivered: it keeps its line and place"
    if not number.hours.always:
        return "belongs to the directory as delivered: it is in force at all hours"
    return ""


def _superseded(session: Session, read: Read[Shift]) -> list[Change]:
    named = [shift for _, shift in (*read.rows, *read.removed)]
    places = {(shift.line, shift.region) for shift in named}
    keys = {shift_key(shift) for shift in named}
    return [
        Change("shift", row.key, _shift_values(row), None)
        for row in session.scalars(select(DutyShiftRow).order_by(DutyShiftRow.key))
        if (row.line, row.region) in places and row.key not in keys
    ]


_HOURS = ("days", "start", "end", "valid_from", "valid_to")


def _hours_values(hours: Hours) -> dict[str, Any]:
    return plain({name: getattr(hours, name) for name in _HOURS})


def _number_values(row: DutyNumberRow) -> dict[str, Any]:
    names = ("kind", "region", "name", "url", "http_url", *_HOURS)
    return plain({name: getattr(row, name) for name in names})


def _shift_values(row: DutyShiftRow) -> dict[str, Any]:
    names = ("line", "region", *_HOURS, "rank", "person", "phone", "email", "webhook")
    return plain({name: getattr(row, name) for name in names})
