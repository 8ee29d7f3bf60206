"""incidents by risk to life, and when and where some topics were raised

Revision: 0027
After: 0026
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "incident_member", sa.Column("risk", sa.Float(), server_default="0", nullable=False)
    )
    op.create_index("ix_topic_matter_topic", "topic_matter", ["topic", "at"])


def downgrade() -> None:
    op.drop_index("ix_topic_matter_topic", "topic_matter")
    op.drop_column("incident_member", "risk")
