"""What may not be deleted yet, however old: somebody still needs it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session

from voicebot.callers import missed
from voicebot.callers.tables import LimitRow, MissedCallRow
from voicebot.clock import BEIJING
from voicebot.duty.tables import DutyNoticeRow
from voicebot.exchange.reconciliation.tables import DifferenceRow, ReconciliationRow
from voicebot.exchange.tables import EnvelopeRow, InboxRow, LedgerRow
from voicebot.figures.facts import WAITING
from voicebot.incidents.tables import IncidentMemberRow, IncidentRow
from voicebot.records.tables import HandoffRow, OutboxRow, TicketRow
from voicebot.tickets.states import OPEN

HANDOFF_OPEN_S = 7 * 86400.0
"""A hand-off of which no end ever came is open for so long: its caller was gone."""


def held(
    session: Session, calls: Collection[str], now: float, *, exchange: bool = False
) -> set[str]:
    """Those of these calls that something open needs: a ticket, a hand-off or a message that
    waits, an exchange that is not reconciled, an incident, a missed call, a limit's evidence.

    Parameters:
        calls: ids, some hundreds at most; "" is no call.
        now: seconds since the epoch.
        exchange: 12345 and 110 compare their ledgers; dossiers are needed until then.
    """
    calls = set(calls) - {""}
    subjects: dict[str, str] = {}
    kept: set[str] = set()
    tickets = select(TicketRow.id, TicketRow.call_id, TicketRow.police_order, TicketRow.status)
    for ticket, call, order, status in session.execute(tickets.where(TicketRow.call_id.in_(calls))):
        subjects |= {ticket: call, **({order: call} if order else {})}
        if status in OPEN:
            kept.add(call)
    handoffs = select(
        HandoffRow.id,
        HandoffRow.call_id,
        and_(
            HandoffRow.connected_at.is_(None),
            HandoffRow.state.in_(WAITING),
            HandoffRow.requested_at > now - HANDOFF_OPEN_S,
        ),
        HandoffRow.requested_at,
    ).where(HandoffRow.call_id.in_(calls))
    days: dict[str, str] = {}
    for handoff, call, waits, at in session.execute(handoffs):
        subjects[handoff] = call
        days[handoff] = datetime.fromtimestamp(at, BEIJING).date().isoformat()
        if waits:
            kept.add(call)
    kept |= {subjects[each] for each in needed(session, subjects)}
    if exchange:
        kept |= {subjects[each] for each in _not_compared(session, days)}
    members = (
        select(IncidentMemberRow.call_id)
        .join(IncidentRow, IncidentRow.id == IncidentMemberRow.incident)
        .where(IncidentMemberRow.call_id.in_(calls), IncidentRow.state == "open")
    )
    not_settled = select(MissedCallRow.call_id).where(
        MissedCallRow.call_id.in_(calls), MissedCallRow.state.in_(missed.OPEN)
    )
    kept |= {call for query in (members, not_settled) for call in session.scalars(query)}
    return kept | (_evidence(session, now) & calls)


def held_tickets(
    session: Session, names: Collection[str], now: float, *, exchange: bool = False
) -> set[str]:
    """Those of these tickets that are needed: open themselves, in an exchange that is not
    reconciled, or of a call that is held. Many are of no call: they came over the Internet.
    """
    rows = session.execute(
        select(TicketRow.id, TicketRow.call_id, TicketRow.police_order, TicketRow.status).where(
            TicketRow.id.in_(names)
        )
    ).all()
    orders = {row.police_order: row.id for row in rows if row.police_order}
    exchanged = needed(session, {*names, *orders})
    calls = held(session, {row.call_id for row in rows}, now, exchange=exchange)
    return {
        row.id
        for row in rows
        if row.status in OPEN
        or row.call_id in calls
        or row.id in exchanged
        or row.police_order in exchanged
    }


def needed(session: Session, subjects: Collection[str]) -> set[str]:
    """Hand-offs, tickets and police orders about which a message is still on its way, or which
    both sides have not found to be the same."""
    reconciled = exists().where(
        ReconciliationRow.ended_at.is_not(None),
        ReconciliationRow.first_day <= LedgerRow.day,
        ReconciliationRow.last_day >= LedgerRow.day,
    )
    open_ones = (
        select(OutboxRow.handoff).where(
            OutboxRow.handoff.in_(subjects), OutboxRow.state == "waiting"
        ),
        select(EnvelopeRow.subject).where(
            EnvelopeRow.subject.in_(subjects), EnvelopeRow.state == "waiting"
        ),
        select(InboxRow.subject).where(
            InboxRow.subject.in_(subjects), InboxRow.state.in_(("waiting", "conflict"))
        ),
        select(LedgerRow.subject).where(
            LedgerRow.subject.in_(subjects), or_(LedgerRow.state == "waiting", ~reconciled)
        ),
        select(DifferenceRow.subject).where(
            DifferenceRow.subject.in_(subjects), DifferenceRow.state.in_(("open", "mending"))
        ),
        select(DutyNoticeRow.subject).where(
            DutyNoticeRow.subject.in_(subjects), DutyNoticeRow.state.in_(("open", "alarm"))
        ),
    )
    return {subject for query in open_ones for subject in session.scalars(query)}


def _not_compared(session: Session, days: Mapping[str, str]) -> set[str]:
    """Hand-offs, given with their days, whose dossiers no reconciliation has seen.

    They are in no ledger: reconciliations read them from the outbox.
    """
    sent = set(
        session.scalars(
            select(OutboxRow.handoff).where(
                OutboxRow.handoff.in_(days), OutboxRow.kind == "dossier"
            )
        )
    )
    if not sent:
        return set()
    compared = session.execute(
        select(ReconciliationRow.first_day, ReconciliationRow.last_day).where(
            ReconciliationRow.ended_at.is_not(None),
            ReconciliationRow.last_day >= min(days[each] for each in sent),
            ReconciliationRow.first_day <= max(days[each] for each in sent),
        )
    ).all()
    return {
        each for each in sent if not any(first <= days[each] <= last for first, last in compared)
    }


def _evidence(session: Session, now: float) -> set[str]:
    """Calls for which a number is, or may be, limited."""
    rows = session.scalars(
        select(LimitRow.evidence).where(
            or_(
                LimitRow.state == "proposed",
                LimitRow.appeal == "open",
                and_(LimitRow.state == "in_force", LimitRow.ends_at > now),
            )
        )
    )
    return {call for evidence in rows for call in evidence}
