"""counts what running services have to take up apart from drafts and reviews

Revision: 0025
After: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kb_publication",
        sa.Column("singleton", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.CheckConstraint("singleton = 1", name="kb_publication_singleton"),
        sa.PrimaryKeyConstraint("singleton"),
    )
    op.execute(
        """
        INSERT INTO kb_publication (singleton, number, step)
        SELECT 1, number, (SELECT COALESCE(MAX(number), 0) FROM kb_step) FROM kb_revision
        """
    )


def downgrade() -> None:
    op.drop_table("kb_publication")
