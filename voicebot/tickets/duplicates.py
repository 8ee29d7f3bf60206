"""Which tickets may be about the matter of another; people merge them (并案)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, false, select
from sqlalchemy.orm import Session

from voicebot.records.tables import TicketRow
from voicebot.tickets.acts import find
from voicebot.tickets.confidential import confidential_tickets, counts_as_confidential
from voicebot.tickets.likeness import WITHIN_DAYS, Likeness, Matter, alike, nearest
from voicebot.tickets.states import Status

COMPARED = 2_000
"""The newest of the same region, and of the same number."""
LOOKED_AT = 200
"""Of the region's those that are the most alike as written."""
MOST = 10
_COMPARED = ("id", "matter", "place", "number", "region", "created_at")
_OUT = (Status.MERGED.value, Status.WITHDRAWN.value)
_DAY = 86_400.0


def duplicates(session: Session, ticket: str, *, open_alone: bool = False) -> tuple[Likeness, ...]:
    """The likeliest first, ten at most. Raises UnknownTicket.

    Parameters:
        open_alone: the numbers of confidential tickets, and calls, are not compared: another
            ticket of the same number would tell whose they are.
    """
    row = find(session, ticket)
    hidden = counts_as_confidential() if open_alone else false()
    kept = open_alone and bool(confidential_tickets(session, [ticket]))
    one = _matter(row, kept=kept)
    near = (
        select(*(getattr(TicketRow, name) for name in _COMPARED), hidden.label("hidden"))
        .where(
            TicketRow.created_at >= row.created_at - WITHIN_DAYS * _DAY,
            TicketRow.created_at <= row.created_at + WITHIN_DAYS * _DAY,
            TicketRow.status.not_in(_OUT),
        )
        .order_by(TicketRow.created_at.desc())
        .limit(COMPARED)
    )
    there = [
        _matter(each, kept=each.hidden) for each in session.execute(near.where(_same_region(row)))
    ]
    likely = nearest(one.matter, [each.matter for each in there], LOOKED_AT)
    compared = {there[place].ticket: there[place] for place in likely}
    if one.number:
        theirs = session.execute(near.where(TicketRow.number == one.number))
        compared.update((each.id, _matter(each, kept=each.hidden)) for each in theirs)
    found = (alike(one, each) for each in compared.values())
    same = [each for each in found if each is not None]
    return tuple(sorted(same, key=lambda each: (-len(each.reasons), -each.score))[:MOST])


def _same_region(row: TicketRow) -> ColumnElement[bool]:
    return TicketRow.region == row.region if row.region else TicketRow.region.is_(None)


def _matter(row: Any, *, kept: bool) -> Matter:
    number = "" if kept else row.number
    return Matter(row.id, row.matter, row.place, number, row.region, row.created_at)
