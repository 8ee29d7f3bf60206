"""Which version of an entry, and which step of a version, is the last: pieces of statements."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from kb.tables import steps, versions


def last_versions(names: Collection[str] | None = None) -> sa.Subquery:
    """(id, version): the newest of every entry, or of some."""
    last = sa.select(versions.c.id, sa.func.max(versions.c.version).label("version"))
    if names is not None:
        last = last.where(versions.c.id.in_(names))
    return last.group_by(versions.c.id).subquery()


def last_steps(names: Collection[str] | None = None) -> sa.Subquery:
    """(id, version, number): the last step of every version, or of those of some entries."""
    last = sa.select(steps.c.id, steps.c.version, sa.func.max(steps.c.number).label("number"))
    if names is not None:
        last = last.where(steps.c.id.in_(names))
    return last.group_by(steps.c.id, steps.c.version).subquery()


def same_version(left: sa.FromClause, right: sa.FromClause) -> sa.ColumnElement[bool]:
    """Rows of both that belong to one version."""
    return sa.and_(left.c.id == right.c.id, left.c.version == right.c.version)
