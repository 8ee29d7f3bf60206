"""Hand-offs to 110 on record are put to the incidents that they belong to.

Read from the database and nowhere else: the calls do not wait for it, what came from the spool is
taken in as well, and of several processes any may do it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from asr.phonetics import to_syllables
from flows.incidents import Incident, Report, take
from flows.waiting_risk import risk
from voicebot.incidents.board import SYSTEM, keep_step, load, lock, new_id, save
from voicebot.incidents.tables import IncidentMemberRow, IncidentRow
from voicebot.records.tables import HandoffRow
from voicebot.webhooks.events import incident_changed

BACK_S = 3 * 3600.0
"""Hand-offs that were requested longer ago are not looked at again."""

OVER_S = 24 * 3600.0
"""An incident nobody has called about for so long is closed."""

AT_ONCE = 500


def take_in(session: Session, now: float) -> int:
    """Take in what is new or has grown since the last time; how many hand-offs that were."""
    found = _changed(session, now)
    if not found:
        return 0
    lock(session)
    found = _changed(session, now)  # another process may have been first
    before = load(session)
    after, revisions = dict(before), {}
    for row in found:
        after, _ = take(report_of(row), after, new_id(now))
        revisions[row.id] = row.revision
    save(session, before, after, revisions, now)
    for id_, incident in after.items():
        if id_ not in before:
            keep_step(session, id_, "open", SYSTEM, now)
        if id_ not in before or len(incident.members) != len(before[id_].members):
            incident_changed(session, id_, "callers", now, _facts(incident))
    return len(found)


def _facts(incident: Incident) -> dict[str, Any]:
    return {
        "callers": len(incident.members),
        "regions": list(incident.regions),
        "kind": incident.kind,
        "lines": list(incident.lines),
    }


def pending(session: Session, now: float) -> bool:
    """Whether there is anything to take in: a read, where writing would hold others up."""
    return bool(_changed(session, now, most=1))


def close_old(session: Session, now: float) -> int:
    """Close incidents that are over by their age; how many."""
    recent = (
        select(IncidentMemberRow.handoff)
        .where(IncidentMemberRow.incident == IncidentRow.id, IncidentMemberRow.at > now - OVER_S)
        .exists()
    )
    old = session.scalars(
        select(IncidentRow)
        .where(IncidentRow.state == "open", IncidentRow.opened_at <= now - OVER_S, ~recent)
        .with_for_update(skip_locked=True)  # another node closes it just now
    ).all()
    for row in old:
        row.state, row.closed_at = "closed", now
        keep_step(session, row.id, "close", SYSTEM, now)
    return len(old)


def report_of(row: HandoffRow) -> Report:
    """What is known of a hand-off."""
    said = _said(row.dossier)
    return Report(
        row.id,
        row.call_id,
        row.requested_at,
        row.region,
        row.category,
        tuple(row.lines),
        "，".join(said),
        risk(row.reason, row.flags, ((each, tuple(to_syllables(each))) for each in said)).score,
    )


def _said(dossier: Mapping[str, Any]) -> list[str]:
    turns = dossier.get("transcript", ())
    return [turn["text"] for turn in turns if turn.get("side") == "caller"]


def _changed(session: Session, now: float, most: int = AT_ONCE) -> list[HandoffRow]:
    member = IncidentMemberRow
    return list(
        session.scalars(
            select(HandoffRow)
            .outerjoin(member, member.handoff == HandoffRow.id)
            .outerjoin(IncidentRow, IncidentRow.id == member.incident)
            .where(
                HandoffRow.requested_at > now - BACK_S,
                HandoffRow.first_destination.not_like("seat%"),
                HandoffRow.revision > 0,
                or_(
                    member.handoff.is_(None),
                    # Who is in a closed one stays there, whatever he goes on saying.
                    and_(member.revision < HandoffRow.revision, IncidentRow.state == "open"),
                ),
            )
            .order_by(HandoffRow.requested_at, HandoffRow.id)
            .limit(most)
            .execution_options(populate_existing=True)
        )
    )
