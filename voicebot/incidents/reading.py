"""Incidents as people read them: plain JSON values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import SQLColumnExpression, func, select, tuple_
from sqlalchemy.orm import Session

from flows.incident_kinds import KINDS
from flows.incidents import Incident
from voicebot.incidents.board import MEMBER, load, report
from voicebot.incidents.errors import UnknownIncident
from voicebot.incidents.tables import (
    AnnouncementRow,
    IncidentMemberRow,
    IncidentRow,
    IncidentStepRow,
)
from voicebot.records.duty import region_names
from voicebot.records.reading import plain
from voicebot.records.tables import HandoffRow

WITH_A_PERSON = ("confirmed", "ended")
"""States of a hand-off with a person on its line."""


@dataclass(frozen=True, slots=True)
class MemberKey:
    """Where a page of members ends."""

    risk: float
    at: float
    handoff: str


def open_incidents(session: Session, *, least: int = 2) -> list[dict[str, Any]]:
    """Those that are open and have `least` callers, the most callers first."""
    found = [each for each in load(session).values() if len(each.members) >= least]
    states = _states(session, [m.handoff for each in found for m in each.members])
    values = [
        _summary(each, sum(states.get(m.handoff, "") in WITH_A_PERSON for m in each.members))
        for each in found
    ]
    return sorted(values, key=lambda each: (-each["callers"], each["first_at"], each["incident"]))


def closed_incidents(
    session: Session, *, after: tuple[float, str] | None = None, most: int = 50
) -> list[dict[str, Any]]:
    """Those that are over, the newest first: ``{"incident", "opened_at", "closed_at",
    "merged_into", "callers"}``.

    Parameters:
        after: `opened_at` and number of the last of the page before.
    """
    opened = IncidentRow.opened_at
    chosen = select(IncidentRow).where(IncidentRow.state == "closed")
    if after is not None:
        chosen = chosen.where(opened <= after[0], tuple_(opened, IncidentRow.id) < after)
    rows = session.scalars(chosen.order_by(opened.desc(), IncidentRow.id.desc()).limit(most)).all()
    counted = session.execute(
        select(IncidentMemberRow.incident, func.count())
        .where(IncidentMemberRow.incident.in_([row.id for row in rows]))
        .group_by(IncidentMemberRow.incident)
    )
    callers = dict(counted.all())
    return [
        {
            "incident": row.id,
            "opened_at": row.opened_at,
            "closed_at": row.closed_at,
            "merged_into": row.merged_into,
            "callers": callers.get(row.id, 0),
        }
        for row in rows
    ]


def incident(session: Session, id_: str) -> dict[str, Any]:
    """One, open or closed: all its members with their calls, in the order of their coming,
    announcements, and what was done.

    Raises:
        UnknownIncident: there is none.
    """
    return _whole(session, id_, None, None)[0]


def incident_page(
    session: Session, id_: str, *, after: MemberKey | None = None, most: int = 50
) -> tuple[dict[str, Any], MemberKey | None]:
    """As `incident`, with a page of its members, the greatest risk to life first, and where the
    next page begins; None: there is no more.

    Parameters:
        after: the last member of the page before.
    """
    return _whole(session, id_, after, most)


def open_titles(session: Session) -> list[dict[str, Any]]:
    """Those that are open, to choose from: ``{"incident", "title", "callers"}``, the most callers
    first.
    """
    found = sorted(load(session).values(), key=lambda each: (-len(each.members), each.id))
    return [
        {"incident": each.id, "title": title(each), "callers": len(each.members)} for each in found
    ]


def _whole(
    session: Session, id_: str, after: MemberKey | None, most: int | None
) -> tuple[dict[str, Any], MemberKey | None]:
    row = session.get(IncidentRow, id_)
    if row is None:
        raise UnknownIncident(id_)
    of_this = IncidentMemberRow.incident == id_
    order: tuple[SQLColumnExpression[Any], ...] = (IncidentMemberRow.at, IncidentMemberRow.handoff)
    found = Incident(
        id_,
        tuple(report(each) for each in session.execute(select(*MEMBER).where(of_this))),
    )
    chosen = select(IncidentMemberRow).where(of_this)
    if most is not None:
        worst_first = -IncidentMemberRow.risk
        if after is not None:
            chosen = chosen.where(
                tuple_(worst_first, *order) > (-after.risk, after.at, after.handoff)
            )
        order = (worst_first, *order)
        chosen = chosen.limit(most)
    members = session.scalars(chosen.order_by(*order)).all()
    states = _states(session, [each.handoff for each in members])
    reached = session.scalars(
        select(func.count())
        .select_from(HandoffRow)
        .join(IncidentMemberRow, IncidentMemberRow.handoff == HandoffRow.id)
        .where(of_this, HandoffRow.state.in_(WITH_A_PERSON))
    ).one()
    announced = session.scalars(
        select(AnnouncementRow).where(AnnouncementRow.incident == id_).order_by(AnnouncementRow.id)
    )
    steps = session.scalars(
        select(IncidentStepRow).where(IncidentStepRow.incident == id_).order_by(IncidentStepRow.id)
    )
    values = {
        **_summary(found, reached),
        "state": row.state,
        "opened_at": row.opened_at,
        "closed_at": row.closed_at,
        "merged_into": row.merged_into,
        "members": [
            {**plain(each, "incident", "revision"), "state": states.get(each.handoff, "")}
            for each in members
        ],
        "announcements": [plain(each, "incident") for each in announced],
        "history": [plain(each, "incident", "id") for each in steps],
    }
    last = members[-1] if most is not None and len(members) == most else None
    return values, None if last is None else MemberKey(last.risk, last.at, last.handoff)


def incident_of_call(session: Session, call_id: str) -> str | None:
    """The incident that a call's newest hand-off is in."""
    return session.scalars(
        select(IncidentMemberRow.incident)
        .where(IncidentMemberRow.call_id == call_id)
        .order_by(IncidentMemberRow.at.desc())
        .limit(1)
    ).first()


def of_calls(session: Session, calls: Collection[str]) -> dict[tuple[str, str], str]:
    """The incident of each hand-off of these calls: by call and hand-off."""
    if not calls:
        return {}
    rows = session.execute(
        select(
            IncidentMemberRow.call_id, IncidentMemberRow.handoff, IncidentMemberRow.incident
        ).where(IncidentMemberRow.call_id.in_(calls))
    )
    return {(call, handoff): incident for call, handoff, incident in rows}


def title(found: Incident) -> str:
    """Such as 五指山市 山体滑坡."""
    names = region_names()
    place = names.get(found.regions[0], found.regions[0]) if found.regions else "地点不明"
    return f"{place} {KINDS[found.kind].name if found.kind else '其他险情'}"


def _summary(found: Incident, reached: int) -> dict[str, Any]:
    times = [each.at for each in found.members]
    return {
        "incident": found.id,
        "title": title(found) if found.members else "",
        "kind": found.kind,
        "category": found.category,
        "regions": list(found.regions),
        "lines": list(found.lines),
        "callers": len(found.members),
        "with_a_person": reached,
        "first_at": min(times, default=None),
        "last_at": max(times, default=None),
    }


def _states(session: Session, handoffs: Collection[str]) -> dict[str, str]:
    """How far each hand-off's own call has come (`flows.events.LegState`)."""
    found: dict[str, str] = {}
    rest = list(handoffs)
    while rest:
        some, rest = rest[:500], rest[500:]
        rows = session.execute(
            select(HandoffRow.id, HandoffRow.state).where(HandoffRow.id.in_(some))
        )
        found |= dict(rows.all())
    return found
