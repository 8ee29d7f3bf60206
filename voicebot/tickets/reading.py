"""What can be read of tickets: pages of a search, and all that is on record about one.

A page takes one index and passes over at most `SCANNED` of its rows for the other filters, so
that it is quick among a million tickets; `next` goes on from there, also where nothing was
found yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, asc, desc, or_, select, tuple_
from sqlalchemy.orm import Session

from voicebot.callers.tables import EvaluationRow
from voicebot.records.tables import Base, TicketRow, TurnRow
from voicebot.tickets.acts import find
from voicebot.tickets.confidential import confidential_tickets, counts_as_confidential
from voicebot.tickets.history import life_of
from voicebot.tickets.life import allowed
from voicebot.tickets.tables import TicketReminderRow, TicketStepRow

SCANNED = 20_000
SHOWN = 50
_DRIVING = ("number", "department", "status", "region", "kind")
"""Filters with an index, the most selective first."""

_LONG = ("answer", "proposal_reason")
"""Left out of lists."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; empty: anything. Times are seconds since the epoch."""

    number: str = ""
    department: str = ""
    status: str = ""
    region: str = ""
    """GB/T 2260; a city's or county's own tickets, not those of its districts."""
    kind: str = ""
    channel: str = ""
    text: str = ""
    """In matter, place or answer."""
    since: float | None = None
    until: float | None = None
    overdue_at: float | None = None
    """Only what somebody should have done by then; the longest overdue first."""
    disputed: bool = False
    """Only what was disputed; the newest dispute first."""
    open_alone: bool = False
    """Nothing that is confidential, or of a confidential call."""


@dataclass(frozen=True, slots=True)
class Page:
    tickets: tuple[dict[str, Any], ...]
    next: tuple[float, str] | None
    """Where the next page begins; None: there is no more."""


def search(
    session: Session, query: Query, *, after: tuple[float, str] | None = None, limit: int = SHOWN
) -> Page:
    """Tickets in the order of `query`, after the key of the page before."""
    order, driving = _driving(query)
    ascending = query.overdue_at is not None
    place = tuple_(order, TicketRow.id)
    scan = select(order.label("place"), TicketRow.id).where(*driving)
    if after is not None:
        scan = scan.where(place > after if ascending else place < after)
    directed = asc if ascending else desc
    scan = scan.order_by(directed(order), directed(TicketRow.id)).limit(SCANNED)
    keys = scan.subquery()
    found = (
        select(TicketRow, keys.c.place)
        .join(keys, keys.c.id == TicketRow.id)
        .where(*_others(query))
        .order_by(directed(keys.c.place), directed(keys.c.id))
        .limit(limit)
    )
    rows = [(row, place) for row, place in session.execute(found)]
    tickets = tuple(_tickets(session, [row for row, _ in rows], *_LONG))
    if len(rows) == limit:
        last, at = rows[-1]
        return Page(tickets, (at, last.id))
    last_scanned = session.execute(scan.limit(1).offset(SCANNED - 1)).first()
    return Page(tickets, last_scanned.tuple() if last_scanned is not None else None)


def detail(session: Session, ticket: str) -> dict[str, Any]:
    """All that is on record about a ticket. Raises UnknownTicket.

    ``{…columns, "allowed", "history", "reminders", "merged", "evaluations", "transcript"}``;
    times are seconds since the epoch, but in the transcript seconds since the call's answer. It is
    confidential as well where another ticket of its call is.
    """
    row = find(session, ticket)
    history = session.scalars(
        select(TicketStepRow).where(TicketStepRow.ticket == ticket).order_by(TicketStepRow.version)
    )
    reminders = session.scalars(
        select(TicketReminderRow)
        .where(TicketReminderRow.ticket == ticket)
        .order_by(TicketReminderRow.at)
    )
    merged = session.scalars(
        select(TicketRow).where(TicketRow.main == ticket).order_by(TicketRow.created_at)
    ).all()
    evaluations = session.scalars(select(EvaluationRow).where(EvaluationRow.ticket == ticket))
    turns = session.scalars(
        select(TurnRow)
        .where(TurnRow.call_id == row.call_id, TurnRow.call_id != "")
        .order_by(TurnRow.start, TurnRow.seq)
    )
    return {
        **_tickets(session, [row])[0],
        "allowed": [act.value for act in allowed(life_of(row))],
        "history": [_plain(each, "ticket") for each in history],
        "reminders": [_plain(each, "ticket") for each in reminders],
        "merged": _tickets(session, merged, *_LONG),
        "evaluations": [_plain(each, "number", "ticket") for each in evaluations],
        "transcript": [_plain(each, "call_id", "seq") for each in turns],
    }


def _driving(query: Query) -> tuple[Any, list[ColumnElement[bool]]]:
    """The column that orders the page, and the conditions on the index that it goes by."""
    if query.overdue_at is not None:
        return TicketRow.awaited_by, [TicketRow.awaited_by < query.overdue_at]
    if query.disputed:
        return TicketRow.disputed_at, [TicketRow.disputed_at.is_not(None)]
    conditions: list[ColumnElement[bool]] = []
    driving = next((name for name in _DRIVING if getattr(query, name)), None)
    if driving is not None:
        conditions.append(getattr(TicketRow, driving) == getattr(query, driving))
    if query.since is not None:
        conditions.append(TicketRow.created_at >= query.since)
    if query.until is not None:
        conditions.append(TicketRow.created_at < query.until)
    return TicketRow.created_at, conditions


def _others(query: Query) -> list[ColumnElement[bool]]:
    """The conditions that are looked at row by row."""
    conditions: list[ColumnElement[bool]] = [
        getattr(TicketRow, name) == getattr(query, name)
        for name in (*_DRIVING, "channel")
        if getattr(query, name)
    ]
    if query.since is not None:
        conditions.append(TicketRow.created_at >= query.since)
    if query.until is not None:
        conditions.append(TicketRow.created_at < query.until)
    if query.disputed:
        conditions.append(TicketRow.disputed_at.is_not(None))
    if query.open_alone:
        conditions.append(~counts_as_confidential())
    if query.text:
        columns = (TicketRow.matter, TicketRow.place, TicketRow.answer)
        conditions.append(or_(*(each.contains(query.text, autoescape=True) for each in columns)))
    return conditions


def _tickets(session: Session, rows: Sequence[TicketRow], *left_out: str) -> list[dict[str, Any]]:
    kept = confidential_tickets(session, {row.id for row in rows})
    return [{**_plain(row, *left_out), "confidential": row.id in kept} for row in rows]


def _plain(row: Base, *left_out: str) -> dict[str, Any]:
    return {
        column.key: getattr(row, column.key)
        for column in row.__mapper__.column_attrs
        if column.key not in left_out
    }
