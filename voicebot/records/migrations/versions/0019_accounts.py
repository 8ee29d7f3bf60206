"""accounts, their sessions, wrong passwords; the role kb becomes reviewer

Revision: 0019
After: 0018
"""

import time

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("key", sa.String(192), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("issuer", sa.String(255), nullable=True),
        sa.Column("subject", sa.String(255), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("password_at", sa.Float(), nullable=True),
        sa.Column("logged_in_at", sa.Float(), nullable=True),
        sa.Column("disabled_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("key", name="uq_account_key"),
    )
    op.create_index("uq_account_issuer_subject", "account", ["issuer", "subject"], unique=True)
    op.create_table(
        "web_session",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("account", sa.String(16), nullable=True),
        sa.Column("token", sa.String(16), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("ends_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_web_session"),
    )
    op.create_index("ix_web_session_account", "web_session", ["account"])
    op.create_index("ix_web_session_ends_at", "web_session", ["ends_at"])
    op.create_table(
        "login_brake",
        sa.Column("key", sa.String(96), nullable=False),
        sa.Column("level", sa.Float(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_login_brake"),
    )
    op.create_index("ix_login_brake_at", "login_brake", ["at"])
    op.execute("UPDATE access_token SET role = 'reviewer' WHERE role = 'kb'")


def downgrade() -> None:
    # Before, whoever wrote the knowledge base approved in it as well: no editor may wake up so.
    op.execute(
        sa.text(
            "UPDATE access_token SET revoked_at = :now WHERE role = 'editor' AND revoked_at IS NULL"
        ).bindparams(now=time.time())
    )
    op.execute("UPDATE access_token SET role = 'kb' WHERE role = 'reviewer'")
    for table in ("login_brake", "web_session", "account"):
        op.drop_table(table)
