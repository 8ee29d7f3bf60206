"""What waits in the outbox follows its desk, whose address in the duty directory changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from sqlalchemy import select, update
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
    again = {"attempts": 0, "next_attempt_at": at, "last_error": "", "claimed_until": None}
    moved = [
        {"id": number, "url": new, **again}
        for number, old, new in sorted(chain(_dossiers(session), _notices(session, at)))
        if new not in ("", old)  # better an old address than none
    ]
    if moved:
        session.execute(update(OutboxRow), moved)
    return len(moved)


def _dossiers(session: Session) -> Iterator[tuple[int, str, str]]:
    """Those that wait: id, address, and that of their number now."""
    numbers = session.execute(select(DutyNumberRow.number, DutyNumberRow.http_url))
    desks = {number: address(http_url) for number, http_url in numbers}
    waiting = select(OutboxRow.id, OutboxRow.url, OutboxRow.handoff, OutboxRow.key).where(
        OutboxRow.state == "waiting", OutboxRow.kind == "dossier"
    )
    for row in session.execute(waiting):
        yield row.id, row.url, desks.get(number_of(row.handoff, row.key), "")


def _notices(session: Session, at: float) -> Iterator[tuple[int, str, str]]:
    """Those that wait: id, address, and that of their line now."""
    moment = datetime.fromtimestamp(at, BEIJING)
    waiting = select(OutboxRow.id, OutboxRow.url, OutboxRow.payload).where(
        OutboxRow.state == "waiting", OutboxRow.kind == "notice"
    )
    for row in session.execute(waiting).all():
        line, region = row.payload["notice_for"], row.payload.get("region")
        yield row.id, row.url, address(notice_address(session, line, region, moment))
