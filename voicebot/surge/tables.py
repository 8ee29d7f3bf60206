"""What is kept about surge control. Times named `…_at` are seconds since the epoch."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.records.tables import Base


class SurgeOrderRow(Base):
    """What a supervisor ordered by hand; never deleted."""

    __tablename__ = "surge_order"
    __table_args__ = (Index("ix_surge_order_until", "until_at"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    line: Mapped[str] = mapped_column(String(64), default="")
    """The dialled number; "" for all lines."""
    order: Mapped[str] = mapped_column(String(12))
    """`voicebot.surge.orders.Order`"""
    given_at: Mapped[float]
    until_at: Mapped[float]
    """When it ends by itself, or was ended."""
    given_by: Mapped[str] = mapped_column(String(64))
    why: Mapped[str] = mapped_column(Text)
    ended_by: Mapped[str] = mapped_column(String(64), default="")
    """Who ended it before its time."""


class SurgeDecisionRow(Base):
    """Why a call went where it went; of its caller nothing is kept."""

    __tablename__ = "surge_decision"

    call_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    line: Mapped[str] = mapped_column(String(64), default="")
    at: Mapped[float] = mapped_column(index=True)
    destination: Mapped[str] = mapped_column(String(12))
    """`flows.surge.Destination`"""
    reason: Mapped[str] = mapped_column(String(20))
    """`flows.surge.Reason`"""
    mode: Mapped[str] = mapped_column(String(8))
    because: Mapped[str] = mapped_column(Text)
    """The sentence for the desk, as it was then."""
    figures: Mapped[dict[str, Any]]
    """What was known: waits, seats, queue, the bot, lines, the order in force."""
