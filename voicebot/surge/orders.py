"""A supervisor's orders: who answers, or what kind of day it is, until an hour (手动设定).

Functions of a session, in the caller's transaction. The newest order of a line counts,
before one for all lines; who answers and what day it is are orders beside each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from flows.forecast import Situation
from flows.surge import Force, Override
from voicebot.errors import VoicebotError
from voicebot.surge.tables import SurgeOrderRow

LONGEST_S = 7 * 86_400.0
"""An order that somebody forgot must end."""
MOST_WHY = 500


class Order(StrEnum):
    BOT = Force.BOT.value
    SEATS = Force.SEATS.value
    NORMAL = Force.NORMAL.value
    TYPHOON = Situation.TYPHOON.value
    HOLIDAY = Situation.HOLIDAY.value
    ORDINARY = Situation.ORDINARY.value
    """An ordinary day, though the calendar has a holiday."""


ANSWERING = frozenset({Order.BOT, Order.SEATS, Order.NORMAL})
"""Orders about who answers; the others say what kind of day it is."""


class OrderRefused(VoicebotError):
    """The order cannot stand; the message says why."""

    code = "surge.order_refused"


@dataclass(frozen=True, slots=True)
class Standing:
    """An order in force; times in seconds since the epoch."""

    id: int
    line: str
    order: Order
    given_at: float
    until_at: float
    given_by: str
    why: str


def give(
    session: Session, order: Order, *, line: str, who: str, why: str, at: float, until: float
) -> SurgeOrderRow:
    """Put an order in force; what stood for the same line and the same matter ends.

    Parameters:
        line: the dialled number; "" for all lines.

    Raises:
        OrderRefused: it would end before it begins, or stand longer than a week, or has no
            reason.
    """
    if not why.strip():
        raise OrderRefused("An order needs a reason; it is kept with it (--why).")
    if not at < until <= at + LONGEST_S:
        raise OrderRefused("An order ends within a week, and not before it begins.")
    end(session, line=line, who=who, at=at, answering=order in ANSWERING)
    row = SurgeOrderRow(
        line=line,
        order=order.value,
        given_at=at,
        until_at=until,
        given_by=who,
        why=why.strip()[:MOST_WHY],
    )
    session.add(row)
    session.flush()
    return row


def end(
    session: Session, *, line: str, who: str, at: float, answering: bool | None = None
) -> list[Standing]:
    """End what stands for a line ("": for all lines); returns it.

    Parameters:
        answering: only orders about who answers, or only those about the day; None: both.
    """
    ended = []
    for row in session.scalars(
        select(SurgeOrderRow).where(SurgeOrderRow.line == line, SurgeOrderRow.until_at > at)
    ):
        if answering is None or answering == (Order(row.order) in ANSWERING):
            ended.append(_standing(row))
            row.until_at, row.ended_by = at, who
    return ended


def in_force(session: Session, at: float) -> list[Standing]:
    """Orders in force, the newest first."""
    rows = session.scalars(
        select(SurgeOrderRow)
        .where(SurgeOrderRow.until_at > at, SurgeOrderRow.given_at <= at)
        .order_by(SurgeOrderRow.given_at.desc(), SurgeOrderRow.id.desc())
    )
    return [_standing(row) for row in rows]


def override(orders: Iterable[Standing], line: str, at: float) -> Override | None:
    """Who is to answer on a line by order; None: the law decides."""
    found = _newest(orders, line, at, answering=True)
    if found is None:
        return None
    return Override(Force(found.order.value), found.until_at, found.given_by, found.why)


def situation(orders: Iterable[Standing], line: str, at: float) -> Situation | None:
    """What kind of day it is by order; None: the calendar decides."""
    found = _newest(orders, line, at, answering=False)
    return Situation(found.order.value) if found is not None else None


def values(order: Standing) -> dict[str, Any]:
    """An order as it is told over HTTP and by the commands."""
    return {
        "id": order.id,
        "line": order.line,
        "order": order.order.value,
        "given_at": order.given_at,
        "until_at": order.until_at,
        "given_by": order.given_by,
        "why": order.why,
    }


def _newest(
    orders: Iterable[Standing], line: str, at: float, *, answering: bool
) -> Standing | None:
    found = [
        each
        for each in orders
        if each.line in ("", line)
        and each.given_at <= at < each.until_at
        and answering == (each.order in ANSWERING)
    ]
    return max(found, key=lambda each: (each.line != "", each.given_at, each.id), default=None)


def _standing(row: SurgeOrderRow) -> Standing:
    return Standing(
        row.id, row.line, Order(row.order), row.given_at, row.until_at, row.given_by, row.why
    )
