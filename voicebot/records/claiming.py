"""Sharing the outbox among processes (PostgreSQL): each message is one process's at a time.

A claim is a lease: a process that dies leaves its messages to the others after `LEASE_S`, so
each is still delivered at least once.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import and_, or_
from sqlalchemy.orm import Session

from voicebot.records.reading import outbox_due, plain
from voicebot.records.tables import OutboxRow

LEASE_S = 30.0
"""Longer than one attempt takes (`exchange.outbox.TIMEOUT_S` for each step of a request)."""


def claim(
    session: Session, now: float, skip: Collection[int], per_address: int, process: str
) -> list[dict[str, Any]]:
    """What is due and no other process's, as `reading.outbox`; it is this one's from now on."""
    others = and_(
        OutboxRow.claimed_by != process,
        OutboxRow.claimed_until > now,
        # What is claimed for longer than that was claimed by a clock that was wrong.
        OutboxRow.claimed_until <= now + 2 * LEASE_S,
    )
    free = or_(OutboxRow.claimed_until.is_(None), ~others)
    due = outbox_due(now, skip, per_address, free)
    rows = session.scalars(due.with_for_update(of=OutboxRow, skip_locked=True)).all()
    for row in rows:
        row.claimed_by, row.claimed_until = process, now + LEASE_S
    return [plain(row) for row in rows]
