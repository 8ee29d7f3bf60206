"""What became of a caller's tickets, for whoever has shown to be that caller (R12, R21)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select, union
from sqlalchemy.orm import Session

from voicebot.records.tables import CallRow, TicketRow
from voicebot.tickets import working_days
from voicebot.tickets.opening import TAIL, tail
from voicebot.tickets.states import Status

MOST = 5
_SHOWN = 4
"""Digits of a telephone number that may stand for it, beside the number of the ticket."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a ticket has come; of one that is merged, its main ticket."""

    ticket: str
    tail: str
    """The digits that its caller was told."""
    matter: str
    status: Status
    department: str | None
    created_at: float
    """Seconds since the epoch."""
    last_day: date | None
    """By which it is to be answered; None: not dispatched yet."""
    answer: str


def progress(session: Session, number: str, caller: str) -> tuple[Progress, ...]:
    """The newest tickets that are the caller's, the newest first, five at most.

    Parameters:
        number: of the ticket, whole or its last four digits; empty: all of the caller's.
        caller: the number that the call comes from; or, only with the ticket's own, its last
            four digits, as the caller says them.

    Nothing is found of a caller who shows neither.
    """
    digits = "".join(each for each in caller if each in "0123456789")
    whole = len(digits) > _SHOWN
    if not whole and (len(digits) != _SHOWN or not number.strip()):
        return ()
    if whole:
        calls = select(CallRow.id).where(CallRow.caller == caller)
        # Not by OR, for which PostgreSQL reads all tickets.
        numbered = select(TicketRow.id).where(TicketRow.number == caller)
        called = select(TicketRow.id).where(TicketRow.call_id.in_(calls))
        theirs = TicketRow.id.in_(union(numbered, called))
    else:
        theirs = TicketRow.number.like(f"%{digits}")
    query = select(TicketRow).where(theirs)
    if number.strip():
        told = tail(number)
        if len(told) < TAIL:
            return ()
        query = query.where(TicketRow.tail == told)
    newest = query.order_by(TicketRow.created_at.desc(), TicketRow.id.desc()).limit(MOST)
    return tuple(_progress(session, row) for row in session.scalars(newest))


def _progress(session: Session, row: TicketRow) -> Progress:
    leading = row
    if row.status == Status.MERGED and row.main:
        leading = session.get(TicketRow, row.main) or row
    due = leading.due_at
    return Progress(
        ticket=row.id,
        tail=row.tail,
        matter=row.matter,
        status=Status(leading.status),
        department=leading.department,
        created_at=row.created_at,
        last_day=None if due is None else working_days.last_day(due),
        answer=leading.answer,
    )
