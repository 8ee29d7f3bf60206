"""What is kept about callers. Times named `…_at` are seconds since the epoch."""

from __future__ import annotations

from sqlalchemy import Boolean, Index, Integer, String, Text, sql
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.records.tables import Base


class NuisanceCallRow(Base):
    """A call that counts as nuisance (骚扰); proposals and evidence are made of these."""

    __tablename__ = "caller_nuisance"

    call_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    number: Mapped[str] = mapped_column(String(64), index=True)
    reason: Mapped[str] = mapped_column(String(16))
    """A key of `voicebot.callers.nuisance.REASONS`."""
    at: Mapped[float] = mapped_column(index=True)
    noted_by: Mapped[str] = mapped_column(String(64), default="")
    """Who marked it; "" for the call itself."""


class LimitRow(Base):
    """A number's limit (骚扰限制, R11), from its proposal on; its number goes when its time is
    over (`voicebot.retention.beside`)."""

    __tablename__ = "caller_limit"
    __table_args__ = (Index("ix_caller_limit_in_force", "state", "ends_at"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    number: Mapped[str] = mapped_column(String(64), index=True)
    state: Mapped[str] = mapped_column(String(12))
    """``proposed`` | ``in_force`` | ``dismissed`` | ``lifted``; past `ends_at` it is over."""
    reason: Mapped[str] = mapped_column(String(16))
    evidence: Mapped[list[str]]
    """Ids of calls."""
    proposed_at: Mapped[float]
    set_at: Mapped[float | None]
    set_by: Mapped[str] = mapped_column(String(64), default="")
    ends_at: Mapped[float | None]
    """The first moment without it: a midnight in Hainan."""
    appeal: Mapped[str] = mapped_column(String(12), default="")
    """"" | ``open`` | ``rejected`` | ``granted``"""
    reported: Mapped[str] = mapped_column(String(128), default="")
    """Number of the police order by which 110 was told."""


class LimitStepRow(Base):
    """What somebody did with a limit, or a caller against it."""

    __tablename__ = "caller_limit_step"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    limit_id: Mapped[int] = mapped_column(index=True)
    at: Mapped[float]
    step: Mapped[str] = mapped_column(String(12))
    """``proposed`` | ``set`` | ``dismissed`` | ``appealed`` | ``reviewed`` | ``lifted`` |
    ``reported``"""
    who: Mapped[str] = mapped_column(String(64))
    why: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(String(160), unique=True)
    """What makes the step this one, however often its write comes."""


class MissedCallRow(Base):
    """A call in which nobody was reached (漏接电话), until its number has been called back."""

    __tablename__ = "missed_call"
    __table_args__ = (Index("ix_missed_call_waiting", "state", "next_try_at"),)

    call_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    number: Mapped[str] = mapped_column(String(64), index=True)
    did: Mapped[str] = mapped_column(String(64), default="")
    at: Mapped[float] = mapped_column(index=True)
    why: Mapped[str] = mapped_column(String(12))
    """A key of `voicebot.callers.missed_rules.WHY`."""
    danger: Mapped[bool] = mapped_column(Boolean, default=False)
    state: Mapped[str] = mapped_column(String(12), default="waiting")
    """``waiting`` | ``reached`` | ``called_again`` | ``given_up`` | ``done``"""
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[float]
    calling: Mapped[bool] = mapped_column(Boolean, default=False, server_default=sql.false())
    """A node calls the number over it, and puts `next_try_at` off for as long as it lives
    (`missed_claims`)."""
    settled_at: Mapped[float | None]
    settled_by: Mapped[str] = mapped_column(String(64), default="")
    note: Mapped[str] = mapped_column(Text, default="")


class EvaluationRow(Base):
    """A caller was asked how content he is (满意度评价), and what he said."""

    __tablename__ = "evaluation"

    call_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    number: Mapped[str] = mapped_column(String(64), index=True)
    ticket: Mapped[str] = mapped_column(String(128), default="", index=True)
    asked_at: Mapped[float] = mapped_column(index=True)
    score: Mapped[int | None]
    """1 满意, 2 基本满意, 3 不满意; None: no reply."""
    via: Mapped[str] = mapped_column(String(8), default="")
    """``voice`` | ``key`` | ``agent``"""
    given_at: Mapped[float | None]
