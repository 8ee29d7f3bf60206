"""Putting an envelope into the outbox and the ledger, in the transaction of what it tells."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from voicebot.clock import BEIJING
from voicebot.exchange.errors import OtherContent, OutOfOrder
from voicebot.exchange.schema import Body, Envelope, canonical_json, read_envelope, seal
from voicebot.exchange.tables import EnvelopeRow, LedgerRow


def send(
    session: Session,
    body: Body,
    *,
    subject: str,
    at: float,
    incident: str | None = None,
    id: str | None = None,
) -> Envelope:
    """Seal a body as the next message about its subject, and put it into the outbox.

    Parameters:
        subject: number of the ticket, order or hand-off that it is about.
        at: seconds since the epoch.
        id: idempotency key; with one that was used before, nothing is sent, and the envelope
            of then is given back.

    Raises:
        MessageInvalid: a field is not allowed.
    """
    one_at_a_time(session, subject, "out")
    if id is not None:
        before = session.scalars(select(EnvelopeRow).where(EnvelopeRow.id == id)).first()
        if before is not None:
            return stored(before.envelope)
    envelope = seal(
        body,
        subject=subject,
        sequence=next_sequence(session, subject),
        sender="12345",
        sent_at=datetime.fromtimestamp(at, BEIJING),
        incident=incident,
        id=id,
    )
    enqueue(session, envelope, at=at)
    return envelope


def enqueue(session: Session, envelope: Envelope, *, at: float) -> bool:
    """Put an envelope into outbox and ledger; False: it is there already.

    It is sent once the caller's transaction is committed, and after those before it.

    Raises:
        OtherContent: its id is that of an envelope with other content.
        OutOfOrder: its sequence is not the next of its subject.
    """
    one_at_a_time(session, envelope.subject, "out")
    known = session.scalars(
        select(LedgerRow).where(LedgerRow.direction == "out", LedgerRow.id == envelope.id)
    ).first()
    if known is not None:
        if known.content_hash != envelope.content_hash:
            raise OtherContent(envelope.id)
        return False
    expected = next_sequence(session, envelope.subject)
    if envelope.sequence != expected:
        raise OutOfOrder(envelope.id, expected)
    session.add(
        EnvelopeRow(
            id=envelope.id,
            subject=envelope.subject,
            sequence=envelope.sequence,
            priority=0 if envelope.kind == "police_order" else 1,
            envelope=envelope.wire(),
            created_at=at,
            next_attempt_at=at,
        )
    )
    session.add(ledger_row("out", envelope, "waiting", at))
    session.flush()
    return True


def next_sequence(session: Session, subject: str) -> int:
    """The sequence of the next message that we send about a subject; the first is 1."""
    last = session.scalars(
        select(func.max(EnvelopeRow.sequence)).where(EnvelopeRow.subject == subject)
    ).one()
    return (last or 0) + 1


def stored(envelope: Mapping[str, Any]) -> Envelope:
    """An envelope as it stands in outbox or inbox."""
    return read_envelope(canonical_json(envelope))


def ledger_row(direction: str, envelope: Envelope, state: str, at: float) -> LedgerRow:
    """The line of a message in the ledger."""
    return LedgerRow(
        direction=direction,
        id=envelope.id,
        kind=envelope.kind,
        subject=envelope.subject,
        sequence=envelope.sequence,
        sender=envelope.sender,
        content_hash=envelope.content_hash,
        state=state,
        sent_at=envelope.sent_at.timestamp(),
        at=at,
    )


_LOCKS = {"in": 1, "out": 2}


def one_at_a_time(session: Session, subject: str, direction: Literal["in", "out"]) -> None:
    """Other transactions with messages about this subject, in this direction, wait for this one.

    Locks are taken in one order, or two transactions wait for each other for ever: first
    ``in`` of one subject, then rows of tickets, then ``out``. SQLite has one writer anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        lock = func.pg_advisory_xact_lock(_LOCKS[direction], func.hashtext(subject))
        session.execute(select(lock))
