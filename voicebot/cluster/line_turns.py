"""Who of all nodes has the next line to 110, in PostgreSQL (`voicebot.cluster.line_leases`).

Who calls takes a free one by one statement, which waits for no other: two nodes never get the
same. Who waits stands in the table as well, and no line goes to a call while somebody more urgent
waits for it, at whichever node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Integer,
    String,
    Table,
    and_,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.dml import ReturningUpdate

from flows.waiting_list import PROBE_S, Wish
from flows.waiting_risk import AGEING_S
from voicebot.cluster.line_leases import FREE, KEPT_S
from voicebot.cluster.line_rows import NOW, change, over
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
    """A line for a call that has not waited, if more are free than others wait for; the one that
    it was given, if it was.
    """
    own = and_(Line.destination == destination, Line.run == run, Line.call_id == call, ~FREE)
    if change(session, own, taking=taking, kept_until=NOW + KEPT_S):
        return True
    return _take(session, run, taking, call, destination, lines, waits=False) is not None


def give_out(
    session: Session, lines: Mapping[str, int], run: str, taking: int, wishes: Iterable[Wish]
) -> tuple[Given, ...]:
    """Free lines for callers of the process, as far as nobody more urgent waits for them;
    `line_leases.tell` has made their wishes known.

    Parameters:
        wishes: as `flows.waiting_list.WaitingList.wishes` has them.
    """
    to_be_had = or_(*(and_(Line.destination == d, Line.slot < n) for d, n in lines.items()))
    found = session.execute(
        select(Line.destination, func.count())
        .where(to_be_had, FREE, or_(~Line.doubtful, over(Line.quiet_until, PROBE_S)))
        .group_by(Line.destination)
    )
    free = dict(found.all())
    refused: set[tuple[str, bool]] = set()  # nobody after him gets a line that he did not get
    given = []
    for call, wanted in groupby(wishes, key=lambda wish: wish.call):
        for destination, idle in ((wish.destination, wish.idle) for wish in wanted):
            if not free.get(destination) or {(destination, idle), (destination, True)} & refused:
                continue
            count = lines[destination]
            sure = _take(session, run, taking, call, destination, count, waits=True)
            if sure is None:
                refused.add((destination, idle))
            else:
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
    asked = {"run": run, "taking": taking, "call": call, "number": destination, "lines": lines}
    doubtful: bool | None = session.connection().scalar(
        _taking(waits), {f"of_{name}": value for name, value in asked.items()}
    )
    if doubtful is None:
        return None
    session.execute(delete(Wanted).where(Wanted.call_id == call))
    if doubtful and waits:  # one at a time tries a number that was busy
        tried = and_(Line.destination == destination, Line.doubtful, FREE)
        change(session, tried, quiet_until=NOW + PROBE_S)
    return not doubtful


@cache
def _taking(waits: bool) -> ReturningUpdate[bool]:
    """The statement is made once: making it costs more than the database's part of it."""
    call, number = bindparam("of_call", type_=String), bindparam("of_number", type_=String)
    lines = bindparam("of_lines", type_=Integer)
    line, free, used, mine, other = (
        aliased(Line), aliased(Line), aliased(Line), aliased(Wanted), aliased(Wanted),
    )  # fmt: skip
    idle = mine.idle if waits else true()
    sure_to_be_free = (
        select(func.count())
        .where(
            free.destination == number,
            free.slot < lines,
            over(free.kept_until, KEPT_S),
            ~free.doubtful,
        )
        .scalar_subquery()
    )
    in_use = (
        select(func.count())
        .where(used.destination == number, ~over(used.kept_until, KEPT_S))
        .scalar_subquery()
    )
    go_first = (
        select(func.count())
        .where(
            other.destination == number,
            ~over(other.kept_until, KEPT_S),
            other.call_id != call,
            or_(~line.doubtful, other.idle),
            _place(other) < _place(mine) if waits else true(),
        )
        .scalar_subquery()
    )
    one = select(line.slot).where(
        line.destination == number,
        line.slot < lines,
        over(line.kept_until, KEPT_S),
        or_(~line.doubtful, and_(idle, over(line.quiet_until, PROBE_S))),
        # Where nobody knows, one at a time tries it.
        go_first < func.least(case((line.doubtful, 1), else_=sure_to_be_free), lines - in_use),
    )
    if waits:
        one = one.join(mine, and_(mine.call_id == call, mine.destination == number))
    one = one.order_by(line.doubtful, line.slot).limit(1)
    table = cast(Table, Line.__table__)
    return (
        update(table)
        .where(
            table.c.destination == number,
            table.c.slot == one.with_for_update(of=line, skip_locked=True).scalar_subquery(),
        )
        .values(
            call_id=call,
            run=bindparam("of_run", type_=String),
            taking=bindparam("of_taking", type_=Integer),
            taken_at=NOW,
            kept_until=NOW + KEPT_S,
        )
        .returning(table.c.doubtful)
    )


def _place(wanted: Any) -> ColumnElement[Any]:
    """As `flows.waiting_risk.precedence`: urgency grows alike for all, so it needs no clock."""
    return tuple_(wanted.since / AGEING_S - wanted.score, wanted.since, wanted.call_id)
