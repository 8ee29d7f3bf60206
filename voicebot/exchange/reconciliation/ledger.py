"""Our own ledger, as it is compared and looked up."""

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
    within = _lines().where(LedgerRow.day.in_([day.isoformat() for day in days]))
    for row in session.execute(within.execution_options(yield_per=_AT_ONCE)):
        yield Entry(*row)


def of_subject(session: Session, subject: str) -> list[Entry]:
    """Every message about a ticket or an order, in the order of their sending."""
    about = _lines().where(LedgerRow.subject == subject)
    ordered = about.order_by(LedgerRow.sent_at, LedgerRow.number)
    return [Entry(*row) for row in session.execute(ordered)]


def _lines() -> Select[*tuple[Any, ...]]:
    return select(
        LedgerRow.id,
        LedgerRow.sender,
        LedgerRow.kind,
        LedgerRow.subject,
        LedgerRow.sequence,
        LedgerRow.content_hash,
        LedgerRow.state,
        LedgerRow.sent_at,
        LedgerRow.at,
    )
