"""what became of calls that surge control gave to people

Revision: 0018
After: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "diverted_call",
        sa.Column("call_id", sa.String(128), nullable=False),
        sa.Column("did", sa.String(64), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("call_back", sa.Boolean(), nullable=False),
        sa.Column("became", sa.String(8), nullable=False),
        sa.Column("became_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("call_id", name="pk_diverted_call"),
    )
    op.create_index("ix_diverted_call_at", "diverted_call", ["at"])


def downgrade() -> None:
    op.drop_table("diverted_call")
