"""What reconciliations found, and what became of it: nothing is deleted (可查、可看、可追溯)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.records.tables import Base


class ReconciliationRow(Base):
    """One comparison of both ledgers (对账). Times are seconds since the epoch."""

    __tablename__ = "reconciliation"

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    first_day: Mapped[str] = mapped_column(String(10))
    last_day: Mapped[str] = mapped_column(String(10))
    """Messages that were sent on these days were compared."""
    began_at: Mapped[float]
    ended_at: Mapped[float | None]
    """None: it is running, or was broken off."""
    principal: Mapped[str] = mapped_column(String(64))
    """Who asked for it; ``service``: the daily one."""
    ours: Mapped[int]
    theirs: Mapped[int]
    """Lines of either ledger."""
    found: Mapped[dict[str, Any]]
    """Differences by `Finding`."""
    unsettled: Mapped[int]
    """Of these, how many are not settled by it."""


class DifferenceRow(Base):
    """One difference from its finding to its end."""

    __tablename__ = "exchange_difference"
    __table_args__ = (
        UniqueConstraint("finding", "id"),
        Index("ix_exchange_difference_state", "state", "day"),
        Index("ix_exchange_difference_subject", "subject"),
    )

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    finding: Mapped[str] = mapped_column(String(20))
    id: Mapped[str] = mapped_column(String(128))
    """Of the message."""
    subject: Mapped[str] = mapped_column(String(128))
    sender: Mapped[str] = mapped_column(String(8))
    kind: Mapped[str] = mapped_column(String(16))
    day: Mapped[str] = mapped_column(String(10))
    """On which it was sent, ISO."""
    ours: Mapped[dict[str, Any] | None]
    theirs: Mapped[dict[str, Any] | None]
    """The lines of the ledgers, as they were when it was last seen."""
    repair: Mapped[str] = mapped_column(String(12))
    """`Repair`: what the rule says, or what a person decided."""
    state: Mapped[str] = mapped_column(String(8))
    """``open``: waits for a person or for a repair · ``mending``: repaired, until the next
    comparison proves it · ``settled``: both ledgers agree · ``closed``: a person leaves it."""
    found_at: Mapped[float]
    seen_in: Mapped[int]
    """`ReconciliationRow.number` of the last that found it."""
    settled_at: Mapped[float | None]
    decided_by: Mapped[str] = mapped_column(String(64), default="")
    note: Mapped[str] = mapped_column(Text, default="")
