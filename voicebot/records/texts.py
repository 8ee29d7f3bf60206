"""Texts are made to fit their columns before they are written.

SQLite takes what it is given; PostgreSQL refuses a text that is too long or holds NUL, and
with it the whole row. What a switch or an engine sends must not cost a hand-off.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, String, event
from sqlalchemy.orm import Mapper

from voicebot.records.tables import Base
from voicebot.whole_text import whole


def fitted(column: ColumnElement[Any], value: Any) -> Any:
    """A text without what cannot be stored, cut to its column's length; a key is never cut."""
    if not isinstance(column.type, String) or not isinstance(value, str):
        return value
    value = whole(value).replace("\0", "\ufffd")
    return value if column.primary_key else value[: column.type.length]


def fitted_row(table: type[Base], row: dict[str, Any]) -> dict[str, Any]:
    """Values by column name."""
    columns = table.__table__.columns
    return {name: fitted(columns[name], value) for name, value in row.items()}


@event.listens_for(Base, "before_insert", propagate=True)
@event.listens_for(Base, "before_update", propagate=True)
def _fit(mapper: Mapper[Any], _: object, row: Base) -> None:
    for attribute in mapper.column_attrs:
        column = attribute.columns[0]
        value = row.__dict__.get(attribute.key)
        if isinstance(value, str) and (fit := fitted(column, value)) != value:
            setattr(row, attribute.key, fit)
