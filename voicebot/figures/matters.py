"""What callers called about: their questions and the matters of their tickets, masked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.asked import read_asked
from voicebot.masking import mask_text
from voicebot.records.tables import CallRow, TicketRow

LONGEST = 80
"""Characters of a matter that are compared and may be shown."""
PROVINCE = "460000"


@dataclass(frozen=True, slots=True)
class Matter:
    """`text` is masked; `at` is the call's begin, seconds since the epoch."""

    call_id: str
    at: float
    text: str
    region: str
    """City or county (GB/T 2260), "" where the caller did not say."""


def read_matters(session: Session, since: float, until: float) -> Iterator[Matter]:
    """The matters of the calls that began in [since, until) and are over."""
    over = {
        call: (started or 0.0, region)
        for call, started, region in session.execute(
            select(CallRow.id, CallRow.started_at, CallRow.region).where(
                CallRow.started_at >= since,
                CallRow.started_at < until,
                CallRow.ended_at.is_not(None),
            )
        )
    }
    for asked in read_asked(session, since, until):
        if asked.call_id in over:
            started, region = over[asked.call_id]
            yield _matter(asked.call_id, started, asked.query, asked.region or region)
    tickets = (
        select(TicketRow.call_id, TicketRow.matter, TicketRow.region)
        .join(CallRow, CallRow.id == TicketRow.call_id)
        .where(
            CallRow.started_at >= since,
            CallRow.started_at < until,
            TicketRow.status != "withdrawn",
        )
        .order_by(TicketRow.created_at)
    )
    for call, text, place in session.execute(tickets):
        if call in over and text.strip():
            started, region = over[call]
            yield _matter(call, started, text, place or region)


def city(region: str | None) -> str:
    """460100 for 460106 and for itself; "" for the whole province or none."""
    if not region or region == PROVINCE:
        return ""
    return region if region[2:4] == "90" else f"{region[:4]}00"


def _matter(call: str, at: float, text: str, region: str | None) -> Matter:
    return Matter(call, at, mask_text(text.strip())[:LONGEST], city(region))
