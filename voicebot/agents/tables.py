"""What is kept of agents' desks and of the 110 view. Times are seconds since the epoch."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.records.tables import Base


class AgentDraftRow(Base):
    """The ticket form of one call, as far as an agent has filled it in."""

    __tablename__ = "agent_draft"

    call_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    agent: Mapped[str] = mapped_column(String(64))
    """Who typed last."""
    typed: Mapped[dict[str, Any]]
    """Fields that a person has typed; what is proposed for the others is worked out anew."""
    version: Mapped[int] = mapped_column(Integer)
    """Counts up with each change: of two pages on the same one the second is told."""
    updated_at: Mapped[float]
    ticket: Mapped[str] = mapped_column(String(128), default="")
    """The ticket that was made of it."""
    disposition: Mapped[str] = mapped_column(String(16), default="")
    """How the agent closed the call (`voicebot.agents.drafts.DISPOSITIONS`)."""
    closed_at: Mapped[float | None]


class HandoffWordRow(Base):
    """What somebody at 110 said of a hand-off by its signed link (`voicebot.agents.links`)."""

    __tablename__ = "handoff_word"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    handoff: Mapped[str] = mapped_column(String(128), index=True)
    at: Mapped[float]
    kind: Mapped[str] = mapped_column(String(12))
    """``acknowledged`` | ``feedback``"""
    who: Mapped[str] = mapped_column(String(64))
    """As he named himself: a link is for whoever holds it."""
    outcome: Mapped[str] = mapped_column(String(16), default="")
    """Of `voicebot.exchange.schema.Feedback`."""
    text: Mapped[str] = mapped_column(Text, default="")
