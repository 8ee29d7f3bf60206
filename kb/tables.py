"""The knowledge base's tables: what was written, what was decided about it, and what goes with it.

Rows of `versions` and `steps` are added and never changed: a version is what somebody wrote, a
step is what somebody then did with it.
"""

from __future__ import annotations

import sqlalchemy as sa

from kb.entry import Safety, Status

metadata = sa.MetaData()


def _one_of(column: str, values: type[Status] | type[Safety]) -> str:
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"


versions = sa.Table(
    "kb_version",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("based_on", sa.Integer),
    sa.Column("category", sa.String(200), nullable=False),
    sa.Column("department", sa.String(200), nullable=False),
    sa.Column("region", sa.String(6), nullable=False),
    sa.Column("lines", sa.JSON, nullable=False),
    sa.Column("audience", sa.String(100), nullable=False),
    sa.Column("safety", sa.String(16), nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("variants", sa.JSON, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("keywords", sa.JSON, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("valid_from", sa.Date, nullable=False),
    sa.Column("valid_to", sa.Date, nullable=False),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("recorded_by", sa.String(100), nullable=False),
    sa.Column("login", sa.String(100), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.CheckConstraint(_one_of("safety", Safety), name="kb_version_safety"),
    sa.CheckConstraint("valid_from <= valid_to", name="kb_version_validity"),
    sa.CheckConstraint("version >= 1", name="kb_version_number"),
)
steps = sa.Table(
    "kb_step",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("id", sa.String(64), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("effective_at", sa.DateTime(timezone=True)),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("recorded_by", sa.String(100), nullable=False),
    sa.Column("login", sa.String(100), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.ForeignKeyConstraint(
        ["id", "version"], ["kb_version.id", "kb_version.version"], name="kb_step_version"
    ),
    sa.CheckConstraint(_one_of("status", Status), name="kb_step_status"),
    sa.CheckConstraint(
        "effective_at IS NOT NULL OR status NOT IN ('published', 'expired', 'withdrawn')",
        name="kb_step_effective",
    ),
    sa.Index("kb_step_of_version", "id", "version"),
)
entries = sa.Table(
    "kb_entry",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("department", sa.String(200), nullable=False),
    sa.Column("region", sa.String(6), nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("valid_from", sa.Date, nullable=False),
    sa.Column("valid_to", sa.Date, nullable=False),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Index("ix_kb_entry_step", "step"),
    sa.Index("ix_kb_entry_status", "status", "step"),
    sa.Index("ix_kb_entry_department", "department", "step"),
    sa.Index("ix_kb_entry_region", "region", "step"),
    sa.Index("ix_kb_entry_valid_to", "valid_to", "id"),
)
"""The newest version of each entry in short, so that lists need not look through all of them:
its state, and the number of the last step taken with any version. Made from the two tables above
by `kb.summary`, whenever something is put on record."""
phrasings = sa.Table(
    "kb_phrasing",
    metadata,
    sa.Column("entry_id", sa.String(64), primary_key=True),
    sa.Column("phrasing", sa.String(200), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("added_by", sa.String(100), nullable=False),
)
gap_questions = sa.Table(
    "kb_gap",
    metadata,
    sa.Column("question", sa.String(200), primary_key=True),
    sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("added_by", sa.String(100), nullable=False),
)
slot_values = sa.Table(
    "kb_slot",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(20), nullable=False),
    sa.Column("region", sa.String(6), nullable=False),
    sa.Column("value", sa.String(100), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("valid_from", sa.Date, nullable=False),
    sa.Column("valid_to", sa.Date, nullable=False),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("recorded_by", sa.String(100), nullable=False),
    sa.Column("reviewed_by", sa.String(100), nullable=False),
    sa.Column("login", sa.String(100), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.CheckConstraint("valid_from <= valid_to", name="kb_slot_validity"),
)
revisions = sa.Table(
    "kb_revision",
    metadata,
    sa.Column("singleton", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.CheckConstraint("singleton = 1", name="kb_revision_singleton"),
)
"""Counts every change."""
publications = sa.Table(
    "kb_publication",
    metadata,
    sa.Column("singleton", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("step", sa.Integer, nullable=False),
    sa.CheckConstraint("singleton = 1", name="kb_publication_singleton"),
)
"""Counts the changes of what services search in; `step` is the last one taken by then, 0 if none.
"""
