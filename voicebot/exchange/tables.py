"""The tables of the exchange with 110: what goes out, what came in, and a ledger of both.

No row here but nonces is ever deleted: both sides must first agree that they have the same
(reconciliation, R14). What an old envelope told may be (`voicebot.retention.beside`). Times are
seconds since the epoch.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.clock import BEIJING
from voicebot.records.tables import Base


def _day(context: Any) -> str:
    sent_at: float = context.get_current_parameters()["sent_at"]
    return datetime.fromtimestamp(sent_at, BEIJING).date().isoformat()


class LedgerRow(Base):
    """One message that was sent or received; 110 keeps the like, and both are compared."""

    __tablename__ = "exchange_ledger"
    __table_args__ = (
        UniqueConstraint("direction", "id"),
        Index("ix_exchange_ledger_subject", "subject", "sequence"),
        Index("ix_exchange_ledger_day", "day", "number"),
    )

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    """Counts up as rows are written; pages of the ledger go by it."""
    direction: Mapped[str] = mapped_column(String(3))
    """``out``: sent by us · ``in``: received."""
    id: Mapped[str] = mapped_column(String(128))
    """The message's idempotency key, the same on both sides."""
    kind: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(128))
    """Number of the work order, police order or hand-off."""
    sequence: Mapped[int]
    """Counts the messages about a subject of one sender: 1, 2, …"""
    sender: Mapped[str] = mapped_column(String(8))
    content_hash: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(12))
    """``waiting`` | ``applied`` (by the receiver) | ``refused`` | ``conflict``."""
    sent_at: Mapped[float] = mapped_column(index=True)
    """By the sender's clock, so that both sides count it to the same day."""
    day: Mapped[str] = mapped_column(String(10), default=_day)
    """2026-11-26: of `sent_at`, in Hainan."""
    at: Mapped[float]
    """When it was written here."""


class EnvelopeRow(Base):
    """An envelope on its way to 110: delivered at least once, in order for each subject."""

    __tablename__ = "exchange_outbox"
    __table_args__ = (
        UniqueConstraint("subject", "sequence"),
        Index("ix_exchange_outbox_due", "state", "priority", "next_attempt_at"),
    )

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    id: Mapped[str] = mapped_column(String(128), unique=True)
    subject: Mapped[str] = mapped_column(String(128))
    sequence: Mapped[int]
    priority: Mapped[int]
    """0: police orders, before all else; 1: the rest."""
    envelope: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(12), default="waiting")
    """``waiting`` | ``delivered``."""
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[float]
    next_attempt_at: Mapped[float]
    delivered_at: Mapped[float | None]
    last_error: Mapped[str] = mapped_column(Text, default="")


class InboxRow(Base):
    """An envelope that came in; one with the id of another and other content is kept as well."""

    __tablename__ = "exchange_inbox"
    __table_args__ = (
        UniqueConstraint("id", "content_hash"),
        Index("ix_exchange_inbox_subject", "subject", "sequence"),
        Index("ix_exchange_inbox_state", "state", "received_at"),
    )

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    id: Mapped[str] = mapped_column(String(128))
    content_hash: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(128))
    sequence: Mapped[int]
    envelope: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(12), default="waiting")
    """``waiting``: for an earlier one, or to be tried again · ``applied`` · ``refused``: its
    content cannot be taken · ``conflict``: its id or its place is another's."""
    reason: Mapped[str] = mapped_column(Text, default="")
    received_at: Mapped[float]
    applied_at: Mapped[float | None]
    times: Mapped[int] = mapped_column(default=1)
    """How often it came."""


class NonceRow(Base):
    """The nonce of a signed request, so that it holds once (`voicebot.exchange.nonces`)."""

    __tablename__ = "exchange_nonce"

    key_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    nonce: Mapped[str] = mapped_column(String(128), primary_key=True)
    until: Mapped[float] = mapped_column(index=True)
    """From then on the signature's time alone refuses a replay."""
