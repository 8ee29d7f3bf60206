"""A notice is written in the transaction of what it tells; the worker does the rest."""

from __future__ import annotations

import hashlib

from sqlalchemy.orm import Session

from voicebot.duty.tables import DutyNoticeRow
from voicebot.records.inserting import insert


def open_notice(
    session: Session,
    *,
    key: str,
    line: str,
    region: str | None,
    subject: str,
    caller: str,
    at: float,
    text: str = "",
    told_from: float | None = None,
) -> str:
    """Whoever is on duty for a line is to be told; the notice's id.

    Idempotent: of one key there is one notice, however often it is written.

    Parameters:
        key: what it is about, for example ``H1/power``.
        region: GB/T 2260 code of the place, if known.
        subject: number of the hand-off, ticket or order.
        caller: the calling number; who is told sees it whole only on the line itself.
        at: seconds since the epoch.
        text: what a reminder says; "" for a hand-off.
        told_from: nobody is told before, seconds since the epoch; None: at once.
    """
    notice = hashlib.sha256(key.encode()).hexdigest()[:16]
    session.execute(
        insert(session, DutyNoticeRow).on_conflict_do_nothing(),
        {
            "id": notice,
            "key": key[:255],
            "line": line,
            "region": region or "",
            "subject": subject[:128],
            "caller": caller[:64],
            "state": "open",
            "told": 0,
            "created_at": at,
            "due_at": at if told_from is None else told_from,
            "text": text,
            "acknowledged_by": "",
        },
    )
    return notice
