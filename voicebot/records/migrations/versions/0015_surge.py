"""surge control: orders by hand, and why each call went where it went

Revision: 0015
After: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "surge_order",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("line", sa.String(64), nullable=False),
        sa.Column("order", sa.String(12), nullable=False),
        sa.Column("given_at", sa.Float(), nullable=False),
        sa.Column("until_at", sa.Float(), nullable=False),
        sa.Column("given_by", sa.String(64), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("ended_by", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_surge_order"),
    )
    op.create_index("ix_surge_order_until", "surge_order", ["until_at"])
    op.create_table(
        "surge_decision",
        sa.Column("call_id", sa.String(128), nullable=False),
        sa.Column("line", sa.String(64), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("destination", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(20), nullable=False),
        sa.Column("mode", sa.String(8), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name="pk_surge_decision"),
    )
    op.create_index("ix_surge_decision_at", "surge_decision", ["at"])


def downgrade() -> None:
    op.drop_table("surge_decision")
    op.drop_table("surge_order")
