"""The audit becomes a chain of hashes; the rows that are there are its beginning.

Revision: 0017
After: 0016
"""

import sqlalchemy as sa
from alembic import op

from voicebot.auditing.chain import CONTENT, GENESIS, digest

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

AUDIT = sa.table(
    "audit",
    sa.column("id", sa.Integer),
    sa.column("at", sa.Float),
    *(sa.column(name, sa.String) for name in ("principal", "role", "action", "subject", "client")),
    sa.column("allowed", sa.Boolean),
    sa.column("previous", sa.String),
    sa.column("hash", sa.String),
)
HEAD = sa.table(
    "audit_head",
    sa.column("id", sa.Integer),
    sa.column("last", sa.Integer),
    sa.column("hash", sa.String),
)
BATCH = 1000


def upgrade() -> None:
    with op.batch_alter_table("audit") as audit:
        for name in ("previous", "hash"):
            audit.add_column(sa.Column(name, sa.String(64), nullable=False, server_default=""))
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    connection = op.get_bind()
    last, known = 0, GENESIS
    changed = (
        sa.update(AUDIT)
        .where(AUDIT.c.id == sa.bindparam("number"))
        .values(previous=sa.bindparam("link"), hash=sa.bindparam("own"))
    )
    while True:
        rows = connection.execute(
            sa.select(AUDIT).where(AUDIT.c.id > last).order_by(AUDIT.c.id).limit(BATCH)
        ).all()
        if not rows:
            break
        links = []
        for row in rows:
            content = {name: getattr(row, name) for name in CONTENT if name != "previous"}
            own = digest({**content, "previous": known})
            links.append({"number": row.id, "link": known, "own": own})
            last, known = row.id, own
        connection.execute(changed, links)
    connection.execute(sa.insert(HEAD).values(id=1, last=last, hash=known))
    with op.batch_alter_table("audit") as audit:
        for name in ("previous", "hash"):
            audit.alter_column(name, server_default=None)


def downgrade() -> None:
    op.drop_table("audit_head")
    with op.batch_alter_table("audit") as audit:
        audit.drop_column("hash")
        audit.drop_column("previous")
