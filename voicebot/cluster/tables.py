"""The processes with calls, as each says in the database that it lives; the lines they share."""

from __future__ import annotations

from sqlalchemy import Boolean, Float, Index, Integer, String, sql
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.records.tables import Base


class MediaRunRow(Base):
    """One start of a process with calls, until nothing of it is left to be done."""

    __tablename__ = "media_run"

    run: Mapped[str] = mapped_column(String(32), primary_key=True)
    node: Mapped[str] = mapped_column(String(64))
    """`server.node`, or what stands for it."""
    began_at: Mapped[float]
    """Seconds since the epoch by the database's clock, like the two that follow."""
    seen_at: Mapped[float]
    lost_at: Mapped[float | None]
    """Since when it is given up and its calls are ended; its next sign of life takes it back."""


class PoliceLineRow(Base):
    """One of the lines that we have to a number of the duty directory (`handoff.lines`).

    Where nobody knows that it is free (`doubtful`), others than our callers have it: the number
    was busy. One of those who wait tries it from `quiet_until` on.
    """

    __tablename__ = "police_line"

    destination: Mapped[str] = mapped_column(String(64), primary_key=True)
    slot: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    """From 0; those above the number of lines were dialled while nobody could count."""
    call_id: Mapped[str] = mapped_column(String(128), default="", server_default="")
    """Whose it is; of a process that died, until it is another's."""
    run: Mapped[str] = mapped_column(String(32), default="", server_default="")
    """Of the process that has the call."""
    taking: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    """Counted by that process: it tells a line that it has given up from one it is being given."""
    taken_at: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    """Seconds since the epoch by the database's clock, like the two that follow."""
    kept_until: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    """It is free from then on, whatever becomes of the process."""
    doubtful: Mapped[bool] = mapped_column(Boolean, default=False, server_default=sql.false())
    quiet_until: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")


class PoliceLineWantedRow(Base):
    """A caller of some process who waits for a line to a number."""

    __tablename__ = "police_line_wanted"
    __table_args__ = (Index("ix_police_line_wanted_by_number", "destination"),)

    call_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    destination: Mapped[str] = mapped_column(String(64), primary_key=True)
    run: Mapped[str] = mapped_column(String(32), index=True)
    score: Mapped[float]
    """`flows.waiting_risk.Risk.score`."""
    since: Mapped[float]
    """When it began to wait; seconds since the epoch by the database's clock."""
    idle: Mapped[bool] = mapped_column(Boolean)
    """Nothing rings for it: it may try a line that is doubtful."""
    kept_until: Mapped[float]
    """Nobody waits behind it from then on, unless its process has said more."""


class PoliceLineCountRow(Base):
    """How many lines a number has, as a process has it in its `handoff.lines`."""

    __tablename__ = "police_line_count"

    run: Mapped[str] = mapped_column(String(32), primary_key=True)
    destination: Mapped[str] = mapped_column(String(64), primary_key=True)
    lines: Mapped[int]
    kept_until: Mapped[float]
    """It counts no more from then on; seconds since the epoch by the database's clock."""
