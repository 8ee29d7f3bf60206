"""matters from Internet channels

Revision: 0012
After: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "internet_matter",
        sa.Column("sender", sa.String(64), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("number", sa.String(128), nullable=False),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("sender", "key", name="pk_internet_matter"),
    )
    op.create_index("ix_internet_matter_at", "internet_matter", ["at"])


def downgrade() -> None:
    op.drop_table("internet_matter")
