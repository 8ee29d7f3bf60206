"""Tickets and the exchange with 110: what comes in about them, and what 110 is told (R1, R12).

A matter that 110 passes on is a ticket here, and 110 hears of each state it comes to. What 110
says of a police order that a ticket was escalated with is a step of that ticket.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.exchange.errors import Refused
from voicebot.exchange.inbox import HANDLERS
from voicebot.exchange.schema import (
    Envelope,
    Evaluation,
    Feedback,
    Receipt,
    Status,
    Supervision,
    Ticket,
)
from voicebot.exchange.sending import send
from voicebot.records.tables import TicketRow
from voicebot.tickets import opening
from voicebot.tickets.acts import perform
from voicebot.tickets.errors import ActRefused
from voicebot.tickets.history import POLICE
from voicebot.tickets.life import Request
from voicebot.tickets.police import moment
from voicebot.tickets.states import Act
from voicebot.tickets.tables import TicketStepRow

BOUNCED = frozenset({"returned", "rejected", "out_of_scope"})
"""110 says that the matter is not its own: a dispute (R10)."""


def take_ticket(session: Session, envelope: Envelope, at: float) -> None:
    """A matter that 110 passes on (非警务警情): a ticket, and the receipt for it."""
    body = envelope.body
    assert isinstance(body, Ticket)
    known = session.get(TicketRow, body.number)
    if known is not None and known.channel != "110":
        raise Refused("number", "a ticket of this number is on record that did not come from 110")
    opening.save(
        session,
        ticket=body.number,
        at=at,
        by=POLICE,
        call_id=body.call_id or "",
        matter=body.matter,
        place=body.place,
        name=body.caller.name,
        number=body.caller.number,
        confidential=body.caller.confidential,
        region=body.division,
        classification=body.classification or "",
        kind=body.type,
        happened=body.occurred_at.isoformat() if body.occurred_at else "",
        channel="110",
    )
    receipt = Receipt(
        message=envelope.id,
        content_hash=envelope.content_hash,
        result="accepted",
        at=moment(at),
        number=body.number,
    )
    send(session, receipt, subject=body.number, at=at)


def take_news(session: Session, envelope: Envelope, at: float) -> None:
    """Status, receipt, feedback, evaluation or supervision of a ticket or of its police order.

    What is about neither is passed over: it stands in the inbox for whoever it concerns.
    """
    row = _ticket_of(session, envelope.subject)
    if row is None:
        return
    said, bounced, why = _news(envelope)
    asked = Act.DISPUTE if bounced else Act.NOTE
    if isinstance(envelope.body, Status) and envelope.body.state == "withdrawn":
        asked = Act.WITHDRAW if envelope.subject == row.id else Act.NOTE
    details = {"message": envelope.id, "kind": envelope.kind, "subject": envelope.subject, **said}
    try:
        perform(session, row.id, Request(asked, at, why), POLICE, details=details)
    except ActRefused:  # where it is now nothing changes, and what was said is kept
        perform(session, row.id, Request(Act.NOTE, at, why), POLICE, details=details)


def _ticket_of(session: Session, subject: str) -> TicketRow | None:
    """By its own number, or by that of a police order that it was escalated with."""
    row = session.get(TicketRow, subject)
    if row is None:
        row = session.scalars(select(TicketRow).where(TicketRow.police_order == subject)).first()
    return row or _escalated_before(session, subject)


def _escalated_before(session: Session, subject: str) -> TicketRow | None:
    """Its ticket was escalated once more since."""
    ticket, mark, version = subject.rpartition("-j")
    if not mark or not version.isdecimal():
        return None
    done = session.get(TicketStepRow, (ticket, int(version)))
    if done is None or done.details.get("order") != subject:
        return None
    return session.get(TicketRow, ticket)


def _news(envelope: Envelope) -> tuple[dict[str, Any], bool, str]:
    """What was said, whether the matter was refused with it, and in which words."""
    match envelope.body:
        case Status() as body:
            return {"state": body.state}, body.state in BOUNCED, body.note or f"110：{body.state}"
        case Receipt() as body:
            why = body.reason or f"110：{body.result}"
            return {"result": body.result}, body.result == "rejected", why
        case Feedback() as body:
            return {"outcome": body.outcome}, body.outcome in BOUNCED, body.result
        case Evaluation() as body:
            return (
                {"score": body.score, "solved": body.solved},
                False,
                body.comment or f"满意度{body.score}",
            )
        case Supervision() as body:
            return (
                {"reason": body.reason, "level": body.level},
                False,
                body.text or f"110督办：{body.reason}",
            )
        case _:
            return {}, False, "110"


HANDLERS["ticket"] = take_ticket
for _kind in ("status", "receipt", "feedback", "evaluation", "supervision"):
    HANDLERS[_kind] = take_news
