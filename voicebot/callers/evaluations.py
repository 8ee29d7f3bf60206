"""Evaluations (满意度评价) on record: who was asked, and what was said.

Functions of a session, in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.callers.errors import CallersError
from voicebot.callers.tables import EvaluationRow

SCORES: Mapping[int, str] = {1: "满意", 2: "基本满意", 3: "不满意"}


def save(
    session: Session,
    *,
    call_id: str,
    number: str,
    ticket: str,
    at: float,
    score: int | None,
    via: str,
) -> None:
    """That a caller was asked, and then what he said; the first reply of a call counts."""
    row = session.get(EvaluationRow, call_id)
    if row is None:
        row = EvaluationRow(call_id=call_id, number=number, ticket=ticket, asked_at=at)
        session.add(row)
    row.asked_at = min(row.asked_at, at)
    if score is not None and row.score is None:
        row.score, row.via, row.given_at = score, via, at
        row.ticket = ticket or row.ticket


def asked_since(session: Session, number: str, since: float) -> bool:
    """The number was asked at this moment or later; seconds since the epoch."""
    found = session.scalars(
        select(EvaluationRow.call_id)
        .where(EvaluationRow.number == number, EvaluationRow.asked_at >= since)
        .limit(1)
    )
    return found.first() is not None


def by_agent(
    session: Session, *, call_id: str, number: str, ticket: str, score: int, at: float
) -> None:
    """What a caller has told a person, on the telephone or in a call-back.

    Raises:
        CallersError: no such score; the call was judged before.
    """
    if score not in SCORES:
        raise CallersError("A score is 1 (满意), 2 (基本满意) or 3 (不满意).")
    row = session.get(EvaluationRow, call_id)
    if row is not None and row.score is not None:
        raise CallersError("This call was evaluated before; the first evaluation stays.")
    save(session, call_id=call_id, number=number, ticket=ticket, at=at, score=score, via="agent")


def listed(session: Session, *, most: int = 1000) -> list[dict[str, Any]]:
    """The newest evaluations that were given."""
    rows = session.scalars(
        select(EvaluationRow)
        .where(EvaluationRow.score.is_not(None))
        .order_by(EvaluationRow.given_at.desc())
        .limit(most)
    )
    return [
        {column.key: getattr(row, column.key) for column in row.__mapper__.column_attrs}
        for row in rows
    ]
