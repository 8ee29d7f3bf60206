"""Evaluations (满意度评价) on record: who was asked, and what was said.

Functions of a session, in the caller's transaction. 110 is sent those of its own tickets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import exists, select, tuple_
from sqlalchemy.orm import Session

from voicebot.callers.days import local
from voicebot.callers.errors import CallersError
from voicebot.callers.tables import EvaluationRow
from voicebot.exchange.schema import Evaluation
from voicebot.exchange.sending import send
from voicebot.records.inserting import insert
from voicebot.records.tables import TicketRow

SCORES: Mapping[int, str] = {1: "满意", 2: "基本满意", 3: "不满意"}

_FOR_110: Mapping[int, int] = {1: 5, 2: 4, 3: 2}
"""On the five steps of the exchange's schema."""
_VIA: Mapping[str, Literal["voice", "key", "seat"]] = {
    "voice": "voice",
    "key": "key",
    "agent": "seat",
}

CALLED = "evaluation:"
"""Before the ticket's id: the reference of a call that asks about it, and its row until then."""
SETTLES_S = 3600.0
"""How long a ticket has been answered before its caller is asked …"""
FORGOTTEN_S = 7 * 86400.0
"""… and after which it is too late."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A caller who is to be called about a finished ticket."""

    ticket: str
    number: str
    answered_at: float


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
        session.flush()
        _tell_110(session, row)


def _tell_110(session: Session, row: EvaluationRow) -> None:
    ticket = session.get(TicketRow, row.ticket, with_for_update=True) if row.ticket else None
    if ticket is None or ticket.channel != "110":
        return
    assert row.score is not None
    assert row.given_at is not None
    said = Evaluation(score=_FOR_110[row.score], channel=_VIA[row.via], at=local(row.given_at))
    key = f"evaluation:{row.call_id}"
    send(session, said, subject=ticket.id, at=row.given_at, id=key)


def asked_since(session: Session, number: str, since: float) -> bool:
    """The number was asked at this moment or later; seconds since the epoch."""
    found = session.scalars(
        select(EvaluationRow.call_id)
        .where(EvaluationRow.number == number, EvaluationRow.asked_at >= since)
        .limit(1)
    )
    return found.first() is not None


def to_ask(
    session: Session, at: float, since: float, after: Ask | None = None, most: int = 200
) -> list[Ask]:
    """Callers of finished tickets who were not asked about them, and not at all `since` then.

    A page of them, after the last of the page before. One call for each ticket; a caller who
    wants name and number kept is not called.
    """
    place = tuple_(TicketRow.answered_at, TicketRow.id)
    asked = exists().where(
        (EvaluationRow.ticket == TicketRow.id)
        | ((EvaluationRow.number == TicketRow.number) & (EvaluationRow.asked_at >= since))
    )
    rows = session.execute(
        select(TicketRow.id, TicketRow.number, TicketRow.answered_at)
        .where(
            # Set as long as it is answered or closed (voicebot.tickets.life), and has an index.
            TicketRow.answered_at <= at - SETTLES_S,
            TicketRow.answered_at > at - FORGOTTEN_S,
            TicketRow.number != "",
            ~TicketRow.confidential,
            TicketRow.escalated_at.is_(None),
            ~asked.correlate(TicketRow),
            *([place > (after.answered_at, after.ticket)] if after is not None else []),
        )
        .order_by(TicketRow.answered_at, TicketRow.id)
        .limit(most)
    )
    return [Ask(ticket, number, answered or 0.0) for ticket, number, answered in rows]


def called(session: Session, ask: Ask, at: float) -> bool:
    """The call about a ticket is being made: it is made once, whoever answers or does not.

    False: another process makes it.
    """
    taken = session.execute(
        insert(session, EvaluationRow)
        .values(call_id=CALLED + ask.ticket, number=ask.number, ticket=ask.ticket, asked_at=at)
        .on_conflict_do_nothing()
        .returning(EvaluationRow.call_id)
    ).first()
    return taken is not None


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
