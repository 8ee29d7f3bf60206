"""A notice is acknowledged: once, by one person; nobody else is told of it any more."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from voicebot.duty.tables import DutyMessageRow, DutyNoticeRow
from voicebot.records.tables import AuditRow

_RECEIPT = re.compile(r"([0-9a-f]{16})-(\d{1,3})", re.ASCII)


def receipt_of(text: str) -> tuple[str, int] | None:
    """(notice, place in the order) of a receipt's id such as ``0123456789abcdef-1``."""
    found = _RECEIPT.fullmatch(text)
    return (found[1], int(found[2])) if found else None


def receipt_id(notice: str, place: int) -> str:
    return f"{notice}-{place}"


def acknowledge(
    session: Session, notice: str, place: int, by: str | None, at: float
) -> dict[str, Any] | None:
    """Put on record who has it; what was on record already stays.

    Parameters:
        place: who was told, in order; he acknowledges where `by` names nobody else.

    Returns:
        ``{"notice", "subject", "acknowledged_at", "acknowledged_by", "first"}``; None: there is
        no such notice, or nobody was told at that place and `by` names nobody.
    """
    row = session.get(DutyNoticeRow, notice, with_for_update=True)
    if row is None:
        return None
    by = (
        by
        or session.scalars(
            select(DutyMessageRow.person).where(DutyMessageRow.id.startswith(f"{notice}-{place}-"))
        ).first()
    )
    if by is None:
        return None
    first = row.acknowledged_at is None
    if first:
        row.state, row.acknowledged_at, row.acknowledged_by = "acknowledged", at, by[:100]
        session.execute(
            update(DutyMessageRow)
            .where(DutyMessageRow.notice == notice, DutyMessageRow.state == "waiting")
            .values(state="void")
        )
        session.add(
            AuditRow(
                at=at,
                principal=by[:64],
                role="duty",
                action="duty.acknowledge",
                subject=f"{notice} {row.subject}"[:255],
                client="",
                allowed=True,
            )
        )
    return {
        "notice": notice,
        "subject": row.subject,
        "acknowledged_at": row.acknowledged_at,
        "acknowledged_by": row.acknowledged_by,
        "first": first,
    }
