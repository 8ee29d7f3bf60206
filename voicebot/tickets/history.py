"""A ticket's row as its life, and each step of it on record: who, when, why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy.orm import Session

from voicebot.records.tables import TicketRow
from voicebot.tickets.deadlines import Kind
from voicebot.tickets.life import Life
from voicebot.tickets.states import Act, Status
from voicebot.tickets.tables import TicketStepRow
from voicebot.webhooks.events import ticket_changed


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever acts on a ticket."""

    who: str
    role: str
    """One of `voicebot.security.ROLES`; ``caller``; ``local``: this machine's command line."""


CALLER = Actor("来电人", "caller")
POLICE = Actor("110", "110")

_FIELDS = tuple(field.name for field in fields(Life))


def life_of(row: TicketRow) -> Life:
    values = {name: getattr(row, name) for name in _FIELDS}
    return Life(**{**values, "status": Status(row.status), "kind": Kind(row.kind)})


def keep(
    session: Session,
    row: TicketRow,
    life: Life,
    act: Act,
    by: Actor,
    *,
    at: float,
    why: str = "",
    details: Mapping[str, Any] | None = None,
) -> TicketStepRow:
    """Write what a step has made of a ticket, and the step."""
    before = "" if act is Act.CREATE else row.status
    department = life.department or row.department or ""
    for name in _FIELDS:
        setattr(row, name, getattr(life, name))
    row.status, row.kind = life.status.value, life.kind.value
    done = TicketStepRow(
        ticket=row.id,
        version=life.version,
        at=at,
        act=act.value,
        before=before,
        after=life.status.value,
        who=by.who[:100],
        role=by.role,
        why=why,
        department=department,
        details=dict(details or {}),
    )
    session.add(done)
    ticket_changed(session, row, act.value, before, at)
    return done
