"""The lines to 110 that all nodes share, in PostgreSQL: whose each is, and who waits for one.

A line is a lease of the call that has it. Its process renews it with all that it has; that of a
process that died is free after `KEPT_S`. Who gets the next is in `voicebot.cluster.line_turns`.
Every time is the database's own, and no statement waits for another process's work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    Boolean,
    Float,
    Integer,
    String,
    and_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from flows.waiting_list import PROBE_S, Wish
from voicebot.cluster.line_rows import NOW, as_table, change, delete_idle, over, upsert
from voicebot.cluster.tables import PoliceLineCountRow as Count
from voicebot.cluster.tables import PoliceLineRow as Line
from voicebot.cluster.tables import PoliceLineWantedRow as Wanted

KEPT_S: Final = 10.0
"""So long a line is a call's whose process says nothing more."""
WANTED_S: Final = 3.0
"""So long others let a caller go first whose process says nothing more."""
COUNTED_S: Final = 60.0
"""So long the number of lines counts of a process that says nothing more."""

_NOTING: Final = 0x110
"""PostgreSQL's advisory lock of who adds a line above the number of a number's lines."""

Pair = tuple[str, str]
"""A call and the number of the duty directory to which it has a line."""

FREE = over(Line.kept_until, KEPT_S)


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


@dataclass(frozen=True, slots=True)
class Told:
    """What a process is told of the others.

    Parameters:
        freed: numbers of which it gave up a line.
        said: how many lines each number has: the least and the greatest that a process says. The
            greatest counts: one that has a part of them, or an old number, takes none away.
        elsewhere: how many lines of each number calls of other processes have.
        complete: all lines that the process has are known to the others.
    """

    freed: frozenset[str]
    said: Mapping[str, tuple[int, int]]
    elsewhere: Mapping[str, int]
    complete: bool


def tell(session: Session, lines: Mapping[str, int], here: Here) -> Told:
    """Everything that the process has is kept, what it has no more is free, what it wants is known
    to all.

    Parameters:
        lines: how many each number has, as this process knows.
    """
    said = _count(session, lines, here.run)
    counts = {destination: most for destination, (_, most) in said.items()}
    _prepare(session, counts)
    for each in here.heard:
        _heard(session, here.run, each)
    own = session.execute(
        select(Line.destination, Line.slot, Line.call_id, Line.taking)
        .where(Line.run == here.run, Line.kept_until > 0.0)
        .order_by(Line.destination, Line.slot)
    ).all()
    kept, given_up = [], []
    found: set[Pair] = set()
    for destination, slot, call, taking in own:
        pair = call, destination
        if pair in here.taken and pair not in found:
            found.add(pair)
            kept.append((destination, slot, call))
        elif taking <= here.taking and pair not in here.asked:
            given_up.append((destination, slot, call))
    mine = Line.run == here.run
    key = tuple_(Line.destination, Line.slot, Line.call_id)
    change(session, and_(mine, key.in_(kept)), kept_until=NOW + KEPT_S)
    change(session, and_(mine, key.in_(given_up)), kept_until=0.0, call_id="")
    missing = sorted((destination, call) for call, destination in here.taken - found)
    noted = [_note(session, here, call, number, counts[number]) for number, call in missing]
    _clear(session, counts)
    _want(session, here)
    freed = frozenset(destination for destination, _, _ in given_up)
    return Told(freed, said, _elsewhere(session, here.run), all(noted))


def _elsewhere(session: Session, run: str) -> dict[str, int]:
    found = session.execute(
        select(Line.destination, func.count())
        .where(Line.run != run, ~FREE)
        .group_by(Line.destination)
    )
    return dict(found.all())


def leave(session: Session, run: str) -> None:
    """The process ends: what it has is free at once."""
    change(session, Line.run == run, kept_until=0.0, call_id="")
    delete_idle(session, Wanted.run == run, Wanted.call_id, Wanted.destination)
    delete_idle(session, Count.run == run, Count.run, Count.destination)


def _count(session: Session, lines: Mapping[str, int], run: str) -> dict[str, tuple[int, int]]:
    """(least, greatest) number of lines that a process says, this one among them."""
    counts = as_table(destination=(String, list(lines)), lines=(Integer, list(lines.values())))
    said = {
        "run": literal(run),
        "destination": counts.c.destination,
        "lines": counts.c.lines,
        "kept_until": NOW + COUNTED_S,
    }
    upsert(session, Count, said, (Count.run, Count.destination))
    found = session.execute(
        select(Count.destination, func.min(Count.lines), func.max(Count.lines))
        .where(Count.destination.in_(lines), ~over(Count.kept_until, COUNTED_S))
        .group_by(Count.destination)
    )
    return {destination: (least, most) for destination, least, most in found}


def _prepare(session: Session, lines: Mapping[str, int]) -> None:
    """The table has so many lines of each number."""
    counts = as_table(destination=(String, list(lines)), lines=(Integer, list(lines.values())))
    slot = func.generate_series(0, counts.c.lines - 1)
    wanted = select(counts.c.destination, slot.label("slot")).subquery()
    there = exists().where(Line.destination == wanted.c.destination, Line.slot == wanted.c.slot)
    missing = select(wanted).where(~there).order_by(wanted.c.destination, wanted.c.slot)
    rows = insert(Line).from_select(["destination", "slot"], missing)
    session.execute(rows.on_conflict_do_nothing())


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


def _note(session: Session, here: Here, call: str, destination: str, lines: int) -> bool:
    """A line that the call has without having been given it here: it was dialled while the
    database did not answer. Where none is free it counts above their number.

    Returns:
        False: another process counts there just now, and nobody waits for it here.
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
    if noted.first() is not None:
        return True
    alone = func.pg_try_advisory_xact_lock(_NOTING, func.hashtext(destination))
    if not session.scalar(select(alone)):
        return False
    highest = select(func.max(Line.slot)).where(Line.destination == destination)
    above = func.greatest(func.coalesce(highest.scalar_subquery(), -1) + 1, lines)
    row = insert(Line).values(destination=destination, slot=above, **whose)
    return session.scalar(row.on_conflict_do_nothing().returning(Line.slot)) is not None


def _clear(session: Session, lines: Mapping[str, int]) -> None:
    """What nobody has any more: lines above their number, and what processes said that died."""
    above = or_(*(and_(Line.destination == d, Line.slot >= count) for d, count in lines.items()))
    delete_idle(session, and_(above, FREE), Line.destination, Line.slot)
    old = over(Wanted.kept_until + KEPT_S, 2 * KEPT_S)
    delete_idle(session, old, Wanted.call_id, Wanted.destination)
    delete_idle(session, over(Count.kept_until, COUNTED_S), Count.run, Count.destination)


def _want(session: Session, here: Here) -> None:
    wishes = sorted(here.wishes, key=lambda wish: (wish.call, wish.destination))
    rows = as_table(
        call_id=(String, [wish.call for wish in wishes]),
        destination=(String, [wish.destination for wish in wishes]),
        score=(Float, [wish.score for wish in wishes]),
        waited_s=(Float, [wish.waited_s for wish in wishes]),
        idle=(Boolean, [wish.idle for wish in wishes]),
    )
    key = Wanted.call_id, Wanted.destination
    still = select(rows.c.call_id, rows.c.destination)
    session.execute(delete(Wanted).where(Wanted.run == here.run, tuple_(*key).not_in(still)))
    if wishes:
        said = {
            "call_id": rows.c.call_id,
            "destination": rows.c.destination,
            "run": literal(here.run),
            "score": rows.c.score,
            "since": NOW - rows.c.waited_s,
            "idle": rows.c.idle,
            "kept_until": NOW + WANTED_S,
        }
        upsert(session, Wanted, said, key)
