"""Which envelopes are to be sent, and what became of them: the outbox's queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from voicebot.exchange.errors import NotSent
from voicebot.exchange.outbox import LAST_RETRY_S
from voicebot.exchange.platform import Posted
from voicebot.exchange.tables import EnvelopeRow, InboxRow, LedgerRow

LEASE_S = 10.0
"""How long nobody else sends what one process has claimed; longer than a request may take."""


@dataclass(frozen=True, slots=True)
class Due:
    """An envelope that is to be sent now."""

    number: int
    attempts: int
    envelope: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of sending one."""

    number: int
    at: float
    posted: Posted
    next_attempt_at: float


@dataclass(frozen=True, slots=True)
class Overdue:
    """What has waited too long."""

    count: int
    police_orders: int
    oldest_at: float | None
    """Seconds since the epoch."""
    error: str
    """The last error of the oldest."""


def is_due(session: Session, now: float, skip: Collection[int]) -> bool:
    """There is something to claim; asked without a write."""
    due = select(EnvelopeRow.number).where(_due(now, skip)).limit(1)
    return session.scalars(due).first() is not None


def claim(session: Session, now: float, skip: Collection[int], limit: int) -> list[Due]:
    """Take what is due for this process: police orders first, at most one of each subject."""
    rows = session.scalars(
        select(EnvelopeRow)
        .where(_due(now, skip))
        .order_by(EnvelopeRow.priority, EnvelopeRow.next_attempt_at, EnvelopeRow.number)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        row.next_attempt_at = now + LEASE_S
    return [Due(row.number, row.attempts, row.envelope) for row in rows]


def settle(session: Session, attempts: Iterable[Attempt]) -> None:
    """Write down what came of sending; what 110 has confirmed stays confirmed."""
    for attempt in attempts:
        row = session.get(EnvelopeRow, attempt.number)
        if row is None or row.state == "delivered":
            continue
        row.attempts += 1
        if attempt.posted.state == "applied":
            row.state, row.delivered_at, row.last_error = "delivered", attempt.at, ""
        else:
            row.next_attempt_at, row.last_error = attempt.next_attempt_at, attempt.posted.error
        if attempt.posted.state in ("applied", "refused", "conflict"):
            session.execute(
                update(LedgerRow)
                .where(LedgerRow.direction == "out", LedgerRow.id == row.id)
                .values(state=attempt.posted.state)
            )


def send_again(session: Session, ids: Sequence[str] | None, *, at: float) -> int:
    """Let what waits be tried at once (`ids` None: all of it); how many.

    What was confirmed and is named by its id goes out once more: its key lets 110 apply it
    once.

    Raises:
        NotSent: one of the ids is of no message of ours; nothing is changed.
    """
    again = EnvelopeRow.state == "waiting" if ids is None else EnvelopeRow.id.in_(ids)
    rows = session.scalars(select(EnvelopeRow).where(again)).all()
    if unknown := set(ids or ()) - {row.id for row in rows}:
        raise NotSent(sorted(unknown))
    for row in rows:
        row.state, row.next_attempt_at = "waiting", at
    return len(rows)


def hurry(session: Session, now: float) -> None:
    """110 is back: nothing waits any longer for its time."""
    session.execute(
        update(EnvelopeRow)
        .where(EnvelopeRow.state == "waiting", EnvelopeRow.next_attempt_at > now)
        .values(next_attempt_at=now)
    )


def overdue(session: Session, before: float) -> Overdue:
    """Envelopes that were put out before then and are not confirmed."""
    waiting = and_(EnvelopeRow.state == "waiting", EnvelopeRow.created_at < before)
    count, orders = session.execute(
        select(func.count(), func.coalesce(func.sum(1 - EnvelopeRow.priority), 0)).where(waiting)
    ).one()
    oldest = session.execute(
        select(EnvelopeRow.created_at, EnvelopeRow.last_error)
        .where(waiting)
        .order_by(EnvelopeRow.created_at, EnvelopeRow.number)
        .limit(1)
    ).first()
    return Overdue(count, orders, oldest[0] if oldest else None, oldest[1] if oldest else "")


def appliable(session: Session, after: int = 0) -> list[tuple[int, str]]:
    """Messages that are the next about their subject and could not be applied so far.

    Their numbers and subjects: the first 100 of a number above `after`.
    """
    before = aliased(InboxRow)
    found = session.execute(
        select(InboxRow.number, InboxRow.subject)
        .where(
            InboxRow.number > after,
            InboxRow.state.in_(("waiting", "refused")),
            or_(
                InboxRow.sequence == 1,
                exists().where(
                    before.subject == InboxRow.subject,
                    before.sequence == InboxRow.sequence - 1,
                    before.state == "applied",
                ),
            ),
        )
        .order_by(InboxRow.number)
        .limit(100)
    )
    return [(number, subject) for number, subject in found]


def unapplied(session: Session, before: float) -> tuple[int, list[str]]:
    """How many messages came in before then and still wait or are refused; the oldest five."""
    late = and_(InboxRow.state.in_(("waiting", "refused")), InboxRow.received_at < before)
    count = session.scalars(select(func.count()).where(late)).one()
    oldest = select(InboxRow.id).where(late).order_by(InboxRow.received_at).limit(5)
    return count, list(session.scalars(oldest))


def _due(now: float, skip: Collection[int]) -> ColumnElement[bool]:
    earlier = aliased(EnvelopeRow)
    return and_(
        EnvelopeRow.state == "waiting",
        # What waits for longer than any pause was written by a clock that was wrong.
        or_(
            EnvelopeRow.next_attempt_at <= now,
            EnvelopeRow.next_attempt_at > now + LAST_RETRY_S + LEASE_S,
        ),
        EnvelopeRow.number.not_in(skip),
        ~exists().where(
            earlier.subject == EnvelopeRow.subject,
            earlier.sequence < EnvelopeRow.sequence,
            earlier.state == "waiting",
        ),
    )
