"""The lines to 110 that all nodes share, in PostgreSQL: whose each is, and who waits for one.

A line is a lease of the call that has it. Its process renews it with all that it has; that of a
process that died is free after `KEPT_S`. Who gets the next is in `voicebot.cluster.line_turns`.
Every time is the database's own, and no statement waits for another process's work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Float,
    String,
    TableValuedAlias,
    and_,
    cast,
    column,
    delete,
    extract,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from flows.waiting_list import PROBE_S, Wish
from voicebot.cluster.tables import PoliceLineRow as Line
from voicebot.cluster.tables import PoliceLineWantedRow as Wanted

KEPT_S: Final = 10.0
"""So long a line is a call's whose process says nothing more."""
WANTED_S: Final = 3.0
"""So long others let a caller go first whose process says nothing more."""

Pair = tuple[str, str]
"""A call and the number of the duty directory to which it has a line."""

NOW = cast(extract("epoch", func.statement_timestamp()), Float)
FREE = Line.kept_until <= NOW


@dataclass(frozen=True, slots=True)
class Heard:
    """What a number of which the call has a line gave to understand: busy, or that it rings."""

    call: str
    destination: str
    busy: bool
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Here:
    """All that one process has and wants, at a moment.

    Parameters:
        run: of the process.
        taking: number of the newest line that it had asked for by then.
        taken: lines that its calls have, or that are kept for them.
        asked: those that it has asked for, whatever will be answered.
        wishes: who waits for a line.
        heard: since it was last told, in order.
    """

    run: str
    taking: int
    taken: frozenset[Pair] = frozenset()
    asked: frozenset[Pair] = frozenset()
    wishes: tuple[Wish, ...] = ()
    heard: tuple[Heard, ...] = ()


def prepare(session: Session, lines: Mapping[str, int]) -> None:
    """The table has so many lines of each number."""
    rows = [{"destination": d, "slot": slot} for d, count in lines.items() for slot in range(count)]
    if rows:
        session.execute(insert(Line).values(rows).on_conflict_do_nothing())


def tell(session: Session, lines: Mapping[str, int], here: Here) -> frozenset[str]:
    """Everything that the process has is kept, what it has no more is free, what it wants is known
    to all; numbers of which a line was given up.
    """
    for each in here.heard:
        _heard(session, here.run, each)
    own = session.execute(
        select(Line.destination, Line.slot, Line.call_id, Line.taking)
        .where(Line.run == here.run, Line.kept_until > 0.0)
        .order_by(Line.destination, Line.slot)
        .with_for_update()
    ).all()
    kept, given_up = [], []
    found: set[Pair] = set()
    for destination, slot, call, taking in own:
        pair = call, destination
        if pair in here.taken and pair not in found:
            found.add(pair)
            kept.append((destination, slot))
        elif taking <= here.taking and pair not in here.asked:
            given_up.append((destination, slot))
    _set(session, kept, kept_until=NOW + KEPT_S)
    _set(session, given_up, kept_until=0.0, call_id="")
    for call, destination in sorted(here.taken - found):
        _note(session, here, call, destination, lines[destination])
    _clear(session, lines)
    _want(session, here)
    return frozenset(destination for destination, _ in given_up)


def leave(session: Session, run: str) -> None:
    """The process ends: what it has is free at once."""
    session.execute(update(Line).where(Line.run == run).values(kept_until=0.0, call_id=""))
    session.execute(delete(Wanted).where(Wanted.run == run))


def _heard(session: Session, run: str, heard: Heard) -> None:
    number = Line.destination == heard.destination
    own = and_(number, Line.run == run, Line.call_id == heard.call, Line.kept_until > 0.0)
    if heard.busy:
        full = or_(own, and_(number, FREE))
        change(session, full, doubtful=True, quiet_until=NOW + PROBE_S)
        return
    change(session, and_(own, Line.doubtful), doubtful=False)
    tried = and_(number, FREE, Line.doubtful)
    change(session, tried, quiet_until=0.0)
    if heard.answered:  # where one is answered the next may be
        lowest = select(func.min(Line.slot)).where(tried).scalar_subquery()
        change(session, and_(tried, Line.slot == lowest), doubtful=False)


def change(session: Session, which: ColumnElement[bool], **values: Any) -> None:
    """Lines that another process has in hand just now are passed over: nobody waits here."""
    these = select(Line.destination, Line.slot).where(which).with_for_update(skip_locked=True)
    key = tuple_(Line.destination, Line.slot)
    session.execute(update(Line).where(key.in_(these)).values(**values))


def _set(session: Session, lines: Sequence[tuple[str, int]], **values: Any) -> None:
    if lines:
        key = tuple_(Line.destination, Line.slot)
        session.execute(update(Line).where(key.in_(lines)).values(**values))


def _note(session: Session, here: Here, call: str, destination: str, lines: int) -> None:
    """A line that the call has without having been given it here: it was dialled while the
    database did not answer. Where none is free it counts above their number.
    """
    whose = {"call_id": call, "run": here.run, "taking": here.taking}
    whose |= {"taken_at": NOW, "kept_until": NOW + KEPT_S}
    one = select(Line.slot).where(Line.destination == destination, Line.slot < lines, FREE)
    one = one.order_by(Line.doubtful, Line.slot).limit(1).with_for_update(skip_locked=True)
    noted = session.execute(
        update(Line)
        .where(Line.destination == destination, Line.slot == one.scalar_subquery())
        .values(**whose)
        .returning(Line.slot)
    )
    if noted.first() is None:
        highest = select(func.max(Line.slot)).where(Line.destination == destination)
        above = func.greatest(func.coalesce(highest.scalar_subquery(), -1) + 1, lines)
        row = {"destination": destination, "slot": above, **whose}
        session.execute(insert(Line).values(row).on_conflict_do_nothing())


def _clear(session: Session, lines: Mapping[str, int]) -> None:
    """What nobody has any more: lines above their number, and wishes of processes that died."""
    above = or_(*(and_(Line.destination == d, Line.slot >= count) for d, count in lines.items()))
    key = tuple_(Line.destination, Line.slot)
    these = select(Line.destination, Line.slot).where(above, FREE)
    session.execute(delete(Line).where(key.in_(these.with_for_update(skip_locked=True))))
    old = select(Wanted.call_id, Wanted.destination).where(Wanted.kept_until <= NOW - KEPT_S)
    wish = tuple_(Wanted.call_id, Wanted.destination)
    session.execute(delete(Wanted).where(wish.in_(old.with_for_update(skip_locked=True))))


def _want(session: Session, here: Here) -> None:
    wishes = _as_table(here.wishes)
    key = [Wanted.call_id, Wanted.destination]
    still = select(wishes.c.call_id, wishes.c.destination)
    session.execute(delete(Wanted).where(Wanted.run == here.run, tuple_(*key).not_in(still)))
    if not here.wishes:
        return
    said = {
        "call_id": wishes.c.call_id,
        "destination": wishes.c.destination,
        "run": literal(here.run),
        "score": wishes.c.score,
        "since": NOW - wishes.c.waited_s,
        "idle": wishes.c.idle,
        "kept_until": NOW + WANTED_S,
    }
    rows = insert(Wanted).from_select(list(said), select(*said.values()))
    renewed = {name: rows.excluded[name] for name in list(said)[len(key) :]}
    session.execute(rows.on_conflict_do_update(index_elements=key, set_=renewed))


def _as_table(wishes: Iterable[Wish]) -> TableValuedAlias:
    """All of them in one statement, however many wait."""
    ordered = sorted(wishes, key=lambda wish: (wish.call, wish.destination))
    told: dict[str, tuple[type[TypeEngine[Any]], list[Any]]] = {
        "call_id": (String, [wish.call for wish in ordered]),
        "destination": (String, [wish.destination for wish in ordered]),
        "score": (Float, [wish.score for wish in ordered]),
        "waited_s": (Float, [wish.waited_s for wish in ordered]),
        "idle": (Boolean, [wish.idle for wish in ordered]),
    }
    arrays = (literal(values, ARRAY(kind)) for kind, values in told.values())
    columns = (column(name, kind) for name, (kind, _) in told.items())
    return func.unnest(*arrays).table_valued(*columns, name="wishes").render_derived()
