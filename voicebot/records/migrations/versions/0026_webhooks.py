"""events for webhooks, and who wants which

Revision: 0026
After: 0025
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhook_subscription",
        sa.Column("webhook", sa.String(32), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("webhook", "event", name="pk_webhook_subscription"),
    )
    op.create_table(
        "webhook_event",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("webhook", sa.String(32), nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.Float(), nullable=False),
        sa.Column("delivered_at", sa.Float(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_webhook_event"),
        sa.UniqueConstraint("webhook", "id", name="uq_webhook_event_webhook"),
    )
    op.create_index("ix_webhook_event_waiting", "webhook_event", ["webhook", "state", "number"])
    op.create_index("ix_webhook_event_subject", "webhook_event", ["webhook", "subject", "number"])
    op.create_index("ix_webhook_event_age", "webhook_event", ["state", "at"])


def downgrade() -> None:
    op.drop_table("webhook_event")
    op.drop_table("webhook_subscription")
