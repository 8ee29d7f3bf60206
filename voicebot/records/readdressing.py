"""What waits in the outbox follows its desk, whose address in the duty directory changes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.clock import BEIJING
from voicebot.duty.directory import notice_address
from voicebot.records.tables import DutyNumberRow, OutboxRow


def address(http_url: str) -> str:
    """Where a desk takes dossiers and notices; "" for a desk without an address."""
    return f"{http_url.rstrip('/')}/dossiers" if http_url else ""


def number_of(handoff: str, key: str) -> str:
    """The number of the directory that a dossier is for, from the key of its message."""
    return key.removeprefix(f"{handoff}:").partition(":")[2]


def readdress(session: Session, at: float) -> int:
    """Send what waits to where its desk is now, at once; how many messages moved.

    Parameters:
        at: seconds since the epoch.
    """
    desks = {
        number: address(http_url)
        for number, http_url in session.execute(
            select(DutyNumberRow.number, DutyNumberRow.http_url)
        )
    }
    moved = 0
    for row in session.scalars(select(OutboxRow).where(OutboxRow.state == "waiting")):
        if row.kind == "dossier":
            url = desks.get(number_of(row.handoff, row.key), row.url)
        else:
            line, region = row.payload["notice_for"], row.payload.get("region")
            url = address(
                notice_address(session, line, region, datetime.fromtimestamp(at, BEIJING))
            )
        if url in ("", row.url):  # better an old address than none
            continue
        row.url, row.attempts, row.next_attempt_at, row.last_error = url, 0, at, ""
        row.claimed_until = None
        moved += 1
    session.flush()
    return moved
