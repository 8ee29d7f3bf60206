"""What the audit has of reading, for `voicebot.auditing.unusual`."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from voicebot.auditing.unusual import READS, REFUSED, Act, Call, Unusual, unusual
from voicebot.records.tables import AuditRow, CallRow, HandoffRow, TicketRow
from voicebot.retention.mark import REMOVED

PEOPLE = ("agent", "supervisor")
_AT_ONCE = 500


def unusual_reading(session: Session, since: float, until: float) -> list[Unusual]:
    """What stands out in [since, until), seconds since the epoch."""
    rows = session.execute(
        select(AuditRow.at, AuditRow.principal, AuditRow.action, AuditRow.subject)
        .where(
            AuditRow.at >= since,
            AuditRow.at < until,
            AuditRow.role.in_(PEOPLE),
            or_(
                and_(AuditRow.action.in_(READS), AuditRow.allowed),
                AuditRow.action == REFUSED,
            ),
        )
        .order_by(AuditRow.id)
    )
    acts = [Act(*row) for row in rows]
    subjects = {each.subject for each in acts if each.action != REFUSED}
    return unusual(acts, _calls(session, sorted(subjects)))


def _calls(session: Session, subjects: list[str]) -> dict[str, Call]:
    """By what was read: a call itself, or that of the ticket or hand-off."""
    found: dict[str, Call] = {}
    for start in range(0, len(subjects), _AT_ONCE):
        some = subjects[start : start + _AT_ONCE]
        calls = {name: name for name in some}
        for table in (TicketRow, HandoffRow):
            rows = session.execute(select(table.id, table.call_id).where(table.id.in_(some)))
            calls |= dict(rows.all())
        of = _known(session, set(calls.values()))
        found |= {name: of[call] for name, call in calls.items() if call in of}
    return found


def _known(session: Session, calls: Collection[str]) -> dict[str, Call]:
    over = func.coalesce(CallRow.ended_at, CallRow.started_at)
    rows = session.execute(select(CallRow.id, CallRow.caller, over).where(CallRow.id.in_(calls)))
    return {name: Call("" if number == REMOVED else number, at) for name, number, at in rows}
