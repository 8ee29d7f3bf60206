"""Many rows by one statement, in PostgreSQL, and none that waits for another process's work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Float,
    TableValuedAlias,
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
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session
from sqlalchemy.types import TypeEngine

from voicebot.cluster.tables import PoliceLineCountRow as Count
from voicebot.cluster.tables import PoliceLineRow as Line
from voicebot.cluster.tables import PoliceLineWantedRow as Wanted

NOW = cast(extract("epoch", func.statement_timestamp()), Float)


NOTHING_LOADED: Final = {"synchronize_session": False}
"""The session has no rows that would have to be brought up to date."""


def over(until: ColumnElement[float] | Mapped[float], most_s: float) -> ColumnElement[bool]:
    """The time has come, or is further away than anything is kept: the database's clock was set
    back.
    """
    return or_(until <= NOW, until > NOW + most_s + 1.0)


def change(session: Session, which: ColumnElement[bool], **values: Any) -> int:
    """How many lines are changed; those that another process has in hand are passed over."""
    these = select(Line.destination, Line.slot).where(which).with_for_update(skip_locked=True)
    key = tuple_(Line.destination, Line.slot)
    changed = update(Line).where(key.in_(these)).values(**values).returning(Line.slot)
    return len(session.execute(changed, execution_options=NOTHING_LOADED).all())


def delete_idle(
    session: Session, which: ColumnElement[bool], *key: InstrumentedAttribute[Any]
) -> None:
    """Those that another process has in hand just now are passed over."""
    these = select(*key).where(which).with_for_update(skip_locked=True)
    gone = delete(key[0].class_).where(tuple_(*key).in_(these))
    session.execute(gone, execution_options=NOTHING_LOADED)


def as_table(**columns: tuple[type[TypeEngine[Any]], list[Any]]) -> TableValuedAlias:
    """Rows for one statement, however many they are; a type and the values of each column."""
    arrays = (literal(values, ARRAY(kind)) for kind, values in columns.values())
    named = (column(name, kind) for name, (kind, _) in columns.items())
    return func.unnest(*arrays).table_valued(*named, name="told").render_derived()


def upsert(
    session: Session,
    table: type[Count | Wanted],
    said: Mapping[str, ColumnElement[Any]],
    key: Sequence[InstrumentedAttribute[str]],
) -> None:
    """In the order of the rows' key, so that two processes wait for each other in no circle."""
    rows = insert(table).from_select(list(said), select(*said.values()))
    names = {column.key for column in key}
    renewed = {name: rows.excluded[name] for name in said if name not in names}
    session.execute(rows.on_conflict_do_update(index_elements=key, set_=renewed))
