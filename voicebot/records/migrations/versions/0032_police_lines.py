"""lines to 110 that processes share, and who waits for one

Revision: 0032
After: 0031
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "police_line",
        sa.Column("destination", sa.String(64), nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("call_id", sa.String(128), nullable=False, server_default=""),
        sa.Column("run", sa.String(32), nullable=False, server_default=""),
        sa.Column("taking", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("taken_at", sa.Float(), nullable=False, server_default="0"),
        sa.Column("kept_until", sa.Float(), nullable=False, server_default="0"),
        sa.Column("doubtful", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("quiet_until", sa.Float(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("destination", "slot", name="pk_police_line"),
    )
    op.create_table(
        "police_line_wanted",
        sa.Column("call_id", sa.String(128), nullable=False),
        sa.Column("destination", sa.String(64), nullable=False),
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("idle", sa.Boolean(), nullable=False),
        sa.Column("kept_until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "destination", name="pk_police_line_wanted"),
    )
    op.create_index("ix_police_line_wanted_by_number", "police_line_wanted", ["destination"])
    op.create_index("ix_police_line_wanted_run", "police_line_wanted", ["run"])
    op.create_table(
        "police_line_count",
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("destination", sa.String(64), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("kept_until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("run", "destination", name="pk_police_line_count"),
    )


def downgrade() -> None:
    op.drop_table("police_line_count")
    op.drop_table("police_line_wanted")
    op.drop_table("police_line")
