"""What is kept beside calls and tickets, and how each of it ends: envelopes of the exchange,
limits of numbers (R11), notices to people on duty, topics, events for webhooks.

Each function that removes is called as those of `removing`, and does as they do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from sqlalchemy import (
    ColumnElement,
    SQLColumnExpression,
    and_,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from voicebot.callers.tables import LimitRow, LimitStepRow
from voicebot.duty.tables import DutyMessageRow, DutyNoticeRow
from voicebot.exchange.tables import EnvelopeRow, InboxRow
from voicebot.figures.tables import TopicRow
from voicebot.records.tables import TicketRow
from voicebot.retention.holds import needed
from voicebot.retention.mark import REMOVED
from voicebot.retention.removing import run
from voicebot.tickets.states import OPEN
from voicebot.webhooks.tables import WebhookEventRow

EnvelopeTable = type[EnvelopeRow] | type[InboxRow]

_LAST_STEP = (
    select(func.max(LimitStepRow.at)).where(LimitStepRow.limit_id == LimitRow.id).scalar_subquery()
)
LIMIT_OVER: SQLColumnExpression[float] = case(
    (LimitRow.state == "in_force", LimitRow.ends_at),
    else_=func.coalesce(_LAST_STEP, LimitRow.proposed_at),
)
NOTICE_OVER = func.coalesce(DutyNoticeRow.acknowledged_at, DutyNoticeRow.created_at)


# ── envelopes ─────────────────────────────────────────────────────────────────────


def envelope_over(table: EnvelopeTable) -> SQLColumnExpression[float]:
    if table is EnvelopeRow:
        return func.coalesce(EnvelopeRow.delivered_at, EnvelopeRow.created_at)
    return func.coalesce(InboxRow.applied_at, InboxRow.received_at)


def envelope_due(table: EnvelopeTable, cutoff: float) -> ColumnElement[bool]:
    """Those that have arrived; what waits or was refused is needed."""
    arrived = table.state == ("delivered" if table is EnvelopeRow else "applied")
    return and_(arrived, _mark(table) != REMOVED, envelope_over(table) < cutoff)


def envelopes_held(
    table: EnvelopeTable, session: Session, numbers: Collection[int], now: float
) -> set[int]:
    """Those whose subject is still under way: in an exchange that is not reconciled, or of a
    ticket that is open. A police order that 110 hands back becomes a ticket of its envelope.
    """
    rows = select(table.number, table.subject).where(table.number.in_(numbers))
    subjects: dict[int, str] = dict(session.execute(rows).all())
    kept = needed(session, set(subjects.values()))
    open_ones = select(TicketRow.id, TicketRow.police_order).where(
        or_(
            TicketRow.id.in_(subjects.values()),
            and_(TicketRow.police_order.in_(subjects.values()), TicketRow.police_order != ""),
        ),
        TicketRow.status.in_(OPEN),
    )
    kept |= {name for row in session.execute(open_ones) for name in row}
    return {number for number, subject in subjects.items() if subject in kept}


def envelopes(table: EnvelopeTable, session: Session, numbers: Collection[int]) -> Counter[str]:
    """What was told in these; that it was, when, about which order, and its hash stay."""
    found = session.scalars(select(table).where(table.number.in_(numbers)))
    rows = [row for row in found if isinstance(row, EnvelopeRow | InboxRow)]
    for row in rows:
        row.envelope = {**row.envelope, "body": {}}
        setattr(row, _mark(table).key, REMOVED)
    return Counter(sent=len(rows)) if table is EnvelopeRow else Counter(received=len(rows))


def _mark(table: EnvelopeTable) -> InstrumentedAttribute[str]:
    return EnvelopeRow.last_error if table is EnvelopeRow else InboxRow.reason


# ── limits ────────────────────────────────────────────────────────────────────────


def limit_due(cutoff: float) -> ColumnElement[bool]:
    """Those that are over and not appealed against; neither proposals nor what is in force."""
    over = and_(LimitRow.state != "proposed", LimitRow.appeal != "open")
    return and_(over, LimitRow.number != REMOVED, cutoff > LIMIT_OVER)


def limits_held(session: Session, names: Collection[int], now: float) -> set[int]:
    """Those whose report to 110 is not reconciled yet."""
    rows = select(LimitRow.id, LimitRow.reported).where(
        LimitRow.id.in_(names), LimitRow.reported != ""
    )
    reported = {order: limit for limit, order in session.execute(rows)}
    return {reported[order] for order in needed(session, reported)}


def limits(session: Session, names: Collection[int]) -> Counter[str]:
    """Whose number it was, by which calls, and in which words it was decided."""
    gone = run(
        session,
        update(LimitRow).where(LimitRow.id.in_(names)).values(number=REMOVED, evidence=[]),
    )
    run(session, update(LimitStepRow).where(LimitStepRow.limit_id.in_(names)).values(why=""))
    return Counter(limits=gone)


# ── notices ───────────────────────────────────────────────────────────────────────


def notice_due(cutoff: float) -> ColumnElement[bool]:
    """Those that somebody has acknowledged, or that the desk alone was told of."""
    told = exists().where(DutyMessageRow.notice == DutyNoticeRow.id, DutyMessageRow.address != "")
    there = or_(DutyNoticeRow.caller.not_in(("", REMOVED)), DutyNoticeRow.text != "", told)
    return and_(DutyNoticeRow.state.in_(("acknowledged", "desk")), cutoff > NOTICE_OVER, there)


def notices_held(session: Session, names: Collection[str], now: float) -> set[str]:
    """Those with a message that is still on its way."""
    found = select(DutyMessageRow.notice).where(
        DutyMessageRow.notice.in_(names), DutyMessageRow.state == "waiting"
    )
    return set(session.scalars(found))


def notices(session: Session, names: Collection[str]) -> Counter[str]:
    """The caller's number, what was told, and to which numbers and addresses; who was told and
    who had it stay.
    """
    chosen = DutyNoticeRow.id.in_(names)
    gone = run(session, update(DutyNoticeRow).where(chosen).values(caller="", text=""))
    messages = update(DutyMessageRow).where(DutyMessageRow.notice.in_(names))
    told = run(session, messages.values(payload={}, address="", last_error=""))
    return Counter(notices=gone, messages=told)


# ── topics ────────────────────────────────────────────────────────────────────────


def topic_due(cutoff: float) -> ColumnElement[bool]:
    return and_(TopicRow.last_at < cutoff, TopicRow.label != REMOVED)


def topics(session: Session, names: Collection[int]) -> Counter[str]:
    """In which words callers have raised these; how often and where stays."""
    rows = update(TopicRow).where(TopicRow.id.in_(names))
    return Counter(topics=run(session, rows.values(label=REMOVED, examples=[])))


# ── webhooks ──────────────────────────────────────────────────────────────────────

EVENT_OVER = func.coalesce(WebhookEventRow.delivered_at, WebhookEventRow.at)


def events(session: Session, numbers: Collection[int]) -> Counter[str]:
    """Events that were delivered, and those that no receiver has taken in all that time."""
    chosen = WebhookEventRow.number.in_(numbers)
    given_up = select(func.count()).where(chosen, WebhookEventRow.waiting_for.is_not(None))
    waited = session.scalars(given_up).one()
    gone = run(session, delete(WebhookEventRow).where(chosen))
    return Counter(events=gone - waited, given_up=waited)


def nothing_held(session: Session, names: Collection[int], now: float) -> set[int]:
    return set()
