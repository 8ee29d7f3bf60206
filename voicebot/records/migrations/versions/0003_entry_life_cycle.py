"""entry life-cycle: versions, and the steps taken with them

What was approved was spoken, so it becomes published; the wording stays as it was.

Revision: 0003
After: 0002
"""

from datetime import UTC, date, datetime, time, timedelta, timezone

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_HAINAN = timezone(timedelta(hours=8))
_KEPT = (
    "id", "version", "category", "department", "region", "question", "variants", "answer",
    "keywords", "source", "channel", "valid_from", "valid_to", "recorded_at", "recorded_by",
    "reason",
)  # fmt: skip
_STEPS = {
    "draft": ("draft",),
    "in_review": ("in_review",),
    "approved": ("in_review", "approved", "published"),
    "expired": ("expired",),
}


def upgrade() -> None:
    old = _old_table()
    new, steps = _new_tables()
    connection = op.get_bind()
    rows = connection.execute(sa.select(old).order_by(old.c.version, old.c.id)).mappings().all()
    if rows:
        connection.execute(sa.insert(new), [_version(row) for row in rows])
        connection.execute(sa.insert(steps), [step for row in rows for step in _steps(row)])
    op.drop_table("kb_entry_version")


def _old_table() -> sa.Table:
    return sa.Table(
        "kb_entry_version",
        sa.MetaData(),
        *(sa.Column(name) for name in ("id", "category", "department", "region", "question")),
        *(sa.Column(name) for name in ("answer", "source", "channel", "status", "recorded_by")),
        sa.Column("reason"),
        sa.Column("version", sa.Integer),
        sa.Column("variants", sa.JSON),
        sa.Column("keywords", sa.JSON),
        sa.Column("valid_from", sa.Date),
        sa.Column("valid_to", sa.Date),
        sa.Column("recorded_at", sa.DateTime(timezone=True)),
    )


def _new_tables() -> tuple[sa.Table, sa.Table]:
    versions = op.create_table(
        "kb_version",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("based_on", sa.Integer(), nullable=True),
        sa.Column("category", sa.String(length=200), nullable=False),
        sa.Column("department", sa.String(length=200), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("lines", sa.JSON(), nullable=False),
        sa.Column("audience", sa.String(length=100), nullable=False),
        sa.Column("safety", sa.String(length=16), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("variants", sa.JSON(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("keywords", sa.JSON(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.String(length=100), nullable=False),
        sa.Column("login", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("safety IN ('none', 'ask', 'handoff')", name="kb_version_safety"),
        sa.CheckConstraint("valid_from <= valid_to", name="kb_version_validity"),
        sa.CheckConstraint("version >= 1", name="kb_version_number"),
        sa.PrimaryKeyConstraint("id", "version"),
    )
    steps = op.create_table(
        "kb_step",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.String(length=100), nullable=False),
        sa.Column("login", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "status IN ('draft', 'in_review', 'approved', 'published', 'expired', 'withdrawn')",
            name="kb_step_status",
        ),
        sa.CheckConstraint(
            "effective_at IS NOT NULL OR status NOT IN ('published', 'expired', 'withdrawn')",
            name="kb_step_effective",
        ),
        sa.ForeignKeyConstraint(
            ["id", "version"], ["kb_version.id", "kb_version.version"], name="kb_step_version"
        ),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("kb_step_of_version", "kb_step", ["id", "version"])
    return versions, steps


def _version(row: sa.RowMapping) -> dict[str, object]:
    kept = {name: row[name] for name in _KEPT}
    based_on = row["version"] - 1 or None
    return kept | {
        "based_on": based_on, "lines": [], "audience": "", "safety": "none", "login": "",
    }  # fmt: skip


def _steps(row: sa.RowMapping) -> list[dict[str, object]]:
    """What the one status of old meant, as steps; approved was spoken from `valid_from` on."""
    signed = {name: row[name] for name in ("id", "version", "recorded_at", "recorded_by", "reason")}
    effective = _later(row["recorded_at"], row["valid_from"])
    return [
        signed | {
            "login": "",
            "status": status,
            "effective_at": effective if status in ("published", "expired") else None,
        }
        for status in _STEPS[row["status"]]
    ]  # fmt: skip


def _later(recorded: datetime, valid_from: date) -> datetime:
    if recorded.tzinfo is None:
        recorded = recorded.replace(tzinfo=UTC)
    begins = datetime.combine(valid_from, time.min, _HAINAN).astimezone(UTC)
    return max(recorded, begins)


def downgrade() -> None:
    raise NotImplementedError("Steps cannot be put back into one status; use a backup.")
