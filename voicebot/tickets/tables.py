"""What is kept beside a ticket: its history, its reminders, and the rules made of disputes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.records.tables import Base


class TicketStepRow(Base):
    """One act on a ticket: who, when, why. Only added, never changed."""

    __tablename__ = "ticket_step"
    # What was returned or disputed (voicebot.tickets.disputes), among a hundred times as many.
    __table_args__ = (Index("ix_ticket_step_by_act", "act", "at"),)

    ticket: Mapped[str] = mapped_column(String(128), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    """Counts up in a ticket: of two acts on the same version one fails."""
    at: Mapped[float] = mapped_column(index=True)
    act: Mapped[str] = mapped_column(String(12))
    """`voicebot.tickets.life.Kind`."""
    before: Mapped[str] = mapped_column(String(12))
    after: Mapped[str] = mapped_column(String(12))
    who: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(16))
    why: Mapped[str] = mapped_column(Text, default="")
    department: Mapped[str] = mapped_column(Text, default="")
    """Whose ticket it was when the act was done; of a dispatch, whose it is now."""
    details: Mapped[dict[str, Any]]


class TicketReminderRow(Base):
    """One reminder (催办, 督办) of one deadline."""

    __tablename__ = "ticket_reminder"

    ticket: Mapped[str] = mapped_column(String(128), primary_key=True)
    deadline: Mapped[float] = mapped_column(primary_key=True, autoincrement=False)
    level: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    """`voicebot.tickets.supervision.Level`."""
    at: Mapped[float] = mapped_column(index=True)
    department: Mapped[str] = mapped_column(Text, default="")
    text: Mapped[str] = mapped_column(Text)


class DispatchRuleRow(Base):
    """What was decided in 会商: whose such matters are from now on."""

    __tablename__ = "dispatch_rule"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    words: Mapped[list[str]]
    """All of them must be in the matter."""
    region: Mapped[str] = mapped_column(String(6), default="")
    """GB/T 2260 code of where it holds; empty: everywhere."""
    department: Mapped[str] = mapped_column(Text)
    decided_at: Mapped[float]
    decided_by: Mapped[str] = mapped_column(String(100))
    source: Mapped[str] = mapped_column(Text)
    """The minutes (会商纪要) that it stands in."""
    withdrawn_at: Mapped[float | None]
    withdrawn_by: Mapped[str] = mapped_column(String(100), default="", server_default="")
