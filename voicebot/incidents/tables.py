"""Tables of incidents, their members, what was done with them, and their announcements."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String

from voicebot.records.tables import Base


class IncidentRow(Base):
    """One event that several callers may have called about."""

    __tablename__ = "incident"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    opened_at: Mapped[float] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(String(8), default="open", index=True)
    """``open`` | ``closed``."""
    closed_at: Mapped[float | None]
    merged_into: Mapped[str | None] = mapped_column(String(32))


class IncidentMemberRow(Base):
    """A hand-off in its incident: each is in one, and has its own call and dossier."""

    __tablename__ = "incident_member"

    handoff: Mapped[str] = mapped_column(String(128), primary_key=True)
    incident: Mapped[str] = mapped_column(String(32), index=True)
    call_id: Mapped[str] = mapped_column(String(128), index=True)
    at: Mapped[float] = mapped_column(index=True)
    """When the hand-off was requested, seconds since the epoch."""
    region: Mapped[str | None] = mapped_column(String(6))
    category: Mapped[int | None]
    lines: Mapped[list[str]]
    words: Mapped[str] = mapped_column(Text)
    """What the caller has said, as in the dossier."""
    risk: Mapped[float] = mapped_column(default=0.0, server_default="0")
    """To life, 0 to 11 (`flows.waiting_risk`): the page shows the worst first."""
    by_hand: Mapped[bool]
    """A supervisor put it here: it stays."""
    revision: Mapped[int]
    """Of the dossier that this was read from."""


class IncidentStepRow(Base):
    """What somebody did with an incident; only added."""

    __tablename__ = "incident_step"

    id: Mapped[int] = mapped_column(primary_key=True)
    incident: Mapped[str] = mapped_column(String(32), index=True)
    at: Mapped[float]
    who: Mapped[str] = mapped_column(String(100))
    act: Mapped[str] = mapped_column(String(16))
    """``open`` | ``merge`` | ``split`` | ``close`` | ``announce`` | ``approve`` | ``withdraw``."""
    details: Mapped[dict[str, Any]]


class AnnouncementRow(Base):
    """What new callers are told about an incident; spoken only once another person approved it."""

    __tablename__ = "incident_announcement"

    id: Mapped[int] = mapped_column(primary_key=True)
    incident: Mapped[str] = mapped_column(String(32), index=True)
    text: Mapped[str] = mapped_column(Text)
    did: Mapped[str] = mapped_column(String(64))
    """The dialled number that it is for, "" for all."""
    region: Mapped[str] = mapped_column(String(6))
    """GB/T 2260 code of where the callers are known to be, "" for all."""
    proposed_by: Mapped[str] = mapped_column(String(100))
    proposed_at: Mapped[float]
    approved_by: Mapped[str | None] = mapped_column(String(100))
    approved_at: Mapped[float | None]
    ended_by: Mapped[str | None] = mapped_column(String(100))
    ended_at: Mapped[float | None]
