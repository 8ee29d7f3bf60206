"""Reminders (督办) as they fall due: on the ticket, to whoever is on duty, and to 110 where the
matter is its too."""

from __future__ import annotations

import asyncio
import time
from typing import Literal

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records
from voicebot.records.tables import TicketRow
from voicebot.tickets import supervision
from voicebot.tickets.states import TO_DISPATCH, Status
from voicebot.tickets.supervision import Level
from voicebot.tickets.tables import TicketReminderRow
from voicebot.tickets.urging import Urged, tell_duty, tell_police

log = structlog.get_logger()

EVERY_S = 60.0
AT_ONCE = 500
"""Reminders in one transaction: other writers wait meanwhile."""


def remind(session: Session, at: float, limit: int = AT_ONCE) -> int:
    """Write the reminders that are due at `at` (seconds since the epoch); how many."""
    due = (
        select(TicketRow)
        .where(TicketRow.remind_at <= at)
        .order_by(TicketRow.remind_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = list(session.scalars(due))
    urged: list[Urged] = []
    for row in rows:
        deadline = row.awaited_by
        row.remind_at = supervision.next_after(deadline, at)
        level = None if deadline is None else supervision.due(deadline, at)
        if deadline is not None and level is not None:
            urged += _write(session, row, deadline, level, at)
    tell_duty(session, urged, at)
    session.flush()
    return len(rows)


def _write(
    session: Session, row: TicketRow, deadline: float, level: Level, at: float
) -> list[Urged]:
    """The reminder, if it is new."""
    if session.get(TicketReminderRow, (row.id, deadline, level.value)) is not None:
        return []
    awaited = "派单" if Status(row.status) in TO_DISPATCH else "答复诉求人"
    text = supervision.wording(level, deadline, awaited, at)
    session.add(
        TicketReminderRow(
            ticket=row.id,
            deadline=deadline,
            level=level.value,
            at=at,
            department=row.department or "",
            text=text,
        )
    )
    reason: Literal["due_soon", "overdue"] = "due_soon" if level is Level.REMIND else "overdue"
    tell_police(session, row, reason, level, deadline, text, at)
    return [Urged(row, deadline, level, text)]


class Reminding:
    """Writes what falls due, once a minute: ``asyncio.create_task(reminding.run())``."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def run(self) -> None:
        while True:
            try:
                written = AT_ONCE
                while written == AT_ONCE:
                    written = await self._records.in_background(remind, time.time())
            except RecordsUnavailable as error:
                log.warning("tickets_not_reminded", reason=str(error))
            except Exception:
                log.exception("tickets_not_reminded")
            await asyncio.sleep(EVERY_S)
