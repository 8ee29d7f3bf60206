"""the life of a work order

Revision: 0006
After: 0005
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

WITHDRAWN = "（来电人已撤回）"
"""Until now this stood before the matter of a ticket that its caller withdrew."""

_WORDS = ("happened", "proposed_department", "proposal_reason", "answer")
_COUNTS = ("version", "returns", "extensions")
_MOMENTS = (
    "due_at",
    "dispatched_at",
    "accepted_at",
    "answered_at",
    "closed_at",
    "suspended_at",
    "escalated_at",
)
_INDEXED_MOMENTS = ("awaited_by", "remind_at", "disputed_at")
_FILTERS = ("status", "department", "region", "kind", "number")


def upgrade() -> None:
    with op.batch_alter_table("ticket") as ticket:
        _column(ticket, "kind", sa.String(12), "help")
        _column(ticket, "channel", sa.String(12), "telephone")
        _column(ticket, "classification", sa.String(16), "")
        _column(ticket, "tail", sa.String(4), "")
        _column(ticket, "status", sa.String(12), "created")
        _column(ticket, "police_order", sa.String(128), "")
        _column(ticket, "confidential", sa.Boolean(), sa.false())
        for name in _WORDS:
            _column(ticket, name, sa.Text(), "")
        for name in _COUNTS:
            _column(ticket, name, sa.Integer(), "0")
        ticket.add_column(sa.Column("main", sa.String(128)))
        ticket.add_column(sa.Column("proposal_confidence", sa.Float()))
        for name in (*_MOMENTS, *_INDEXED_MOMENTS):
            ticket.add_column(sa.Column(name, sa.Float()))
        for name in ("tail", "main", "police_order", *_INDEXED_MOMENTS):
            ticket.create_index(f"ix_ticket_{name}", [name])
        ticket.create_index("ix_ticket_newest", ["created_at", "id"])
        for name in _FILTERS:
            ticket.create_index(f"ix_ticket_by_{name}", [name, "created_at", "id"])
    op.execute(
        sa.text(
            "UPDATE ticket SET status = 'withdrawn', matter = substr(matter, :length + 1) "
            "WHERE substr(matter, 1, :length) = :mark"
        ).bindparams(length=len(WITHDRAWN), mark=WITHDRAWN)
    )
    _number_tails()
    op.create_table(
        "ticket_step",
        sa.Column("ticket", sa.String(128), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("act", sa.String(12), nullable=False),
        sa.Column("before", sa.String(12), nullable=False),
        sa.Column("after", sa.String(12), nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("ticket", "version", name="pk_ticket_step"),
    )
    op.create_index("ix_ticket_step_at", "ticket_step", ["at"])
    op.create_table(
        "ticket_reminder",
        sa.Column("ticket", sa.String(128), nullable=False),
        sa.Column("deadline", sa.Float(), autoincrement=False, nullable=False),
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ticket", "deadline", "level", name="pk_ticket_reminder"),
    )
    op.create_index("ix_ticket_reminder_at", "ticket_reminder", ["at"])
    op.create_table(
        "dispatch_rule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("classification", sa.String(16), nullable=False),
        sa.Column("words", sa.JSON(), nullable=False),
        sa.Column("region", sa.String(6), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.Float(), nullable=False),
        sa.Column("decided_by", sa.String(100), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("withdrawn_at", sa.Float()),
        sa.Column("withdrawn_by", sa.String(100), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_dispatch_rule"),
    )


def downgrade() -> None:
    for table in ("dispatch_rule", "ticket_reminder", "ticket_step"):
        op.drop_table(table)
    op.execute(
        sa.text("UPDATE ticket SET matter = :mark || matter WHERE status = 'withdrawn'").bindparams(
            mark=WITHDRAWN
        )
    )
    with op.batch_alter_table("ticket") as ticket:
        for name in _FILTERS:
            ticket.drop_index(f"ix_ticket_by_{name}")
        ticket.drop_index("ix_ticket_newest")
        for name in ("tail", "main", "police_order", *_INDEXED_MOMENTS):
            ticket.drop_index(f"ix_ticket_{name}")
        for name in (
            "kind",
            "channel",
            "classification",
            "tail",
            "status",
            "police_order",
            "confidential",
            *_WORDS,
            *_COUNTS,
            "main",
            "proposal_confidence",
            *_MOMENTS,
            *_INDEXED_MOMENTS,
        ):
            ticket.drop_column(name)


def _number_tails() -> None:
    """The last four digits of each id, which is what its caller was told."""
    ticket = sa.table("ticket", sa.column("id", sa.String), sa.column("tail", sa.String))
    connection = op.get_bind()
    for number in connection.execute(sa.select(ticket.c.id)).scalars().all():
        tail = "".join(digit for digit in number if digit in "0123456789")[-4:]
        connection.execute(sa.update(ticket).where(ticket.c.id == number).values(tail=tail))


def _column(
    ticket: BatchOperations, name: str, kind: sa.types.TypeEngine[Any], default: Any
) -> None:
    ticket.add_column(sa.Column(name, kind, nullable=False, server_default=default))
