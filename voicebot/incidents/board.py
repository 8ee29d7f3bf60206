"""The incidents that are open, between the database and `flows.incidents`.

Whoever changes them holds `lock` for the transaction, so that several processes and people do so
one after the other.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from flows.incidents import Incident, Incidents, Report
from voicebot.clock import BEIJING
from voicebot.incidents.tables import IncidentMemberRow, IncidentRow, IncidentStepRow
from voicebot.webhooks.events import incident_changed

_LOCK = 12345169
"""PostgreSQL's advisory lock of who changes incidents; SQLite has one writer anyway."""

SYSTEM = "system"
"""Who opens incidents, and closes those that nobody calls about any more."""


def lock(session: Session) -> None:
    """Others who change incidents wait until this transaction ends."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def new_id(at: float) -> str:
    """Such as ``i1126-3f9a2c``: readable, and never that of another."""
    return f"i{datetime.fromtimestamp(at, BEIJING):%m%d}-{secrets.token_hex(3)}"


def load(session: Session) -> dict[str, Incident]:
    """The open incidents with all their members."""
    rows = session.execute(
        select(*MEMBER)
        .join(IncidentRow, IncidentRow.id == IncidentMemberRow.incident)
        .where(IncidentRow.state == "open")
        .order_by(IncidentMemberRow.at, IncidentMemberRow.handoff)
    ).all()
    members: dict[str, list[Report]] = {}
    by_hand: dict[str, set[str]] = {}
    for row in rows:
        members.setdefault(row.incident, []).append(report(row))
        if row.by_hand:
            by_hand.setdefault(row.incident, set()).add(row.handoff)
    return {
        id_: Incident(id_, tuple(each), frozenset(by_hand.get(id_, ())))
        for id_, each in members.items()
    }


MEMBER = (
    IncidentMemberRow.handoff,
    IncidentMemberRow.incident,
    IncidentMemberRow.call_id,
    IncidentMemberRow.at,
    IncidentMemberRow.region,
    IncidentMemberRow.category,
    IncidentMemberRow.lines,
    IncidentMemberRow.words,
    IncidentMemberRow.risk,
    IncidentMemberRow.by_hand,
)
"""What `report` reads: columns, for whole rows of a disaster's thousands take ten times as long."""


def report(row: Any) -> Report:
    """A member as `flows.incidents` has it; `row`: an `IncidentMemberRow`, or its `MEMBER`."""
    return Report(
        row.handoff,
        row.call_id,
        row.at,
        row.region,
        row.category,
        tuple(row.lines),
        row.words,
        row.risk,
    )


def save(
    session: Session,
    before: Incidents,
    after: Incidents,
    revisions: Mapping[str, int],
    at: float,
) -> None:
    """Write what has changed; an incident without members is closed.

    Parameters:
        revisions: of the dossiers that members were read from, by hand-off, where they are newer.
    """
    for id_, incident in after.items():
        if id_ not in before:
            session.add(IncidentRow(id=id_, opened_at=at, state="open"))
        old = {each.handoff: each for each in before[id_].members} if id_ in before else {}
        pinned = before[id_].by_hand if id_ in before else frozenset()
        for member in incident.members:
            hand = member.handoff in incident.by_hand
            moved = old.get(member.handoff) != member or hand != (member.handoff in pinned)
            if moved or member.handoff in revisions:
                _save_member(session, id_, member, revisions.get(member.handoff), by_hand=hand)
    for id_ in before.keys() - after.keys():
        row = session.get_one(IncidentRow, id_)
        row.state, row.closed_at = "closed", at
    session.flush()


def _save_member(
    session: Session, incident: str, member: Report, revision: int | None, *, by_hand: bool
) -> None:
    row = session.get(IncidentMemberRow, member.handoff)
    if row is None:
        row = IncidentMemberRow(handoff=member.handoff, revision=0)
        session.add(row)
    row.incident, row.call_id, row.at = incident, member.call_id, member.at
    row.region, row.category = member.region, member.category
    row.lines, row.words, row.by_hand = list(member.lines), member.words, by_hand
    row.risk = member.risk
    row.revision = row.revision if revision is None else revision


def keep_step(
    session: Session, incident: str, act: str, who: str, at: float, **details: object
) -> None:
    """What was done, for the incident's history and for whoever is told of it."""
    step = IncidentStepRow(incident=incident, at=at, who=who[:100], act=act, details=details)
    session.add(step)
    incident_changed(session, incident, act, at, details)
