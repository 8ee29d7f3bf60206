"""nonces of 110's signed requests, kept as long as their time holds

Revision: 0013
After: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exchange_nonce",
        sa.Column("key_id", sa.String(length=128), nullable=False),
        sa.Column("nonce", sa.String(length=128), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "nonce", name=op.f("pk_exchange_nonce")),
    )
    op.create_index("ix_exchange_nonce_until", "exchange_nonce", ["until"])
    # Reconciliation goes by the day of the hand-off.
    op.drop_index("ix_outbox_created_at", "outbox")


def downgrade() -> None:
    op.create_index("ix_outbox_created_at", "outbox", ["created_at"])
    op.drop_table("exchange_nonce")
