"""agents' ticket forms, and what 110 says of a hand-off by its link

Revision: 0020
After: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agent_draft",
        sa.Column("call_id", sa.String(128), nullable=False),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("typed", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("ticket", sa.String(128), nullable=False),
        sa.Column("disposition", sa.String(16), nullable=False),
        sa.Column("closed_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("call_id", name="pk_agent_draft"),
    )
    op.create_table(
        "handoff_word",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("handoff", sa.String(128), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_handoff_word"),
    )
    op.create_index("ix_handoff_word_handoff", "handoff_word", ["handoff"])


def downgrade() -> None:
    op.drop_table("handoff_word")
    op.drop_table("agent_draft")
