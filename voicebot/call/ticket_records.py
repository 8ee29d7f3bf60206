"""What a call does with tickets beside opening them: a department proposed, progress found."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy.orm import Session

from flows import actions as act
from flows.events import TicketProgress
from voicebot.call.engines import Engines
from voicebot.callers.days import day_spoken
from voicebot.clock import today
from voicebot.dispatching import decided_rules, proposal
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records
from voicebot.records.tables import TicketRow
from voicebot.tickets.progress import Progress, progress
from voicebot.tickets.states import Status

log = structlog.get_logger()

READ_S = 1.5
"""How long a caller waits for the records; then a person is called in."""


async def proposed(
    records: Records, engines: Engines, action: act.OpenTicket
) -> Mapping[str, Any] | None:
    """The columns of a ticket that say for whom it is proposed; None: nothing is proposed."""
    model = engines.dispatch
    if model is None or action.withdrawn or not action.matter:
        return None
    try:
        async with asyncio.timeout(READ_S):
            rules = await records.read(decided_rules)
    except (RecordsUnavailable, TimeoutError):
        rules = ()
    found = await asyncio.get_running_loop().run_in_executor(
        engines.work_executor,
        proposal,
        model,
        engines.embedder,
        action.matter,
        action.region,
        rules,
    )
    return {
        "proposed_department": found.department,
        "proposal_confidence": round(found.confidence, 4),
        "proposal_reason": found.reason,
    }


async def find(
    records: Records, action: act.FindTickets, call_id: str
) -> tuple[TicketProgress, ...] | None:
    """What a caller may hear of tickets, audited; None: the records cannot be read now."""
    try:
        async with asyncio.timeout(READ_S):
            found = await records.read(_read, action.tail, action.caller or action.phone_tail)
    except (RecordsUnavailable, TimeoutError):
        log.warning("progress_unreadable")
        return None
    for ticket, _ in found:
        records.audit(None, "ticket.progress", ticket, f"call {call_id}"[:64])
    return tuple(told for _, told in found)


def _read(session: Session, tail: str, caller: str) -> list[tuple[str, TicketProgress]]:
    return [(each.ticket, _told(session, each)) for each in progress(session, tail, caller)]


def _told(session: Session, found: Progress) -> TicketProgress:
    row = session.get(TicketRow, found.ticket)
    done = found.status in (Status.ANSWERED, Status.CLOSED, Status.WITHDRAWN)
    escalated = row is not None and bool(row.police_order) and not done
    last = found.last_day
    return TicketProgress(
        tail=found.tail,
        status="escalated" if escalated else found.status.value,
        department=found.department or "",
        due=day_spoken(last) if last is not None else "",
        overdue=last is not None and last < today() and not done,
    )
