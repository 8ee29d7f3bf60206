"""The processes with calls, as each says in the database that it lives."""

from __future__ import annotations

from sqlalchemy import String
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
