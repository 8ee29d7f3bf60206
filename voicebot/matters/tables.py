"""What came in from Internet channels, and what each was told: the same for the same key."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.records.tables import Base


class InternetMatterRow(Base):
    """One matter (网上诉求). The words themselves are in its ticket or police order."""

    __tablename__ = "internet_matter"

    sender: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Name of the channel's token."""
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    """Its own key for the matter (Idempotency-Key)."""
    content_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 of what was sent."""
    at: Mapped[float] = mapped_column(index=True)
    """Seconds since the epoch."""
    outcome: Mapped[str] = mapped_column(String(16))
    """`voicebot.matters.deciding.Outcome`."""
    number: Mapped[str] = mapped_column(String(128), default="")
    """Of the ticket or the police order that was made of it."""
    told: Mapped[dict[str, Any]]
    """The answer that was given."""
