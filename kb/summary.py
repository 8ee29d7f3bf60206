"""Every entry in one short row (`kb.tables.entries`), and lists of them, a page at a time.

A list of 50,000 entries is read from its indexes alone: pages go on from the last row of the page
before, and nothing is counted beyond what people look at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kb.entry import Status
from kb.latest import last_steps, last_versions, same_version
from kb.tables import entries, steps, versions

Order = Literal["recent", "ending"]

SHOWN = 50
AT_ONCE = 500
"""Ids in one statement; SQLite takes 32,766 parameters, but plans them one by one."""
COUNTED = 999
"""More of a kind are not counted."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The newest version of an entry; `step` is the number of the last step of the entry."""

    id: str
    version: int
    status: Status
    department: str
    region: str
    question: str
    valid_from: date
    valid_to: date
    step: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list shows; empty fields do not narrow it.

    `text` is looked for in questions and ids. `ends_from` and `ends_to` bound the last day of
    validity, both included.
    """

    status: Status | None = None
    department: str = ""
    region: str | None = None
    text: str = ""
    ends_from: date | None = None
    ends_to: date | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, and where the next page goes on; None: there is no more."""

    entries: tuple[Summary, ...]
    next: str | None


def page(
    session: Session,
    wanted: Wanted,
    *,
    order: Order = "recent",
    after: str = "",
    limit: int = SHOWN,
) -> Page:
    """A page of entries: the last changed first, or those that end first.

    Args:
        after: `next` of the page before; empty for the first.

    Raises:
        ValueError: `after` is none of this order.
    """
    query = sa.select(entries).where(*_conditions(wanted)).limit(limit + 1)
    if order == "recent":
        query = query.order_by(entries.c.step.desc())
        if after:
            query = query.where(entries.c.step < int(after))
    else:
        query = query.order_by(entries.c.valid_to, entries.c.id)
        if after:
            day, _, name = after.partition("~")
            query = query.where(
                sa.tuple_(entries.c.valid_to, entries.c.id)
                > sa.tuple_(sa.literal(date.fromisoformat(day)), sa.literal(name))
            )
    rows = [_summary(row) for row in session.execute(query)]
    shown = rows[:limit]
    if len(rows) <= limit:
        return Page(tuple(shown), None)
    last = shown[-1]
    at = str(last.step) if order == "recent" else f"{last.valid_to.isoformat()}~{last.id}"
    return Page(tuple(shown), at)


def count(session: Session, wanted: Wanted, most: int = COUNTED) -> int:
    """How many entries there are of a kind; `most` + 1 stands for more."""
    some = sa.select(sa.literal(1)).select_from(entries).where(*_conditions(wanted))
    found = sa.select(sa.func.count()).select_from(some.limit(most + 1).subquery())
    return session.scalar(found) or 0


def departments(session: Session) -> list[str]:
    """The departments of the newest versions, in order; each is found by a step in the index."""
    return list(_distinct(session, entries.c.department))


def regions(session: Session) -> list[str]:
    """The same of the regions; empty is the whole province."""
    return list(_distinct(session, entries.c.region))


def renew(session: Session, names: Collection[str]) -> None:
    """Make the rows of these entries anew from what is on record."""
    for some in portions(sorted(names)):
        session.execute(sa.delete(entries).where(entries.c.id.in_(some)))
        session.execute(_inserted(some))


def _inserted(names: Sequence[str]) -> sa.Insert:
    newest, last = last_versions(names), last_steps(names)
    every_step = (
        sa.select(steps.c.id, sa.func.max(steps.c.number).label("number"))
        .where(steps.c.id.in_(names))
        .group_by(steps.c.id)
        .subquery()
    )
    columns = ("department", "region", "question", "valid_from", "valid_to")
    found = (
        sa.select(
            versions.c.id,
            versions.c.version,
            steps.c.status,
            *(versions.c[name] for name in columns),
            every_step.c.number,
        )
        .join(newest, same_version(versions, newest))
        .join(last, same_version(versions, last))
        .join(steps, steps.c.number == last.c.number)
        .join(every_step, every_step.c.id == versions.c.id)
    )
    return sa.insert(entries).from_select(["id", "version", "status", *columns, "step"], found)


def _conditions(wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.status is not None:
        yield entries.c.status == wanted.status.value
    if wanted.department:
        yield entries.c.department == wanted.department
    if wanted.region is not None:
        yield entries.c.region == wanted.region
    if wanted.text:
        yield sa.or_(
            entries.c.question.contains(wanted.text, autoescape=True),
            entries.c.id.startswith(wanted.text, autoescape=True),
        )
    if wanted.ends_from is not None:
        yield entries.c.valid_to >= wanted.ends_from
    if wanted.ends_to is not None:
        yield entries.c.valid_to <= wanted.ends_to


def _distinct(session: Session, column: sa.Column[str]) -> Iterator[str]:
    found: str | None = session.scalar(sa.select(sa.func.min(column)))
    while found is not None:
        yield found
        found = session.scalar(sa.select(sa.func.min(column)).where(column > found))


def portions(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """So many at a time as one statement takes."""
    for start in range(0, len(names), AT_ONCE):
        yield names[start : start + AT_ONCE]


def _summary(row: sa.Row[Any]) -> Summary:
    values = dict(row._mapping)
    return Summary(**values | {"status": Status(values["status"])})
