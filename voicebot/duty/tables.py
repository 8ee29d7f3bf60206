"""Tables of rotas, of what was changed in the directory, and of notices with their receipts."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import JSON, Date, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.records.tables import Base


class DutyShiftRow(Base):
    """One person's hours on a line (值班表): `voicebot.duty.rota.Shift`."""

    __tablename__ = "duty_shift"

    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    """Line, place, days, beginning, rank and first day: what a file says anew replaces it."""
    line: Mapped[str] = mapped_column(String(16), index=True)
    region: Mapped[str] = mapped_column(String(6))
    days: Mapped[str] = mapped_column(String(10))
    start: Mapped[int]
    end: Mapped[int]
    """Minutes of the day."""
    rank: Mapped[int]
    person: Mapped[str] = mapped_column(String(64))
    phone: Mapped[str] = mapped_column(String(20))
    email: Mapped[str] = mapped_column(String(254))
    webhook: Mapped[str] = mapped_column(Text)
    valid_from: Mapped[date | None] = mapped_column(Date)
    valid_to: Mapped[date | None] = mapped_column(Date)


class DutyChangeRow(Base):
    """One row of the directory or of a rota before and after somebody changed it; only added."""

    __tablename__ = "duty_change"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float] = mapped_column(index=True)
    who: Mapped[str] = mapped_column(String(100))
    login: Mapped[str] = mapped_column(String(100))
    why: Mapped[str] = mapped_column(Text)
    what: Mapped[str] = mapped_column(String(8))
    """``number`` | ``shift``."""
    key: Mapped[str] = mapped_column(String(128), index=True)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class DutyNoticeRow(Base):
    """Something that a line must know of (联动通知), until somebody on duty says he has it."""

    __tablename__ = "duty_notice"
    __table_args__ = (Index("ix_duty_notice_due", "state", "due_at"),)

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), unique=True)
    line: Mapped[str] = mapped_column(String(16))
    region: Mapped[str] = mapped_column(String(6))
    subject: Mapped[str] = mapped_column(String(128))
    """Number of the hand-off, ticket or order."""
    caller: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text, default="", server_default="")
    """What a reminder (督办) says; "" for a hand-off."""
    state: Mapped[str] = mapped_column(String(12))
    """``open`` | ``alarm`` (nobody is left to tell) | ``acknowledged`` | ``desk`` (the line has
    no rota: its desk has the message from the outbox, and a reminder stands on its ticket)."""
    told: Mapped[int]
    """People who were told so far, by their place in the order."""
    created_at: Mapped[float]
    due_at: Mapped[float]
    """When it is looked at again."""
    acknowledged_at: Mapped[float | None]
    acknowledged_by: Mapped[str] = mapped_column(String(100))


class DutyMessageRow(Base):
    """One message of a notice to one person over one channel: sent at least once."""

    __tablename__ = "duty_message"
    __table_args__ = (Index("ix_duty_message_due", "state", "next_attempt_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    """Notice, place in the order and channel; the receiver keeps what comes twice once."""
    notice: Mapped[str] = mapped_column(String(16), index=True)
    channel: Mapped[str] = mapped_column(String(8))
    """``webhook`` | ``sms`` | ``email``."""
    person: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(Text)
    payload: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(12))
    """``waiting`` | ``delivered`` | ``void`` (not needed any more)."""
    attempts: Mapped[int]
    created_at: Mapped[float]
    next_attempt_at: Mapped[float]
    delivered_at: Mapped[float | None]
    last_error: Mapped[str] = mapped_column(Text)
