"""limited numbers, missed calls, evaluations

Revision: 0008
After: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "caller_nuisance",
        sa.Column("call_id", sa.String(length=128), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("noted_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name="pk_caller_nuisance"),
    )
    op.create_index("ix_caller_nuisance_number", "caller_nuisance", ["number"])
    op.create_table(
        "caller_limit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("proposed_at", sa.Float(), nullable=False),
        sa.Column("set_at", sa.Float(), nullable=True),
        sa.Column("set_by", sa.String(length=64), nullable=False),
        sa.Column("ends_at", sa.Float(), nullable=True),
        sa.Column("appeal", sa.String(length=12), nullable=False),
        sa.Column("reported", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_caller_limit"),
    )
    op.create_index("ix_caller_limit_number", "caller_limit", ["number"])
    op.create_index("ix_caller_limit_in_force", "caller_limit", ["state", "ends_at"])
    op.create_table(
        "caller_limit_step",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("limit_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("step", sa.String(length=12), nullable=False),
        sa.Column("who", sa.String(length=64), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_caller_limit_step"),
        sa.UniqueConstraint("key", name="uq_caller_limit_step_key"),
    )
    op.create_index("ix_caller_limit_step_limit_id", "caller_limit_step", ["limit_id"])
    op.create_table(
        "missed_call",
        sa.Column("call_id", sa.String(length=128), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("did", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("why", sa.String(length=12), nullable=False),
        sa.Column("danger", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.Float(), nullable=False),
        sa.Column("settled_at", sa.Float(), nullable=True),
        sa.Column("settled_by", sa.String(length=64), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name="pk_missed_call"),
    )
    op.create_index("ix_missed_call_number", "missed_call", ["number"])
    op.create_index("ix_missed_call_at", "missed_call", ["at"])
    op.create_index("ix_missed_call_waiting", "missed_call", ["state", "next_try_at"])
    op.create_table(
        "evaluation",
        sa.Column("call_id", sa.String(length=128), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("ticket", sa.String(length=128), nullable=False),
        sa.Column("asked_at", sa.Float(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=True),
        sa.Column("via", sa.String(length=8), nullable=False),
        sa.Column("given_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("call_id", name="pk_evaluation"),
    )
    op.create_index("ix_evaluation_number", "evaluation", ["number"])
    op.create_index("ix_evaluation_ticket", "evaluation", ["ticket"])
    op.create_index("ix_evaluation_asked_at", "evaluation", ["asked_at"])


def downgrade() -> None:
    for table in (
        "evaluation",
        "missed_call",
        "caller_limit_step",
        "caller_limit",
        "caller_nuisance",
    ):
        op.drop_table(table)
