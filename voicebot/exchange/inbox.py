"""What 110 sends us: kept first, then applied once, in order, by the handler of its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from voicebot.exchange.errors import Refused
from voicebot.exchange.schema import Envelope, MessageInvalid
from voicebot.exchange.sending import ledger_row, one_at_a_time, stored
from voicebot.exchange.tables import InboxRow, LedgerRow

log = structlog.get_logger()

Handler = Callable[[Session, Envelope, float], None]
"""`handler(session, envelope, at)`; raises `Refused` for content that cannot be taken."""

HANDLERS: dict[str, Handler] = {}
"""By kind. A message of a kind without one is kept for whoever asks, and is applied with that."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a message; the same each time that it comes."""

    id: str
    content_hash: str
    state: Literal["applied", "waiting", "refused", "conflict"]
    """`InboxRow.state`."""
    reason: str
    received_at: float


def receive(
    session: Session,
    envelope: Envelope,
    *,
    at: float,
    handlers: Mapping[str, Handler] = HANDLERS,
) -> Delivery:
    """Keep a message, and apply it with whatever waited for it, in the caller's transaction."""
    one_at_a_time(session, envelope.subject, "in")
    row = session.scalars(
        select(InboxRow).where(
            InboxRow.id == envelope.id, InboxRow.content_hash == envelope.content_hash
        )
    ).first()
    if row is None:
        row = _keep(session, envelope, at)
    else:
        row.times += 1
    if row.state in ("waiting", "refused"):
        apply_ready(session, row.subject, at=at, handlers=handlers)
    return Delivery(row.id, row.content_hash, row.state, row.reason, row.received_at)  # type: ignore[arg-type]


def apply_ready(
    session: Session, subject: str, *, at: float, handlers: Mapping[str, Handler] = HANDLERS
) -> int:
    """Apply the messages about a subject, each after the one before it; how many.

    A transaction does so for one subject alone (`one_at_a_time`).
    """
    one_at_a_time(session, subject, "in")
    count = 0
    while (row := _next(session, subject)) is not None and _apply(session, row, at, handlers):
        count += 1
    return count


def _keep(session: Session, envelope: Envelope, at: float) -> InboxRow:
    row = InboxRow(
        id=envelope.id,
        content_hash=envelope.content_hash,
        subject=envelope.subject,
        sequence=envelope.sequence,
        envelope=envelope.wire(),
        state="waiting",
        reason="",
        received_at=at,
        times=1,
    )
    row.reason = _in_the_way(session, envelope)
    if row.reason:
        row.state = "conflict"
        log.error("exchange_conflict", message=envelope.id, reason=row.reason)
    else:
        session.add(ledger_row("in", envelope, "waiting", at))
    session.add(row)
    session.flush()
    return row


def _in_the_way(session: Session, envelope: Envelope) -> str:
    kept = select(InboxRow.id).where(InboxRow.state != "conflict").limit(1)
    if session.scalars(kept.where(InboxRow.id == envelope.id)).first() is not None:
        return "id: it was used before, for other content; send a correction as a new message"
    place = kept.where(InboxRow.subject == envelope.subject, InboxRow.sequence == envelope.sequence)
    if (other := session.scalars(place).first()) is not None:
        return f"sequence: {envelope.sequence} of this subject is that of {other}"
    return ""


def _next(session: Session, subject: str) -> InboxRow | None:
    applied = (
        select(func.coalesce(func.max(InboxRow.sequence), 0))
        .where(InboxRow.subject == subject, InboxRow.state == "applied")
        .scalar_subquery()
    )
    return session.scalars(
        select(InboxRow).where(
            InboxRow.subject == subject,
            InboxRow.sequence == applied + 1,
            InboxRow.state.in_(("waiting", "refused")),
        ),
        # What this transaction has read before it had the lock may be old.
        execution_options={"populate_existing": True},
    ).first()


def _apply(session: Session, row: InboxRow, at: float, handlers: Mapping[str, Handler]) -> bool:
    before = row.state, row.reason
    try:
        envelope = stored(row.envelope)
        handler = handlers.get(envelope.kind)
        if handler is not None:
            with session.begin_nested():
                handler(session, envelope, at)
        row.state, row.reason, row.applied_at = "applied", "", at
    except Refused as refusal:
        row.state, row.reason = "refused", str(refusal)
    except MessageInvalid as error:  # the schema has changed since it was kept
        row.state, row.reason = "refused", f"schema: {error}"
    except (OperationalError, InterfaceError):
        raise  # the database's own fault: nothing of this transaction stays
    except Exception as error:
        # Its words may be a caller's.
        row.state, row.reason = "waiting", f"its handler failed: {type(error).__name__}"
    if row.state != "applied" and (row.state, row.reason) != before:
        event = "exchange_refused" if row.state == "refused" else "exchange_handler_failed"
        log.error(event, message=row.id, reason=row.reason)
    session.execute(
        update(LedgerRow)
        .where(LedgerRow.direction == "in", LedgerRow.id == row.id)
        .values(state=row.state)
    )
    session.flush()
    return row.state == "applied"
