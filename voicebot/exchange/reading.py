"""What the exchange has on record: queries that return plain JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from voicebot.exchange.tables import EnvelopeRow, InboxRow, LedgerRow
from voicebot.retention.mark import REMOVED

LINE = (
    "number", "direction", "id", "kind", "subject", "sequence", "sender", "content_hash",
    "state", "sent_at", "at",
)  # fmt: skip
"""What a line of the ledger tells."""


def ledger(session: Session, day: date, after: int, limit: int) -> dict[str, Any]:
    """A page of the lines of the messages sent on a day in Hainan.

    ``{"day", "entries": [{LINE}], "next"}``; `next` is to be given as `after` for the page
    that follows, and is None with the last.
    """
    rows = session.scalars(
        select(LedgerRow)
        .where(LedgerRow.day == day.isoformat(), LedgerRow.number > after)
        .order_by(LedgerRow.number)
        .limit(limit + 1)
    ).all()
    page = rows[:limit]
    return {
        "day": day.isoformat(),
        "entries": [line(row) for row in page],
        "next": page[-1].number if len(rows) > limit else None,
    }


def line(row: LedgerRow) -> dict[str, Any]:
    """A line of the ledger, by the names of `LINE`."""
    return {name: getattr(row, name) for name in LINE}


def message(session: Session, message_id: str) -> dict[str, Any] | None:
    """An envelope that was sent or received, as it stands on the line; None: there is none, or
    its content was deleted.
    """
    return messages(session, [message_id]).get(message_id)


def messages(session: Session, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Envelopes by id, of those that are here with their content."""
    sent = session.execute(
        select(EnvelopeRow.id, EnvelopeRow.envelope).where(
            EnvelopeRow.id.in_(ids), EnvelopeRow.last_error != REMOVED
        )
    )
    came = session.execute(
        select(InboxRow.id, InboxRow.envelope).where(
            InboxRow.id.in_(ids), InboxRow.state != "conflict", InboxRow.reason != REMOVED
        )
    )
    return {name: envelope for rows in (came, sent) for name, envelope in rows}


def history(session: Session, name: str) -> dict[str, Any] | None:
    """All messages of a subject, or the one of this id, with what became of them.

    ``{"sent": [...], "received": [...]}``, each message with its `envelope`; None: there are
    none.
    """
    sent = session.scalars(
        select(EnvelopeRow)
        .where((EnvelopeRow.subject == name) | (EnvelopeRow.id == name))
        .order_by(EnvelopeRow.subject, EnvelopeRow.sequence)
    ).all()
    received = session.scalars(
        select(InboxRow)
        .where((InboxRow.subject == name) | (InboxRow.id == name))
        .order_by(InboxRow.subject, InboxRow.sequence, InboxRow.number)
    ).all()
    if not sent and not received:
        return None
    return {
        "sent": [
            {
                "id": row.id,
                "state": row.state,
                "attempts": row.attempts,
                "created_at": row.created_at,
                "delivered_at": row.delivered_at,
                "last_error": row.last_error,
                "envelope": row.envelope,
            }
            for row in sent
        ],
        "received": [
            {
                "id": row.id,
                "state": row.state,
                "reason": row.reason,
                "times": row.times,
                "received_at": row.received_at,
                "applied_at": row.applied_at,
                "envelope": row.envelope,
            }
            for row in received
        ],
    }


def counts(session: Session) -> dict[str, dict[str, int]]:
    """Messages by direction and state: ``{"out": {"applied": 12, …}, "in": {…}}``."""
    found: dict[str, dict[str, int]] = {"out": {}, "in": {}}
    rows = session.execute(
        select(LedgerRow.direction, LedgerRow.state, func.count()).group_by(
            LedgerRow.direction, LedgerRow.state
        )
    )
    for direction, state, count in rows:
        found[direction][state] = count
    conflicts = select(func.count()).where(InboxRow.state == "conflict")
    if number := session.scalars(conflicts).one():
        found["in"]["conflict"] = number
    return found
