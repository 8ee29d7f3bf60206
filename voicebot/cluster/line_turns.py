"""Who of all nodes has the next line to 110, in PostgreSQL (`voicebot.cluster.line_leases`).

Who calls takes a free one by one statement, which waits for no other: two nodes never get the
same. Who waits stands in the table as well, and no line goes to a call while somebody more urgent
waits for it, at whichever node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, and_, case, delete, func, or_, select, true, tuple_, update
from sqlalchemy.orm import Session, aliased

from flows.waiting_list import PROBE_S, Wish
from flows.waiting_risk import AGEING_S
from voicebot.cluster.line_leases import FREE, KEPT_S, NOW, change
from voicebot.cluster.tables import PoliceLineRow as Line
from voicebot.cluster.tables import PoliceLineWantedRow as Wanted


@dataclass(frozen=True, slots=True)
class Given:
    """A line for a caller who waited.

    Parameters:
        sure: it is free, and not only worth a try.
    """

    call: str
    destination: str
    sure: bool


def take(session: Session, run: str, taking: int, call: str, destination: str, lines: int) -> bool:
    """A line for a call that has not waited, if more are free than others wait for."""
    return _take(session, run, taking, call, destination, lines, waits=False) is not None


def give_out(
    session: Session, lines: Mapping[str, int], run: str, taking: int, wishes: Iterable[Wish]
) -> tuple[Given, ...]:
    """Free lines for callers of the process, as far as nobody more urgent waits for them;
    `line_leases.tell` has made their wishes known.

    Parameters:
        wishes: as `flows.waiting_list.WaitingList.wishes` has them.
    """
    found = session.execute(
        select(Line.destination, func.count())
        .where(Line.destination.in_(lines), FREE)
        .group_by(Line.destination)
    )
    free = dict(found.all())
    given = []
    for call, wanted in groupby(wishes, key=lambda wish: wish.call):
        for destination in (wish.destination for wish in wanted):
            if not free.get(destination):
                continue
            count = lines[destination]
            sure = _take(session, run, taking, call, destination, count, waits=True)
            if sure is not None:
                free[destination] -= 1
                given.append(Given(call, destination, sure))
                break
    return tuple(given)


def _take(
    session: Session,
    run: str,
    taking: int,
    call: str,
    destination: str,
    lines: int,
    *,
    waits: bool,
) -> bool | None:
    """Whether the line that the call has now is sure to be free; None: there is none for it.

    Parameters:
        waits: it has a place among those who wait; else it goes behind them all.
    """
    line, free, used, mine, other = (
        aliased(Line), aliased(Line), aliased(Line), aliased(Wanted), aliased(Wanted),
    )  # fmt: skip
    idle = mine.idle if waits else true()
    sure_to_be_free = (
        select(func.count())
        .where(
            free.destination == destination,
            free.slot < lines,
            free.kept_until <= NOW,
            ~free.doubtful,
        )
        .scalar_subquery()
    )
    in_use = (
        select(func.count())
        .where(used.destination == destination, used.kept_until > NOW)
        .scalar_subquery()
    )
    go_first = (
        select(func.count())
        .where(
            other.destination == destination,
            other.kept_until > NOW,
            other.call_id != call,
            or_(~line.doubtful, other.idle),
            _place(other) < _place(mine) if waits else true(),
        )
        .scalar_subquery()
    )
    one = select(line.slot).where(
        line.destination == destination,
        line.slot < lines,
        line.kept_until <= NOW,
        or_(~line.doubtful, and_(idle, line.quiet_until <= NOW)),
        # Where nobody knows, one at a time tries it.
        go_first < func.least(case((line.doubtful, 1), else_=sure_to_be_free), lines - in_use),
    )
    if waits:
        one = one.join(mine, and_(mine.call_id == call, mine.destination == destination))
    one = one.order_by(line.doubtful, line.slot).limit(1)
    doubtful: bool | None = session.scalar(
        update(Line)
        .where(
            Line.destination == destination,
            Line.slot == one.with_for_update(of=line, skip_locked=True).scalar_subquery(),
        )
        .values(call_id=call, run=run, taking=taking, taken_at=NOW, kept_until=NOW + KEPT_S)
        .returning(Line.doubtful)
    )
    if doubtful is None:
        return None
    session.execute(delete(Wanted).where(Wanted.call_id == call))
    if doubtful and waits:  # one at a time tries a number that was busy
        tried = and_(Line.destination == destination, Line.doubtful, FREE)
        change(session, tried, quiet_until=NOW + PROBE_S)
    return not doubtful


def _place(wanted: Any) -> ColumnElement[Any]:
    """As `flows.waiting_risk.precedence`: urgency grows alike for all, so it needs no clock."""
    return tuple_(wanted.since / AGEING_S - wanted.score, wanted.since, wanted.call_id)
