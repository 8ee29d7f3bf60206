"""a call's key, the same at each node that its caller's switch tries

Revision: 0031
After: 0030
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "answered_offer",
        sa.Column("offer_key", sa.String(24), nullable=False),
        sa.Column("call_id", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("offer_key", name="pk_answered_offer"),
    )
    op.add_column("refused_call", sa.Column("offer_key", sa.String(24), nullable=True))
    op.create_index("ix_refused_call_offer_key", "refused_call", ["offer_key"])


def downgrade() -> None:
    op.drop_index("ix_refused_call_offer_key", "refused_call")
    with op.batch_alter_table("refused_call") as table:
        table.drop_column("offer_key")
    op.drop_table("answered_offer")
