"""reminders as notices; what the console asks of a million tickets; rules without a class

Revision: 0014
After: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("duty_notice", sa.Column("text", sa.Text(), nullable=False, server_default=""))
    op.create_index("ix_ticket_answered_at", "ticket", ["answered_at", "id"])
    # Nothing ever followed it.
    with op.batch_alter_table("dispatch_rule") as rule:
        rule.drop_column("classification")


def downgrade() -> None:
    with op.batch_alter_table("dispatch_rule") as rule:
        rule.add_column(
            sa.Column("classification", sa.String(16), nullable=False, server_default="")
        )
    op.drop_index("ix_ticket_answered_at", "ticket")
    with op.batch_alter_table("duty_notice") as notice:
        notice.drop_column("text")
