"""What is deleted of a batch of calls or tickets, each kind in a function; none of them commits.

In a session whose `info` has `COUNT_ONLY` nothing is deleted, and the counts are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Delete, Update, delete, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from voicebot.agents.tables import AgentDraftRow, HandoffWordRow
from voicebot.auditing.chain import PRUNED
from voicebot.callers.tables import EvaluationRow, MissedCallRow, NuisanceCallRow
from voicebot.incidents.tables import IncidentMemberRow
from voicebot.records.tables import (
    AuditRow,
    CallEventRow,
    CallRow,
    HandoffRow,
    OutboxRow,
    TicketRow,
    TurnRow,
)
from voicebot.retention.mark import REMOVED
from voicebot.tickets.tables import TicketReminderRow, TicketStepRow

COUNT_ONLY = "count only"

ACTS = 5000
"""Of the audit in one transaction."""

BesideCall = MissedCallRow | EvaluationRow | NuisanceCallRow
BESIDE_CALLS: Mapping[type[BesideCall], InstrumentedAttribute[float]] = {
    MissedCallRow: MissedCallRow.at,
    EvaluationRow: EvaluationRow.asked_at,
    NuisanceCallRow: NuisanceCallRow.at,
}
"""Tables with a caller's number beside a call's id, and when that was."""

DOSSIER_KEPT = ("handoff", "call_id", "region", "category", "lines", "flags", "reason", "revision")
"""Of a dossier, what names nobody."""


DETAILS_KEPT = (
    "days", "main", "order", "category", "message", "kind", "subject", "state", "result",
    "outcome", "score", "solved", "reason", "level",
)  # fmt: skip
"""Of a ticket's step, what says how the ticket went on and names nobody."""


def transcripts(session: Session, calls: Collection[str]) -> Counter[str]:
    """What was said in these calls: turns, dossiers and their copies, words in incidents."""
    count: Counter[str] = Counter()
    count["turns"] = run(session, delete(TurnRow).where(TurnRow.call_id.in_(calls)))
    rows = session.scalars(select(HandoffRow).where(HandoffRow.call_id.in_(calls))).all()
    for row in rows:
        row.dossier = {name: row.dossier[name] for name in DOSSIER_KEPT if name in row.dossier}
        row.evidence = []
    count["dossiers"] = len(rows)
    names = [row.id for row in rows]
    count["messages"] = run(
        session,
        delete(OutboxRow).where(OutboxRow.handoff.in_(names), OutboxRow.state != "waiting"),
    )
    run(session, delete(AgentDraftRow).where(AgentDraftRow.call_id.in_(calls)))
    run(session, update(HandoffWordRow).where(HandoffWordRow.handoff.in_(names)).values(text=""))
    run(
        session,
        update(IncidentMemberRow).where(IncidentMemberRow.call_id.in_(calls)).values(words=""),
    )
    return count


def events(session: Session, calls: Collection[str]) -> Counter[str]:
    """The event logs of these calls."""
    gone = run(session, delete(CallEventRow).where(CallEventRow.call_id.in_(calls)))
    return Counter(events=gone)


def numbers(session: Session, calls: Collection[str]) -> Counter[str]:
    """The numbers of these calls' callers, wherever they stand beside the call's id, and what
    agents have typed of them.
    """
    count: Counter[str] = Counter()
    count["numbers"] = run(
        session, update(CallRow).where(CallRow.id.in_(calls)).values(caller=REMOVED)
    )
    for table in BESIDE_CALLS:
        numbers_beside(session, calls, table=table)
    drafts = run(session, delete(AgentDraftRow).where(AgentDraftRow.call_id.in_(calls)))
    return count + Counter(drafts=drafts)


def numbers_beside(
    session: Session, calls: Collection[str], *, table: type[BesideCall]
) -> Counter[str]:
    """The numbers that stand in this table alone beside these calls' ids."""
    rows = update(table).where(table.call_id.in_(calls))
    return Counter(numbers=run(session, rows.values(number=REMOVED)))


def tickets(session: Session, names: Collection[str]) -> Counter[str]:
    """Who the caller was and what he said, in these tickets, their history and reminders."""
    gone = run(
        session,
        update(TicketRow)
        .where(TicketRow.id.in_(names))
        .values(name="", number=REMOVED, place="", matter=REMOVED, happened="", answer=""),
    )
    steps = session.scalars(select(TicketStepRow).where(TicketStepRow.ticket.in_(names)))
    for step in steps:
        step.why = ""
        step.details = {name: step.details[name] for name in DETAILS_KEPT if name in step.details}
    reminders = update(TicketReminderRow).where(TicketReminderRow.ticket.in_(names))
    run(session, reminders.values(text=""))
    return Counter(tickets=gone)


def paths(session: Session, calls: Collection[str]) -> dict[str, str]:
    """Where the recordings of these calls are on record; those of them that have one."""
    rows = select(CallRow.id, CallRow.recording)
    found = session.execute(rows.where(CallRow.id.in_(calls), CallRow.recording != ""))
    return {row.id: row.recording for row in found}


def put_back(session: Session, paths: Mapping[str, str]) -> None:
    """Where recordings still are that could not be removed, by their calls; "": of none."""
    for call, path in paths.items():
        run(session, update(CallRow).where(CallRow.id == call).values(recording=path))


def recordings(session: Session, calls: Collection[str]) -> Counter[str]:
    """Where the recordings of these calls were; the files are the caller's to remove."""
    rows = update(CallRow).where(CallRow.id.in_(calls), CallRow.recording != "")
    return Counter(calls=run(session, rows.values(recording="")))


def audit_end(session: Session, cutoff: float) -> int | None:
    """The last act before the audit's first at `cutoff` or later; None: there is none.

    The newest act stays, however old it is.
    """
    first = select(func.min(AuditRow.id)).where(AuditRow.at >= cutoff).scalar_subquery()
    newest = select(func.max(AuditRow.id)).scalar_subquery()
    return session.scalar(
        select(func.max(AuditRow.id)).where(AuditRow.id < func.coalesce(first, newest))
    )


def audit(session: Session, end: int, who: dict[str, Any], at: float) -> int:
    """The oldest acts up to `end`, `ACTS` at most; how many.

    What remains begins with a link to what is gone, and a row says that this is right.
    """
    oldest = select(AuditRow.id, AuditRow.hash).where(AuditRow.id <= end).order_by(AuditRow.id)
    if session.info.get(COUNT_ONLY):
        return session.scalar(select(func.count()).select_from(oldest.subquery())) or 0
    some = oldest.limit(ACTS).subquery()
    last = session.execute(select(some).order_by(some.c.id.desc()).limit(1)).first()
    if last is None:
        return 0
    gone = run(session, delete(AuditRow).where(AuditRow.id <= last.id))
    if gone:  # by us: another machine may have been first
        session.add(AuditRow(at=at, action=PRUNED, subject=f"{last.id} {last.hash}", **who))
    return gone


def run(session: Session, statement: Delete | Update) -> int:
    """How many rows it changes; where only counting is asked for, would change."""
    if session.info.get(COUNT_ONLY):
        rows = select(func.count()).select_from(statement.table)
        if statement.whereclause is not None:
            rows = rows.where(statement.whereclause)
        return session.scalar(rows) or 0
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return int(getattr(result, "rowcount", 0))
