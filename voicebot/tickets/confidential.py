"""Which calls, tickets and numbers are of callers who want to be kept confidential (保密)."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from voicebot.callers.tables import EvaluationRow, NuisanceCallRow
from voicebot.records.tables import TicketRow


def confidential_calls(session: Session, calls: Collection[str]) -> set[str]:
    """Those of these calls with a ticket whose caller wants name and number kept, or in which
    such a ticket was evaluated.
    """
    of_tickets = select(TicketRow.call_id).where(
        TicketRow.call_id.in_(calls), TicketRow.confidential, TicketRow.call_id != ""
    )
    evaluated = (
        select(EvaluationRow.call_id)
        .join(TicketRow, TicketRow.id == EvaluationRow.ticket)
        .where(EvaluationRow.call_id.in_(calls), TicketRow.confidential)
    )
    return {call for query in (of_tickets, evaluated) for call in session.scalars(query)}


def is_confidential(call: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """The same, as a condition on the id of a call."""
    its = aliased(TicketRow)  # the call's id may be a ticket's own column
    of_ticket = exists().where(its.call_id == call, its.confidential)
    evaluated = exists().where(
        EvaluationRow.call_id == call, EvaluationRow.ticket == its.id, its.confidential
    )
    return and_(call != "", or_(of_ticket, evaluated))


def confidential_tickets(session: Session, tickets: Collection[str]) -> set[str]:
    """Those of these tickets whose callers want name and number kept, for them or for another of
    the same call.
    """
    found = select(TicketRow.id).where(TicketRow.id.in_(tickets), counts_as_confidential())
    return set(session.scalars(found))


def counts_as_confidential() -> ColumnElement[bool]:
    """The same, as a condition on tickets."""
    return or_(TicketRow.confidential, is_confidential(TicketRow.call_id))


def confidential_nuisance(session: Session) -> set[str]:
    """Numbers of nuisance calls with a confidential ticket."""
    found = select(NuisanceCallRow.number).join(
        TicketRow, TicketRow.call_id == NuisanceCallRow.call_id
    )
    return set(session.scalars(found.where(TicketRow.confidential)))
