"""the newest version of each knowledge-base entry in short, for lists

Revision: 0021
After: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kb_entry",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("department", sa.String(200), nullable=False),
        sa.Column("region", sa.String(6), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_kb_entry_step", "kb_entry", ["step"])
    for column in ("status", "department", "region"):
        op.create_index(f"ix_kb_entry_{column}", "kb_entry", [column, "step"])
    op.create_index("ix_kb_entry_valid_to", "kb_entry", ["valid_to", "id"])
    op.execute(
        """
        INSERT INTO kb_entry (id, version, status, department, region, question, valid_from,
                              valid_to, step)
        SELECT v.id, v.version, s.status, v.department, v.region, v.question, v.valid_from,
               v.valid_to, every_step.number
        FROM kb_version v
        JOIN (SELECT id, MAX(version) AS version FROM kb_version GROUP BY id) newest
          ON newest.id = v.id AND newest.version = v.version
        JOIN (SELECT id, version, MAX(number) AS number FROM kb_step GROUP BY id, version) last
          ON last.id = v.id AND last.version = v.version
        JOIN kb_step s ON s.number = last.number
        JOIN (SELECT id, MAX(number) AS number FROM kb_step GROUP BY id) every_step
          ON every_step.id = v.id
        """
    )


def downgrade() -> None:
    op.drop_table("kb_entry")
