"""what waits for a receiver of webhooks, in one column

Revision: 0028
After: 0027
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_webhook_event_age", "webhook_event")
    op.drop_index("ix_webhook_event_waiting", "webhook_event")
    op.add_column("webhook_event", sa.Column("waiting_for", sa.String(32), nullable=True))
    op.execute("UPDATE webhook_event SET waiting_for = webhook WHERE state = 'waiting'")
    with op.batch_alter_table("webhook_event") as table:
        table.drop_column("state")
    op.create_index("ix_webhook_event_waiting", "webhook_event", ["waiting_for", "number"])
    op.create_index("ix_webhook_event_age", "webhook_event", ["waiting_for", "at"])


def downgrade() -> None:
    op.drop_index("ix_webhook_event_age", "webhook_event")
    op.drop_index("ix_webhook_event_waiting", "webhook_event")
    op.add_column(
        "webhook_event",
        sa.Column("state", sa.String(12), nullable=False, server_default="delivered"),
    )
    op.execute("UPDATE webhook_event SET state = 'waiting' WHERE waiting_for IS NOT NULL")
    with op.batch_alter_table("webhook_event") as table:
        table.drop_column("waiting_for")
        table.alter_column("state", existing_type=sa.String(12), server_default=None)
    op.create_index("ix_webhook_event_waiting", "webhook_event", ["webhook", "state", "number"])
    op.create_index("ix_webhook_event_age", "webhook_event", ["state", "at"])
