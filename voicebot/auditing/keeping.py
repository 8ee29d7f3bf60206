"""Every audit row of a session becomes the next link of the chain as the session commits.

Whoever writes one adds an `AuditRow` to the session and no more. The rows are put aside until
the commit: only then the head of the chain is locked, so that no transaction holds it while it
waits for something else. On PostgreSQL that lock, on SQLite the database's, gives one order of
writers. A row of a savepoint that is rolled back stays: the act was tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import event, insert, select, update
from sqlalchemy.orm import Session, SessionTransaction

from voicebot.auditing.chain import GENESIS, Anchor, linked
from voicebot.records.tables import AuditHeadRow, AuditRow
from voicebot.records.texts import fitted_row

log = structlog.get_logger()

_ASIDE = "audit rows"
_HEAD = 1


def waits(session: Session, values: Mapping[str, Any]) -> bool:
    """A row of these values will be written when the session commits."""
    return any(
        all(row[name] == value for name, value in values.items())
        for row in session.info.get(_ASIDE, ())
    )


def lock_head(session: Session) -> Anchor:
    """The newest row; no other is written before this session's transaction ends."""
    head = session.execute(
        select(AuditHeadRow.last, AuditHeadRow.hash)
        .where(AuditHeadRow.id == _HEAD)
        # Two that find none would both begin a chain; the second fails at the key.
        .with_for_update()
    ).first()
    if head is not None:
        return Anchor(head.last, head.hash)
    newest = session.execute(
        select(AuditRow.id, AuditRow.hash).order_by(AuditRow.id.desc()).limit(1)
    ).first()
    if newest is not None:
        log.error("audit_head_missing", hint="voicebot audit verify")
    anchor = Anchor(newest.id, newest.hash) if newest is not None else Anchor(0, GENESIS)
    session.execute(insert(AuditHeadRow).values(id=_HEAD, last=anchor.id, hash=anchor.hash))
    return anchor


@event.listens_for(Session, "before_flush")
def _put_aside(session: Session, *_: object) -> None:
    for row in [each for each in session.new if isinstance(each, AuditRow)]:
        session.expunge(row)
        session.info.setdefault(_ASIDE, []).append(
            {
                "at": row.at,
                "principal": row.principal,
                "role": row.role,
                "action": row.action,
                "subject": row.subject or "",
                "client": row.client or "",
                "allowed": row.allowed is not False,
            }
        )


@event.listens_for(Session, "before_commit")
def _link(session: Session) -> None:
    if session.in_nested_transaction():
        return
    session.flush()
    rows = session.info.pop(_ASIDE, None)
    if not rows:
        return
    head = lock_head(session)
    links = []
    for row in rows:
        link = linked(fitted_row(AuditRow, row), head)
        head = Anchor(link["id"], link["hash"])
        links.append(link)
    session.execute(insert(AuditRow.__table__), links)  # type: ignore[arg-type]
    session.execute(
        update(AuditHeadRow).where(AuditHeadRow.id == _HEAD).values(last=head.id, hash=head.hash)
    )


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, ended: SessionTransaction) -> None:
    if not ended.nested:
        session.info.pop(_ASIDE, None)
