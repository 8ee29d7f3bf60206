"""incidents

Revision: 0016
After: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TABLES = ("incident", "incident_member", "incident_step", "incident_announcement")


def upgrade() -> None:
    op.create_table(
        "incident",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("opened_at", sa.Float(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("closed_at", sa.Float(), nullable=True),
        sa.Column("merged_into", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_incident"),
    )
    op.create_index("ix_incident_opened_at", "incident", ["opened_at"])
    op.create_index("ix_incident_state", "incident", ["state"])
    op.create_table(
        "incident_member",
        sa.Column("handoff", sa.String(128), nullable=False),
        sa.Column("incident", sa.String(32), nullable=False),
        sa.Column("call_id", sa.String(128), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("region", sa.String(6), nullable=True),
        sa.Column("category", sa.Integer(), nullable=True),
        sa.Column("lines", sa.JSON(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("handoff", name="pk_incident_member"),
    )
    for column in ("incident", "call_id", "at"):
        op.create_index(f"ix_incident_member_{column}", "incident_member", [column])
    op.create_table(
        "incident_step",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("incident", sa.String(32), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("act", sa.String(16), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_incident_step"),
    )
    op.create_index("ix_incident_step_incident", "incident_step", ["incident"])
    op.create_table(
        "incident_announcement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("incident", sa.String(32), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("did", sa.String(64), nullable=False),
        sa.Column("region", sa.String(6), nullable=False),
        sa.Column("proposed_by", sa.String(100), nullable=False),
        sa.Column("proposed_at", sa.Float(), nullable=False),
        sa.Column("approved_by", sa.String(100), nullable=True),
        sa.Column("approved_at", sa.Float(), nullable=True),
        sa.Column("ended_by", sa.String(100), nullable=True),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_incident_announcement"),
    )
    op.create_index("ix_incident_announcement_incident", "incident_announcement", ["incident"])


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
