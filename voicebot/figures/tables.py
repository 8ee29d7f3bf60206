"""What only the figures need to keep. Times named `…_at` and `at` are seconds since the epoch."""

from __future__ import annotations

from sqlalchemy import Boolean, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.records.tables import Base


class RefusedCallRow(Base):
    """A call that was offered and not answered; of its caller nothing is kept."""

    __tablename__ = "refused_call"

    call_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    did: Mapped[str] = mapped_column(String(64), default="")
    reason: Mapped[str] = mapped_column(String(16))
    """`telephony.call_control.Rejection`, or ``not_answered``: the line was gone first."""
    at: Mapped[float] = mapped_column(index=True)
    offer_key: Mapped[str | None] = mapped_column(String(24), index=True)
    """`voicebot.admission.offer_key`; None: from before there were any."""


class AnsweredOfferRow(Base):
    """A call that was answered, by the key that it has at whichever node; of its caller nothing is
    kept (`voicebot.figures.refusals`).
    """

    __tablename__ = "answered_offer"

    offer_key: Mapped[str] = mapped_column(String(24), primary_key=True)
    call_id: Mapped[str] = mapped_column(String(128))


class DivertedCallRow(Base):
    """A call that was given to people unanswered; of its caller nothing is kept."""

    __tablename__ = "diverted_call"

    call_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    did: Mapped[str] = mapped_column(String(64), default="")
    at: Mapped[float] = mapped_column(index=True)
    """When it rang for the first time."""
    call_back: Mapped[bool] = mapped_column(Boolean)
    """The number was noted for a call-back, and the caller was told so."""
    became: Mapped[str] = mapped_column(String(8), default="")
    """`telephony.call_control.Diversion`; "" while the caller waits, or where the service
    was gone first."""
    became_at: Mapped[float | None]


class TopicRow(Base):
    """What many callers mean (热点); its wordings are theirs, masked."""

    __tablename__ = "topic"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    label: Mapped[str] = mapped_column(Text)
    """The most frequent wording."""
    examples: Mapped[list[str]]
    """Masked wordings, `label` first; the topic is found again by what they mean."""
    first_at: Mapped[float]
    last_at: Mapped[float] = mapped_column(index=True)


class TopicMatterRow(Base):
    """One call's matter belongs to a topic; a call counts once for each."""

    __tablename__ = "topic_matter"
    __table_args__ = (
        # How often each was raised in a period, and when and where some of them were.
        Index("ix_topic_matter_at", "at", "topic"),
        Index("ix_topic_matter_topic", "topic", "at"),
    )

    topic: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    call_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    at: Mapped[float]
    day: Mapped[str] = mapped_column(String(10))
    """In Beijing, 2026-11-26."""
    region: Mapped[str] = mapped_column(String(6), default="")
    """City or county, GB/T 2260; "" where the caller did not say."""


class TopicAlarmRow(Base):
    """A topic was raised far beyond its own past on one day (`voicebot.figures.rising`)."""

    __tablename__ = "topic_alarm"

    topic: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    region: Mapped[str] = mapped_column(String(6), primary_key=True)
    """"" for the whole province."""
    count: Mapped[int]
    expected: Mapped[float]
    chance: Mapped[float]
    """How likely so many are by chance, 0…1."""
    new: Mapped[bool]
    """It has no past to be compared with."""
    raised_at: Mapped[float] = mapped_column(index=True)
