"""A ticket as its call, its message or 110 opens it, and adds to it: late, or twice, as it comes.

The words are their teller's: the newest are kept, whatever was done with the ticket meanwhile.
Where it belongs is settled by people as soon as one of them has acted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from voicebot.records.tables import TicketRow
from voicebot.tickets.deadlines import Kind
from voicebot.tickets.history import CALLER, Actor, keep, life_of
from voicebot.tickets.life import Request, begin, step
from voicebot.tickets.states import OPEN, Act

SETTLED_BY_PEOPLE = frozenset({"department", "region", "kind", "classification"})
UNWANTED = "诉求人不要登记"
TAIL = 4
"""Digits of its number that a caller is told."""


def save(
    session: Session,
    *,
    ticket: str,
    at: float,
    withdrawn: bool = False,
    by: Actor = CALLER,
    **values: Any,
) -> TicketRow:
    """Open a ticket, or bring its words up to date; idempotent.

    Parameters:
        at: when it was said, seconds since the epoch; what is older than the newest is passed
            over, but for an earlier beginning.
        values: columns of `TicketRow`.
    """
    row = session.get(TicketRow, ticket)
    if row is None:
        kind = Kind(values.pop("kind", None) or Kind.HELP)
        row = TicketRow(id=ticket, tail=tail(ticket), created_at=at, updated_at=at)
        _set(row, values)
        life = begin(at, withdrawn=withdrawn, kind=kind)
        session.add(row)
        keep(
            session,
            row,
            replace(life, department=row.department),
            Act.CREATE,
            by,
            at=at,
            why=UNWANTED if withdrawn else "",
        )
        return row
    row.created_at = min(row.created_at, at)
    if row.updated_at > at:
        return row
    if row.version > 1:
        values = {name: each for name, each in values.items() if name not in SETTLED_BY_PEOPLE}
    _set(row, values)
    row.updated_at = at
    life = life_of(row)
    if withdrawn and life.status in OPEN:
        life = step(life, Request(Act.WITHDRAW, at, UNWANTED))
        keep(session, row, life, Act.WITHDRAW, by, at=at, why=UNWANTED)
    return row


def tail(ticket: str) -> str:
    """The digits that a caller is told as the ticket's number."""
    return "".join(digit for digit in ticket if digit in "0123456789")[-TAIL:]


def _set(row: TicketRow, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if not hasattr(TicketRow, name):
            raise ValueError(f"A ticket has no {name}.")
        setattr(row, name, value)
