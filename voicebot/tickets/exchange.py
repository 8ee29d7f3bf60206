"""Tickets and the exchange with 110: what comes in about them, and what 110 is told (R1, R12).

A matter that 110 passes on is a ticket here, and 110 hears of each state it comes to. What 110
says of a police order that a ticket was escalated with is a step of that ticket.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.exchange.errors import Refused
from voicebot.exchange.inbox import HANDLERS
from voicebot.exchange.schema import (
    Body,
    Envelope,
    Evaluation,
    Feedback,
    PoliceOrder,
    Receipt,
    Status,
    Supervision,
    Ticket,
    canonical_json,
)
from voicebot.exchange.sending import send
from voicebot.exchange.tables import EnvelopeRow
from voicebot.exchange.wording import moment
from voicebot.records.tables import HandoffRow, TicketRow
from voicebot.tickets import opening
from voicebot.tickets.acts import perform
from voicebot.tickets.errors import ActRefused
from voicebot.tickets.history import POLICE
from voicebot.tickets.life import Request
from voicebot.tickets.states import Act
from voicebot.tickets.tables import TicketStepRow

log = structlog.get_logger()

NUISANCE = "nuisance"
"""Flag of an order that reports a number to 110."""
BOUNCED = frozenset({"returned", "rejected", "out_of_scope"})
"""110 says that the matter is not its own: a dispute (R10)."""


def take_ticket(session: Session, envelope: Envelope, at: float) -> None:
    """A matter that 110 passes on (非警务警情): a ticket, and the receipt for it."""
    body = envelope.body
    assert isinstance(body, Ticket)
    known = session.get(TicketRow, body.number, with_for_update=True, populate_existing=True)
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

    An order without a ticket that 110 refuses becomes one, in dispute. What is about neither is
    passed over: it stands in the inbox for whoever it concerns.
    """
    known = {"message": envelope.id, "kind": envelope.kind}
    police_said(session, envelope.subject, envelope.body, known, at)


def police_said(
    session: Session, subject: str, body: Body, known: Mapping[str, Any], at: float
) -> TicketRow | None:
    """What 110 says of a subject, by a message or by a person there; the ticket it is about.

    Parameters:
        known: what else is to stand in the ticket's history.
    """
    said, bounced, why = _news(body)
    if bounced:
        _handed_back(session, subject, at)
    row = _ticket_of(session, subject)
    if row is None and bounced:
        row = _of_order(session, subject, at)
    if row is None:
        return None
    asked = Act.DISPUTE if bounced else Act.NOTE
    if isinstance(body, Status) and body.state == "withdrawn":
        its_own = row.channel == "110" and subject == row.id
        asked = Act.WITHDRAW if its_own else Act.NOTE
    details = {**known, "subject": subject, **said}
    try:
        perform(session, row.id, Request(asked, at, why), POLICE, details=details)
    except ActRefused:  # where it is now nothing changes, and what was said is kept
        perform(session, row.id, Request(Act.NOTE, at, why), POLICE, details=details)
    return row


def _of_order(session: Session, number: str, at: float) -> TicketRow | None:
    """The ticket of a police order that had none: nobody may fall between the two desks.

    Written matters with danger are such orders (`voicebot.matters`); the channel is that of
    the order, which has no call where the matter was written. A report of a number that
    disturbs us (`voicebot.callers.reporting`) is nobody's matter.
    """
    order = _order(session, number)
    if order is None:
        return None
    if NUISANCE in order.flags:
        log.error("exchange_report_refused", order=number)
        return None
    return opening.save(
        session,
        ticket=number,
        at=at,
        by=POLICE,
        call_id=order.call_id or "",
        matter=order.reason,
        place=order.place,
        name=order.caller.name,
        number=order.caller.number,
        confidential=order.caller.confidential,
        region=order.division,
        happened=order.occurred_at.isoformat() if order.occurred_at else "",
        channel="telephone" if order.call_id or order.did else "web",
    )


def _order(session: Session, number: str) -> PoliceOrder | None:
    """The police order of a number as we have sent it; None as well once that was deleted."""
    sent = session.scalars(
        select(EnvelopeRow.envelope)
        .where(EnvelopeRow.subject == number)
        .order_by(EnvelopeRow.sequence)
    )
    bodies = (each["body"] for each in sent if each["kind"] == "police_order")
    body = next(bodies, None)
    return None if not body else PoliceOrder.model_validate_json(canonical_json(body))


def _handed_back(session: Session, subject: str, at: float) -> None:
    """110 says of a live hand-off, or of its order, that it was not its matter: 误转 (R15)."""
    row = session.get(HandoffRow, subject)
    if row is None:
        order = _order(session, subject)
        row = session.get(HandoffRow, order.handoff) if order and order.handoff else None
    if row is not None and row.returned_at is None:
        row.returned_at = at


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


def _news(body: Body) -> tuple[dict[str, Any], bool, str]:
    """What was said, whether the matter was refused with it, and in which words."""
    match body:
        case Status():
            why = body.note.strip() or f"110：{body.state}"
            return {"state": body.state}, body.state in BOUNCED, why
        case Receipt():
            why = body.reason.strip() or f"110：{body.result}"
            return {"result": body.result}, body.result == "rejected", why
        case Feedback():
            why = body.result.strip() or f"110：{body.outcome}"
            return {"outcome": body.outcome}, body.outcome in BOUNCED, why
        case Evaluation():
            why = body.comment.strip() or f"满意度{body.score}"
            return {"score": body.score, "solved": body.solved}, False, why
        case Supervision():
            why = body.text.strip() or f"110督办：{body.reason}"
            return {"reason": body.reason, "level": body.level}, False, why
        case _:
            return {}, False, "110"


HANDLERS["ticket"] = take_ticket
for _kind in ("status", "receipt", "feedback", "evaluation", "supervision"):
    HANDLERS[_kind] = take_news
