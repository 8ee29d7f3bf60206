"""Which events are due at a receiver, what became of them, and what waits (functions of a session).

An event that is claimed comes up again after `LEASE_S`: whoever claimed it may be dead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from voicebot.errors import VoicebotError
from voicebot.exchange.outbox import LAST_RETRY_S
from voicebot.webhooks.tables import WebhookEventRow

LEASE_S = 60.0
"""Longer than a request may take, or it would be sent twice."""


class UnknownEvent(VoicebotError):
    """No event of these ids is on record."""

    code = "webhooks.unknown"

    def __init__(self, ids: Collection[str]) -> None:
        super().__init__(
            f"There is no event of the id {', '.join(sorted(ids))}; nothing was changed. "
            "`voicebot webhooks show` names those of a receiver."
        )


@dataclass(frozen=True, slots=True)
class Due:
    """An event that is to be sent now; `event` is what is sent of it."""

    number: int
    attempts: int
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of sending one; `error`: "" when the receiver has it."""

    number: int
    at: float
    error: str
    again_at: float


@dataclass(frozen=True, slots=True)
class Waits:
    """What waits for a receiver. Times are seconds since the epoch."""

    count: int
    oldest_at: float | None
    delivered_at: float | None
    """When the newest was delivered, of those that are kept."""
    error: str
    """The last error of the oldest."""


def is_due(session: Session, webhook: str, now: float) -> bool:
    """There is something to claim; asked without a write."""
    due = select(WebhookEventRow.number).where(_due(webhook, now)).limit(1)
    return session.scalars(due).first() is not None


def claim(session: Session, webhook: str, now: float, limit: int) -> list[Due]:
    """Take what is due for this process: the oldest first, at most one of each subject."""
    rows = session.scalars(
        select(WebhookEventRow)
        .where(_due(webhook, now))
        .order_by(WebhookEventRow.number)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        row.next_attempt_at = now + LEASE_S
    return [Due(row.number, row.attempts, wire(row)) for row in rows]


def settle(session: Session, attempts: Iterable[Attempt]) -> None:
    """Write down what came of sending; what was delivered stays so."""
    for attempt in attempts:
        row = session.get(WebhookEventRow, attempt.number)
        if row is None or row.waiting_for is None:
            continue
        row.attempts += 1
        row.last_error = attempt.error
        if attempt.error:
            row.next_attempt_at = attempt.again_at
        else:
            row.waiting_for, row.delivered_at = None, attempt.at


def send_again(session: Session, webhook: str, ids: Sequence[str] | None, *, at: float) -> int:
    """Let what waits for a receiver be tried at once (`ids` None: all of it); how many.

    What was delivered and is named by its id goes out once more.

    Raises:
        UnknownEvent: one of the ids is on record for no such receiver; nothing is changed.
    """
    row = WebhookEventRow
    again = row.waiting_for.is_not(None) if ids is None else row.id.in_(ids)
    rows = session.scalars(select(row).where(row.webhook == webhook, again)).all()
    if unknown := set(ids or ()) - {each.id for each in rows}:
        raise UnknownEvent(unknown)
    for each in rows:
        each.waiting_for, each.next_attempt_at = webhook, at
    return len(rows)


def waits(session: Session, webhook: str) -> Waits:
    """What waits for a receiver."""
    row = WebhookEventRow
    waiting = row.waiting_for == webhook
    count = session.scalars(select(func.count()).where(waiting)).one()
    oldest = session.execute(
        select(row.at, row.last_error).where(waiting).order_by(row.number).limit(1)
    ).first()
    newest = session.scalars(
        select(row.delivered_at)
        .where(row.webhook == webhook, row.waiting_for.is_(None))
        .order_by(row.number.desc())
        .limit(1)
    ).first()
    return Waits(count, oldest[0] if oldest else None, newest, oldest[1] if oldest else "")


def history(session: Session, webhook: str, name: str, most: int) -> list[dict[str, Any]]:
    """Events for a receiver, the newest first: those of a subject, the one of an id, or ("") all.

    As they are sent, with ``"state"`` (waiting, delivered), ``"attempts"``, ``"next_attempt_at"``,
    ``"delivered_at"`` and ``"last_error"``.
    """
    row = WebhookEventRow
    chosen = select(row).where(row.webhook == webhook)
    if name:
        chosen = chosen.where(or_(row.id == name, row.subject == name))
    rows = session.scalars(chosen.order_by(row.number.desc()).limit(most))
    return [
        {
            **wire(each),
            "state": "delivered" if each.waiting_for is None else "waiting",
            "attempts": each.attempts,
            "next_attempt_at": each.next_attempt_at,
            "delivered_at": each.delivered_at,
            "last_error": each.last_error,
        }
        for each in rows
    ]


def wire(row: WebhookEventRow) -> dict[str, Any]:
    """An event as it is sent."""
    return {
        "id": row.id,
        "event": row.event,
        "subject": row.subject,
        "sequence": row.number,
        "at": row.at,
        "data": row.data,
    }


def _due(webhook: str, now: float) -> ColumnElement[bool]:
    row, earlier = WebhookEventRow, aliased(WebhookEventRow)
    return and_(
        row.waiting_for == webhook,
        # What waits for longer than any pause was written by a clock that was wrong.
        or_(row.next_attempt_at <= now, row.next_attempt_at > now + LAST_RETRY_S + LEASE_S),
        ~exists().where(
            earlier.webhook == webhook,
            earlier.subject == row.subject,
            earlier.number < row.number,
            earlier.waiting_for.is_not(None),
        ),
    )
