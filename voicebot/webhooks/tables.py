"""Tables of webhooks. Times are seconds since the epoch."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.records.tables import Base


class WebhookSubscriptionRow(Base):
    """A receiver wants an event; follows the settings at each start of a service."""

    __tablename__ = "webhook_subscription"

    webhook: Mapped[str] = mapped_column(String(32), primary_key=True)
    event: Mapped[str] = mapped_column(String(32), primary_key=True)


class WebhookEventRow(Base):
    """An event on its way to one receiver."""

    __tablename__ = "webhook_event"
    __table_args__ = (
        UniqueConstraint("webhook", "id"),
        Index("ix_webhook_event_waiting", "webhook", "state", "number"),
        Index("ix_webhook_event_subject", "webhook", "subject", "number"),
        Index("ix_webhook_event_age", "state", "at"),
    )

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    """Grows with each event of a subject: its order."""
    webhook: Mapped[str] = mapped_column(String(32))
    """The receiver's name."""
    id: Mapped[str] = mapped_column(String(32))
    """The same for all receivers, and however often it is sent."""
    event: Mapped[str] = mapped_column(String(32))
    """`voicebot.config_webhooks.Event`"""
    subject: Mapped[str] = mapped_column(String(128))
    at: Mapped[float]
    """When it happened."""
    data: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(12), default="waiting")
    """``waiting`` | ``delivered``."""
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[float]
    delivered_at: Mapped[float | None]
    last_error: Mapped[str] = mapped_column(Text, default="")
