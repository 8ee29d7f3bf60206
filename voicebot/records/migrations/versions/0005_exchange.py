"""orders, receipts and both ledgers of the 110 exchange

Revision: 0005
After: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exchange_ledger",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("sender", sa.String(length=8), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("sent_at", sa.Float(), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_exchange_ledger")),
        sa.UniqueConstraint("direction", "id", name=op.f("uq_exchange_ledger_direction")),
    )
    op.create_index("ix_exchange_ledger_subject", "exchange_ledger", ["subject", "sequence"])
    op.create_index(op.f("ix_exchange_ledger_sent_at"), "exchange_ledger", ["sent_at"])
    op.create_index("ix_exchange_ledger_day", "exchange_ledger", ["day", "number"])
    op.create_table(
        "exchange_outbox",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("envelope", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("next_attempt_at", sa.Float(), nullable=False),
        sa.Column("delivered_at", sa.Float(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_exchange_outbox")),
        sa.UniqueConstraint("id", name=op.f("uq_exchange_outbox_id")),
        sa.UniqueConstraint("subject", "sequence", name=op.f("uq_exchange_outbox_subject")),
    )
    op.create_index(
        "ix_exchange_outbox_due", "exchange_outbox", ["state", "priority", "next_attempt_at"]
    )
    op.create_table(
        "exchange_inbox",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("envelope", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("applied_at", sa.Float(), nullable=True),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_exchange_inbox")),
        sa.UniqueConstraint("id", "content_hash", name=op.f("uq_exchange_inbox_id")),
    )
    op.create_index("ix_exchange_inbox_subject", "exchange_inbox", ["subject", "sequence"])
    op.create_index("ix_exchange_inbox_state", "exchange_inbox", ["state", "received_at"])


def downgrade() -> None:
    op.drop_table("exchange_inbox")
    op.drop_table("exchange_outbox")
    op.drop_table("exchange_ledger")
