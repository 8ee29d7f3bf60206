"""Which rows are counted for the figures, as SQL expressions for SQLite and PostgreSQL.

A fact is a set of rows with the moment by which they belong to a period, what they can be
grouped by, what is counted of each row, and durations whose percentiles are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    FromClause,
    SQLColumnExpression,
    String,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
)

from voicebot.callers.tables import EvaluationRow
from voicebot.figures.indicators import ANSWER_S
from voicebot.figures.refusals import never_served
from voicebot.figures.tables import DivertedCallRow, RefusedCallRow
from voicebot.records.tables import CallRow, HandoffRow, TicketRow

Column = SQLColumnExpression[Any]
SEAT, POLICE = "seat%", "110%"
WAITING = ("requested", "ringing", "answered")
"""States of a hand-off of which no end came: its caller was gone first."""
CONTAINED = ("answered", "ticket", "guided")
END_KNOWN_S = 3600.0
"""After it, a caller who was given to people is lost if it is not known what became of them."""
DISSATISFIED = 3


@dataclass(frozen=True, slots=True)
class Fact:
    """`counts` and `seconds` are functions of the present moment, seconds since the epoch."""

    source: FromClause
    at: Column
    groups: Mapping[str, Column]
    """``line``, ``region``, ``department``."""
    counts: Callable[[float], Mapping[str, Column]]
    seconds: Mapping[str, Column] = field(default_factory=dict)
    """NULL for rows that have none; facts that name the same durations have them together."""


def _if(condition: Column, value: Any = 1) -> Column:
    return case((condition, value), else_=0)


def _calls(_: float) -> dict[str, Column]:
    timed = CallRow.offered_at.is_not(None)
    # Whom no seat answered has been waiting since the first ringing.
    wait = CallRow.started_at - func.coalesce(DivertedCallRow.at, CallRow.offered_at)
    ended = CallRow.ended_at.is_not(None)
    return {
        "answered": _if(CallRow.started_at.is_not(None)),
        "answer_timed": _if(timed),
        "answered_15s": _if(and_(timed, wait <= ANSWER_S)),
        "answer_seconds": func.coalesce(wait, 0.0),
        "ended": _if(ended),
        "abandoned": _if(and_(ended, CallRow.outcome == "abandoned")),
        "contained": _if(and_(ended, CallRow.outcome.in_(CONTAINED))),
        "answered_at_once": _if(and_(ended, CallRow.outcome == "answered")),
    }


def _refused(_: float) -> dict[str, Column]:
    return {"refused": _if(never_served())}


_met = DivertedCallRow.became == "met"
_people_wait = DivertedCallRow.became_at - DivertedCallRow.at


def _diverted(now: float) -> dict[str, Column]:
    """Who waits just now is neither connected nor lost; who came back is a call of the bot's."""
    unknown = and_(DivertedCallRow.became == "", DivertedCallRow.at <= now - END_KNOWN_S)
    lost = or_(DivertedCallRow.became == "gone", unknown)
    return {
        "people_connected": _if(_met),
        "people_15s": _if(and_(_met, _people_wait <= ANSWER_S)),
        "people_seconds": _if(_met, _people_wait),
        "people_lost": _if(lost),
        "people_abandoned": _if(and_(lost, ~DivertedCallRow.call_back)),
        "people_returned": _if(DivertedCallRow.became == "returned"),
    }


_seat = HandoffRow.first_destination.like(SEAT)
_seat_reached = and_(_seat, HandoffRow.connected_at.is_not(None))
_police = HandoffRow.first_destination.like(POLICE)
_police_reached = and_(_police, HandoffRow.connected_to.like(POLICE))
_until_reached = HandoffRow.connected_at - HandoffRow.requested_at


def _handoffs(_: float) -> dict[str, Column]:
    waiting = and_(HandoffRow.connected_at.is_(None), HandoffRow.state.in_(WAITING))
    gone = and_(_seat, waiting, CallRow.ended_at.is_not(None))
    return {
        # Who waits just now is neither connected nor lost.
        "seat_ended": _if(and_(_seat, or_(~waiting, gone))),
        "seat_connected": _if(_seat_reached),
        "seat_seconds": _if(_seat_reached, _until_reached),
        "seat_abandoned": _if(gone),
        "police_handoffs": _if(_police),
        "police_connected": _if(_police_reached),
        "police_returned": _if(and_(_police_reached, HandoffRow.returned_at.is_not(None))),
    }


def _tickets(now: float) -> dict[str, Column]:
    valid = TicketRow.status != "withdrawn"
    answered = TicketRow.answered_at.is_not(None)
    due = and_(valid, TicketRow.due_at.is_not(None), or_(answered, TicketRow.due_at <= now))
    dissatisfied = exists().where(
        EvaluationRow.ticket == TicketRow.id, EvaluationRow.score == DISSATISFIED
    )
    return {
        "tickets": _if(valid),
        "tickets_due": _if(due),
        "answered_in_time": _if(and_(due, TicketRow.answered_at <= TicketRow.due_at)),
        "tickets_solved": _if(and_(due, TicketRow.status == "closed", ~dissatisfied)),
    }


def _evaluations(_: float) -> dict[str, Column]:
    return {
        "evaluated": _if(EvaluationRow.score.is_not(None)),
        "content": _if(EvaluationRow.score < DISSATISFIED),
    }


def _with_call(table: Any) -> FromClause:
    """Beside its call, which may still be in the spool, or never have been."""
    joined: FromClause = table.__table__.outerjoin(CallRow.__table__, CallRow.id == table.call_id)
    return joined


FACTS: tuple[Fact, ...] = (
    Fact(
        CallRow.__table__.outerjoin(
            DivertedCallRow.__table__, DivertedCallRow.call_id == CallRow.id
        ),
        CallRow.started_at,
        {"line": CallRow.did, "region": CallRow.region},
        _calls,
    ),
    Fact(RefusedCallRow.__table__, RefusedCallRow.at, {"line": RefusedCallRow.did}, _refused),
    Fact(
        DivertedCallRow.__table__,
        DivertedCallRow.at,
        # Nobody has asked these callers where they are.
        {"line": DivertedCallRow.did, "region": literal("", String)},
        _diverted,
        {"seat_seconds": case((_met, _people_wait))},
    ),
    Fact(
        _with_call(HandoffRow),
        HandoffRow.requested_at,
        {"line": CallRow.did, "region": HandoffRow.region},
        _handoffs,
        {
            "seat_seconds": case((_seat_reached, _until_reached)),
            "police_seconds": case((_police_reached, _until_reached)),
        },
    ),
    Fact(
        _with_call(TicketRow),
        TicketRow.created_at,
        {"line": CallRow.did, "region": TicketRow.region, "department": TicketRow.department},
        _tickets,
    ),
    Fact(
        _with_call(EvaluationRow).outerjoin(
            TicketRow.__table__, TicketRow.id == EvaluationRow.ticket
        ),
        EvaluationRow.asked_at,
        {"line": CallRow.did, "region": CallRow.region, "department": TicketRow.department},
        _evaluations,
    ),
)
