"""What was published, told at the commit: `kb` knows nothing of events.

Imported where databases are opened (`voicebot.records.database`), so that it counts for every
process that writes the knowledge base.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from kb.ledger import DECIDED
from kb.store import published_revision
from voicebot.webhooks.telling import Told, tell

MOST_NAMED = 200
"""Entries of one event: a file may publish tens of thousands."""


def knowledge_published(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """``{"revision", "count", "entries": [{"entry", "version", "status", "effective_at"}]}``:
    the first `MOST_NAMED` of `count`; `status` is published, expired or withdrawn.
    """
    revision, at = published_revision(session), rows[0]["recorded_at"].timestamp()
    data = {
        "revision": revision,
        "count": len(rows),
        "entries": [
            {
                "entry": row["id"],
                "version": row["version"],
                "status": row["status"],
                "effective_at": row["effective_at"].timestamp(),
            }
            for row in rows[:MOST_NAMED]
        ],
    }
    tell(session, Told("knowledge.published", "knowledge", at, str(revision), data))


@event.listens_for(Session, "before_commit")
def _tell(session: Session) -> None:
    if session.in_nested_transaction():
        return
    if rows := session.info.pop(DECIDED, None):
        knowledge_published(session, rows)


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, ended: SessionTransaction) -> None:
    if not ended.nested:
        session.info.pop(DECIDED, None)
