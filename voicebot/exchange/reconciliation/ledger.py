"""Our own ledger, as it is compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from voicebot.exchange.reconciliation.days import Days
from voicebot.exchange.reconciliation.entries import Entry
from voicebot.exchange.tables import LedgerRow

_AT_ONCE = 2000


def entries(session: Session, days: Days) -> Iterator[Entry]:
    """What was sent on these days by either side, in any order."""
    lines: Select[*tuple[Any, ...]] = select(
        LedgerRow.id,
        LedgerRow.sender,
        LedgerRow.kind,
        LedgerRow.subject,
        LedgerRow.sequence,
        LedgerRow.content_hash,
        LedgerRow.state,
        LedgerRow.sent_at,
        LedgerRow.at,
    ).where(LedgerRow.day.in_([day.isoformat() for day in days]))
    for row in session.execute(lines.execution_options(yield_per=_AT_ONCE)):
        yield Entry(*row)
