"""What can be read, each query a function of a session that returns plain JSON values."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, true
from sqlalchemy.orm import Session

from voicebot.records.tables import (
    Base,
    CallEventRow,
    CallRow,
    DutyNumberRow,
    HandoffRow,
    OutboxRow,
    TicketRow,
    TurnRow,
)
from voicebot.surge.decisions import decision_of

LONGEST_PAUSE_S = 31.0
"""No attempt waits longer for its time (`exchange.outbox.LAST_RETRY_S`)."""
_FOR_THE_WORKER = ("payload", "handoff", "next_attempt_at", "claimed_by", "claimed_until")


def call(session: Session, call_id: str) -> dict[str, Any] | None:
    """The complete record of a call.

    ``{"call_id", "caller", "did", "started_at", "ended_at", "outcome", "region",
    "recording", "turns", "handoffs", "tickets", "decisions", "surge"}``; `surge`: why the bot
    answered it (`voicebot.surge.decisions.decision_of`). Times named `started_at`,
    `ended_at` and those of tickets are seconds since the epoch; all others are seconds
    since `started_at`.
    """
    row = session.get(CallRow, call_id)
    if row is None:
        return None
    turns = session.scalars(
        select(TurnRow).where(TurnRow.call_id == call_id).order_by(TurnRow.start, TurnRow.seq)
    )
    handoffs = session.scalars(
        select(HandoffRow).where(HandoffRow.call_id == call_id).order_by(HandoffRow.requested_at)
    )
    tickets = session.scalars(
        select(TicketRow).where(TicketRow.call_id == call_id).order_by(TicketRow.created_at)
    )
    decisions = session.scalars(
        select(CallEventRow)
        .where(CallEventRow.call_id == call_id, CallEventRow.kind == "Decide")
        .order_by(CallEventRow.seq)
    )
    return {
        **_summary(row),
        "turns": [plain(turn, "call_id") for turn in turns],
        "handoffs": [_handoff(session, each, row) for each in handoffs],
        "tickets": [plain(ticket, "call_id") for ticket in tickets],
        "decisions": [{"at": each.at, **each.payload} for each in decisions],
        "surge": decision_of(session, call_id),
    }


def known(session: Session, call_id: str) -> bool:
    return session.get(CallRow, call_id) is not None


def calls(session: Session, limit: int) -> list[dict[str, Any]]:
    rows = session.scalars(select(CallRow).order_by(CallRow.started_at.desc()).limit(limit))
    return [_summary(row) for row in rows]


def events(session: Session, call_id: str) -> list[dict[str, Any]]:
    rows = session.scalars(
        select(CallEventRow).where(CallEventRow.call_id == call_id).order_by(CallEventRow.seq)
    )
    return [plain(row, "call_id") for row in rows]


def handoff(session: Session, handoff_id: str) -> dict[str, Any] | None:
    row = session.get(HandoffRow, handoff_id)
    if row is None:
        return None
    return _handoff(session, row, session.get(CallRow, row.call_id))


def last_region(session: Session, caller: str) -> str | None:
    if not caller:
        return None
    return session.scalars(
        select(CallRow.region)
        .where(CallRow.caller == caller, CallRow.region.is_not(None))
        .order_by(CallRow.started_at.desc())
        .limit(1)
    ).first()


def outbox(
    session: Session, now: float, skip: Collection[int], per_address: int
) -> list[dict[str, Any]]:
    """What is due: dossiers before notices, the newest first.

    At most `per_address` of a kind for one address, so that an address that takes
    nothing leaves room for the others, however much waits for it.
    """
    return [plain(row) for row in session.scalars(outbox_due(now, skip, per_address))]


def outbox_due(
    now: float, skip: Collection[int], per_address: int, free: ColumnElement[bool] | None = None
) -> Select[OutboxRow]:
    """The query of `outbox`; `free` leaves out what other processes deliver."""
    waiting = and_(
        OutboxRow.state == "waiting",
        # Never tried, or longer off than any pause: written by a clock that was ahead.
        or_(
            OutboxRow.next_attempt_at <= now,
            OutboxRow.attempts == 0,
            OutboxRow.next_attempt_at > now + LONGEST_PAUSE_S,
        ),
        OutboxRow.id.not_in(skip),
        true() if free is None else free,
    )
    place = func.row_number().over(
        partition_by=(OutboxRow.kind, OutboxRow.url), order_by=OutboxRow.id.desc()
    )
    due = select(OutboxRow.id, place.label("place")).where(waiting).subquery()
    return (
        select(OutboxRow)
        .join(due, due.c.id == OutboxRow.id)
        # Once more on the row itself, which may have changed since it was found.
        .where(due.c.place <= per_address, waiting)
        .order_by(case((OutboxRow.kind == "dossier", 0), else_=1), OutboxRow.id.desc())
    )


def duty_numbers(session: Session) -> list[dict[str, Any]]:
    return [plain(row) for row in session.scalars(select(DutyNumberRow))]


def _summary(row: CallRow) -> dict[str, Any]:
    values = plain(row, "run", "lost")
    return {"call_id": values.pop("id"), **values}


def _handoff(session: Session, row: HandoffRow, call_row: CallRow | None) -> dict[str, Any]:
    began = call_row.started_at if call_row is not None else None

    def since(at: float | None) -> float | None:
        return None if at is None or began is None else round(at - began, 3)

    messages = session.scalars(
        select(OutboxRow).where(OutboxRow.handoff == row.id).order_by(OutboxRow.id)
    )
    return {
        **plain(row, "state_at", "revisions_added"),
        "caller": row.dossier.get("caller", ""),
        "transcript": row.dossier.get("transcript", []),
        "requested_at": since(row.requested_at),
        "requested_at_epoch": row.requested_at,
        "connected_at": since(row.connected_at),
        "connected_at_epoch": row.connected_at,
        "messages": [plain(message, *_FOR_THE_WORKER) for message in messages],
    }


def plain(row: Base, *left_out: str) -> dict[str, Any]:
    return {
        column.key: getattr(row, column.key)
        for column in row.__mapper__.column_attrs
        if column.key not in left_out
    }
