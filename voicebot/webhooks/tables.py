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
        Index("ix_webhook_event_waiting", "waiting_for", "number"),
        Index("ix_webhook_event_subject", "webhook", "subject", "number"),
        Index("ix_webhook_event_age", "waiting_for", "at"),
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
    waiting_for: Mapped[str | None] = mapped_column(String(32))
    """`webhook`, until it is delivered. One column, so that PostgreSQL knows that nothing waits for
    one receiver while very much waits for another, and looks it up."""
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[float]
    delivered_at: Mapped[float | None]
    last_error: Mapped[str] = mapped_column(Text, default="")
