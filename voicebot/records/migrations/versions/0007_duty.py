"""duty rotas and notices

Revision: 0007
After: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("duty_number", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("days", sa.String(length=10), nullable=False, server_default="daily")
        )
        batch_op.add_column(sa.Column("start", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("end", sa.Integer(), nullable=False, server_default="1440"))
        batch_op.add_column(sa.Column("valid_from", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("valid_to", sa.Date(), nullable=True))
    op.create_table(
        "duty_shift",
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("line", sa.String(length=16), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("days", sa.String(length=10), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("webhook", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_duty_shift")),
    )
    op.create_index(op.f("ix_duty_shift_line"), "duty_shift", ["line"])
    op.create_table(
        "duty_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("who", sa.String(length=100), nullable=False),
        sa.Column("login", sa.String(length=100), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("what", sa.String(length=8), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_change")),
    )
    op.create_index(op.f("ix_duty_change_at"), "duty_change", ["at"])
    op.create_index(op.f("ix_duty_change_key"), "duty_change", ["key"])
    op.create_table(
        "duty_notice",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("line", sa.String(length=16), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("caller", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=False),
        sa.Column("acknowledged_at", sa.Float(), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_notice")),
        sa.UniqueConstraint("key", name=op.f("uq_duty_notice_key")),
    )
    op.create_index("ix_duty_notice_due", "duty_notice", ["state", "due_at"])
    op.create_table(
        "duty_message",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("notice", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("next_attempt_at", sa.Float(), nullable=False),
        sa.Column("delivered_at", sa.Float(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_message")),
    )
    op.create_index(op.f("ix_duty_message_notice"), "duty_message", ["notice"])
    op.create_index("ix_duty_message_due", "duty_message", ["state", "next_attempt_at"])


def downgrade() -> None:
    for table in ("duty_message", "duty_notice", "duty_change", "duty_shift"):
        op.drop_table(table)
    with op.batch_alter_table("duty_number", schema=None) as batch_op:
        for column in ("valid_to", "valid_from", "end", "start", "days"):
            batch_op.drop_column(column)
