"""indexes of what the duty desk looks for among a million calls

Revision: 0022
After: 0021
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_call_by_line", "call", ["did", "started_at", "id"])
    op.create_index("ix_call_by_outcome", "call", ["outcome", "started_at", "id"])
    op.create_index("ix_handoff_by_reason", "handoff", ["reason", "requested_at", "id"])
    op.create_index("ix_caller_nuisance_at", "caller_nuisance", ["at"])
    op.create_index("ix_ticket_step_by_act", "ticket_step", ["act", "at"])


def downgrade() -> None:
    op.drop_index("ix_ticket_step_by_act", "ticket_step")
    op.drop_index("ix_caller_nuisance_at", "caller_nuisance")
    op.drop_index("ix_handoff_by_reason", "handoff")
    op.drop_index("ix_call_by_outcome", "call")
    op.drop_index("ix_call_by_line", "call")
