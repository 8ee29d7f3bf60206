"""figures and hot topics

Revision: 0009
After: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("call") as table:
        table.add_column(sa.Column("offered_at", sa.Float(), nullable=True))
    with op.batch_alter_table("handoff") as table:
        table.add_column(sa.Column("first_destination", sa.String(length=64), nullable=True))
        table.add_column(sa.Column("connected_to", sa.String(length=64), nullable=True))
        table.add_column(sa.Column("returned_at", sa.Float(), nullable=True))
    # Of older hand-offs the last destination is the nearest to the truth.
    handoff = sa.table(
        "handoff",
        *(sa.column(name) for name in ("destination", "first_destination", "connected_to")),
        sa.column("connected_at"),
    )
    op.execute(handoff.update().values(first_destination=handoff.c.destination))
    op.execute(
        handoff.update()
        .where(handoff.c.connected_at.is_not(None))
        .values(connected_to=handoff.c.destination)
    )
    op.create_index("ix_handoff_requested_at", "handoff", ["requested_at"])
    op.create_table(
        "refused_call",
        sa.Column("call_id", sa.String(length=128), nullable=False),
        sa.Column("did", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name="pk_refused_call"),
    )
    op.create_index("ix_refused_call_at", "refused_call", ["at"])
    op.create_table(
        "topic",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("examples", sa.JSON(), nullable=False),
        sa.Column("first_at", sa.Float(), nullable=False),
        sa.Column("last_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_topic"),
    )
    op.create_index("ix_topic_last_at", "topic", ["last_at"])
    op.create_table(
        "topic_matter",
        sa.Column("topic", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("call_id", sa.String(length=128), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.PrimaryKeyConstraint("topic", "call_id", name="pk_topic_matter"),
    )
    op.create_index("ix_topic_matter_at", "topic_matter", ["at", "topic"])
    op.create_table(
        "topic_alarm",
        sa.Column("topic", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("expected", sa.Float(), nullable=False),
        sa.Column("chance", sa.Float(), nullable=False),
        sa.Column("new", sa.Boolean(), nullable=False),
        sa.Column("raised_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "day", "region", name="pk_topic_alarm"),
    )
    op.create_index("ix_topic_alarm_raised_at", "topic_alarm", ["raised_at"])


def downgrade() -> None:
    for name in ("topic_alarm", "topic_matter", "topic", "refused_call"):
        op.drop_table(name)
    op.drop_index("ix_handoff_requested_at", "handoff")
    with op.batch_alter_table("handoff") as table:
        for column in ("first_destination", "connected_to", "returned_at"):
            table.drop_column(column)
    with op.batch_alter_table("call") as table:
        table.drop_column("offered_at")
