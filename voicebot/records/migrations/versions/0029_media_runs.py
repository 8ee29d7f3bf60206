"""processes with calls, whose each call is, and what another has ended for one that is lost

Revision: 0029
After: 0028
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # First, while the table can be read: what adds a column to it locks out readers as well, and
    # building the index goes through all calls.
    op.create_index(
        "ix_call_running",
        "call",
        ["id"],
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "media_run",
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("began_at", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("lost_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("run", name="pk_media_run"),
    )
    op.add_column("call", sa.Column("run", sa.String(32), nullable=True))
    op.add_column(
        "call", sa.Column("lost", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column(
        "handoff",
        sa.Column("revisions_added", sa.Integer(), nullable=False, server_default="0"),
    )


def downgrade() -> None:
    with op.batch_alter_table("handoff") as table:
        table.drop_column("revisions_added")
    op.drop_index("ix_call_running", "call")
    with op.batch_alter_table("call") as table:
        table.drop_column("lost")
        table.drop_column("run")
    op.drop_table("media_run")
