"""The list of differences: what was found, what is being mended, what waits for a person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, tuple_, update
from sqlalchemy.orm import Session

from voicebot.clock import BEIJING
from voicebot.exchange.reconciliation.comparing import Difference, Finding
from voicebot.exchange.reconciliation.days import Days
from voicebot.exchange.reconciliation.entries import Entry
from voicebot.exchange.reconciliation.rules import Repair, repair
from voicebot.exchange.reconciliation.tables import DifferenceRow, ReconciliationRow

OPEN = ("open", "mending")
"""States in which a difference is still one."""
_AT_ONCE = 500
_OF_A_RUN = (
    "number", "first_day", "last_day", "began_at", "ended_at", "principal", "ours", "theirs",
    "found", "unsettled",
)  # fmt: skip


def keep(
    session: Session, differences: Sequence[Difference], *, run: int, at: float
) -> list[tuple[Difference, Repair]]:
    """Put what was found on the list; what is to be done about it by rule.

    What a person has closed stays closed as long as both ledgers say the same as then.
    """
    to_do = []
    names = {each.entry.id for each in differences}
    known = {
        (row.finding, row.id): row
        for row in session.scalars(select(DifferenceRow).where(DifferenceRow.id.in_(names)))
    }
    for each in differences:
        row = known.get((each.finding, each.entry.id))
        if row is None:
            row = known[(each.finding, each.entry.id)] = _new(each, run, at)
            session.add(row)
        elif _seen_again(row, each, run):
            continue
        if row.state == "open":
            to_do.append((each, Repair(row.repair)))
    return to_do


def settle_rest(session: Session, run: ReconciliationRow, days: Days, *, at: float) -> int:
    """Settle what a comparison of its time has found no more; how many."""
    gone = list(
        session.scalars(
            select(DifferenceRow.number).where(
                DifferenceRow.state.in_(OPEN),
                _sent_on(days),
                DifferenceRow.seen_in != run.number,
            )
        )
    )
    for start in range(0, len(gone), _AT_ONCE):
        session.execute(
            update(DifferenceRow)
            .where(DifferenceRow.number.in_(gone[start : start + _AT_ONCE]))
            .values(state="settled", settled_at=at)
        )
    return len(gone)


def mark(session: Session, names: Iterable[tuple[Finding, str]], state: str) -> None:
    """Set the state of the differences of these findings and messages."""
    by_finding: dict[Finding, list[str]] = {}
    for finding, name in names:
        by_finding.setdefault(finding, []).append(name)
    for finding, some in by_finding.items():
        session.execute(
            update(DifferenceRow)
            .where(DifferenceRow.finding == finding, DifferenceRow.id.in_(some))
            .values(state=state)
        )


def search(
    session: Session,
    *,
    states: Sequence[str] = OPEN,
    finding: Finding | None = None,
    subject: str = "",
    days: Days | None = None,
    after: tuple[str, int] | None = None,
    limit: int | None = None,
) -> list[DifferenceRow]:
    """Differences, those of the oldest messages first; all of `states` where one is given.

    Parameters:
        after: day and number of the last of the page before.
    """
    query: Select[tuple[DifferenceRow]] = select(DifferenceRow)
    conditions: list[ColumnElement[bool]] = []
    if states:
        conditions.append(DifferenceRow.state.in_(states))
    if finding is not None:
        conditions.append(DifferenceRow.finding == finding)
    if subject:
        conditions.append(DifferenceRow.subject == subject)
    if days is not None:
        conditions.append(_sent_on(days))
    if after is not None:
        conditions.append(DifferenceRow.day >= after[0])
        conditions.append(tuple_(DifferenceRow.day, DifferenceRow.number) > after)
    ordered = query.where(*conditions).order_by(DifferenceRow.day, DifferenceRow.number)
    return list(session.scalars(ordered.limit(limit)))


def unsettled(session: Session, days: Days) -> int:
    """Differences of messages sent on these days that are still open or mending."""
    return session.scalars(
        select(func.count())
        .select_from(DifferenceRow)
        .where(DifferenceRow.state.in_(OPEN), _sent_on(days))
    ).one()


def runs(session: Session, limit: int, before: int | None = None) -> list[dict[str, Any]]:
    """The newest reconciliations, or those before a number, as plain JSON values, newest first."""
    newest = select(ReconciliationRow).order_by(ReconciliationRow.number.desc()).limit(limit)
    if before is not None:
        newest = newest.where(ReconciliationRow.number < before)
    return [{name: getattr(row, name) for name in _OF_A_RUN} for row in session.scalars(newest)]


def _sent_on(days: Days) -> ColumnElement[bool]:
    return DifferenceRow.day.between(days.first.isoformat(), days.last.isoformat())


def _new(difference: Difference, run: int, at: float) -> DifferenceRow:
    entry = difference.entry
    rule = repair(difference)
    return DifferenceRow(
        finding=difference.finding,
        id=entry.id,
        subject=entry.subject,
        sender=entry.sender,
        kind=entry.kind,
        day=datetime.fromtimestamp(entry.sent_at, BEIJING).date().isoformat(),
        ours=_line(difference.ours),
        theirs=_line(difference.theirs),
        repair=rule,
        state="settled" if difference.finding is Finding.LATE else "open",
        found_at=at,
        seen_in=run,
        settled_at=at if difference.finding is Finding.LATE else None,
    )


def _seen_again(row: DifferenceRow, difference: Difference, run: int) -> bool:
    """Bring a row up to date; True: nothing more is to be done about it."""
    ours, theirs = _line(difference.ours), _line(difference.theirs)
    if difference.finding is Finding.DUPLICATED:  # found in each ledger by itself
        ours, theirs = ours or row.ours, theirs or row.theirs
    same = (row.ours, row.theirs) == (ours, theirs)
    row.ours, row.theirs, row.seen_in = ours, theirs, run
    if difference.finding is Finding.LATE or (row.state == "closed" and same):
        return True
    row.state, row.settled_at = "open", None
    if not (same and row.decided_by):
        row.repair, row.decided_by = repair(difference), ""
    return False


def _line(entry: Entry | None) -> dict[str, Any] | None:
    return None if entry is None else asdict(entry)
