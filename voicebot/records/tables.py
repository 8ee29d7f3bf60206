"""The tables of the application, as SQLAlchemy 2 models.

No foreign keys on purpose: a hand-off must be storable while the row of its call is
still in the spool, so each row stands by itself and is joined by id when it is read.
Times named `…_at` are seconds since the epoch; `start` and `end` of a turn and `at` of
an event are seconds since the call was answered.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import JSON, Boolean, Date, Float, Index, Integer, MetaData, String, Text, sql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own idiom
        dict[str, Any]: JSON,
        list[str]: JSON,
        float: Float,
    }


class CallRow(Base):
    """One call (通话)."""

    __tablename__ = "call"
    # By what desks look for, the newest first (voicebot.records.searching).
    __table_args__ = (
        Index("ix_call_by_line", "did", "started_at", "id"),
        Index("ix_call_by_outcome", "outcome", "started_at", "id"),
        # Those that run (voicebot.cluster.lost_nodes).
        Index(
            "ix_call_running",
            "id",
            sqlite_where=sql.text("ended_at IS NULL"),
            postgresql_where=sql.text("ended_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    caller: Mapped[str] = mapped_column(String(64), default="", index=True)
    did: Mapped[str] = mapped_column(String(64), default="")
    offered_at: Mapped[float | None]
    """When the line rang; `started_at` is when it was answered."""
    started_at: Mapped[float | None] = mapped_column(index=True)
    ended_at: Mapped[float | None]
    outcome: Mapped[str | None] = mapped_column(String(32))
    region: Mapped[str | None] = mapped_column(String(6))
    """GB/T 2260 code that the caller confirmed."""
    recording: Mapped[str] = mapped_column(Text, default="")
    run: Mapped[str | None] = mapped_column(String(32))
    """`MediaRunRow.run` of the process that has, or had, the call."""
    lost: Mapped[bool] = mapped_column(Boolean, default=False, server_default=sql.false())
    """Its end is another process's guess: the one that had the call gave no sign of life."""


class CallEventRow(Base):
    """What went into the dialogue core and what came out of it, in order."""

    __tablename__ = "call_event"

    call_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[float]
    direction: Mapped[str] = mapped_column(String(3))
    """``in``: an event; ``out``: an action."""
    kind: Mapped[str] = mapped_column(String(32))
    payload: Mapped[dict[str, Any]]


class TurnRow(Base):
    """One side's speech until its end (话轮)."""

    __tablename__ = "transcript_turn"

    call_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    side: Mapped[str] = mapped_column(String(8))
    """``caller`` | ``bot`` | ``110`` | ``seat``."""
    text: Mapped[str] = mapped_column(Text)
    start: Mapped[float]
    end: Mapped[float]
    entry: Mapped[str | None] = mapped_column(String(64))
    """The approved entry that was spoken."""
    final: Mapped[bool] = mapped_column(Boolean, default=True)


class TicketRow(Base):
    """A work order (工单)."""

    __tablename__ = "ticket"
    # Each by what the console filters, the newest first (voicebot.tickets.reading).
    __table_args__ = (
        Index("ix_ticket_newest", "created_at", "id"),
        Index("ix_ticket_by_status", "status", "created_at", "id"),
        Index("ix_ticket_by_department", "department", "created_at", "id"),
        Index("ix_ticket_by_region", "region", "created_at", "id"),
        Index("ix_ticket_by_kind", "kind", "created_at", "id"),
        Index("ix_ticket_by_number", "number", "created_at", "id"),
        # Who is asked how content he is (voicebot.callers.evaluations).
        Index("ix_ticket_answered_at", "answered_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    call_id: Mapped[str] = mapped_column(String(128), index=True)
    matter: Mapped[str] = mapped_column(Text)
    place: Mapped[str] = mapped_column(Text, default="")
    name: Mapped[str] = mapped_column(Text, default="")
    number: Mapped[str] = mapped_column(String(64), default="")
    region: Mapped[str | None] = mapped_column(String(6))
    department: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[float]
    updated_at: Mapped[float]
    """Of the newest words of the call; what people do with it is in `ticket_step`."""

    kind: Mapped[str] = mapped_column(String(12), default="help", server_default="help")
    """`voicebot.tickets.deadlines.Kind`."""
    channel: Mapped[str] = mapped_column(
        String(12), default="telephone", server_default="telephone"
    )
    """`voicebot.exchange.schema.bodies.Channel`: where it came from."""
    classification: Mapped[str] = mapped_column(String(16), default="", server_default="")
    tail: Mapped[str] = mapped_column(String(4), default="", server_default="", index=True)
    """The last four digits of `id`: the number that callers are told."""
    happened: Mapped[str] = mapped_column(Text, default="", server_default="")
    """When the matter was, as the caller said it and as it was understood."""
    confidential: Mapped[bool] = mapped_column(Boolean, default=False, server_default=sql.false())
    """The caller wants name and number kept from whoever handles it."""
    proposed_department: Mapped[str] = mapped_column(Text, default="", server_default="")
    proposal_confidence: Mapped[float | None]
    proposal_reason: Mapped[str] = mapped_column(Text, default="", server_default="")

    status: Mapped[str] = mapped_column(String(12), default="created", server_default="created")
    """`voicebot.tickets.life.Status`; this and what follows is changed by its steps alone."""
    version: Mapped[int] = mapped_column(default=0, server_default="0")
    """Of its newest `ticket_step`."""
    main: Mapped[str | None] = mapped_column(String(128), index=True)
    """The ticket of the same matter that this one is merged into (并案)."""
    returns: Mapped[int] = mapped_column(default=0, server_default="0")
    extensions: Mapped[int] = mapped_column(default=0, server_default="0")
    answer: Mapped[str] = mapped_column(Text, default="", server_default="")
    police_order: Mapped[str] = mapped_column(
        String(128), default="", server_default="", index=True
    )
    due_at: Mapped[float | None]
    """By when the caller is to be answered; set at the first dispatch."""
    awaited_by: Mapped[float | None] = mapped_column(index=True)
    """By when somebody has to do the next thing; None while nobody has to."""
    remind_at: Mapped[float | None] = mapped_column(index=True)
    """When the next reminder (督办) is due."""
    dispatched_at: Mapped[float | None]
    """The first time; so are `accepted_at` and `escalated_at`."""
    accepted_at: Mapped[float | None]
    answered_at: Mapped[float | None]
    closed_at: Mapped[float | None]
    suspended_at: Mapped[float | None]
    disputed_at: Mapped[float | None] = mapped_column(index=True)
    """Since when it counts as disputed (会商): refused twice, or by a person's word."""
    escalated_at: Mapped[float | None]


class HandoffRow(Base):
    """The transfer of a live call, with the newest state of its dossier."""

    __tablename__ = "handoff"
    __table_args__ = (Index("ix_handoff_by_reason", "reason", "requested_at", "id"),)

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    call_id: Mapped[str] = mapped_column(String(128), index=True)
    destination: Mapped[str] = mapped_column(String(64))
    """The number of the duty directory that is, or was last, tried."""
    first_destination: Mapped[str | None] = mapped_column(String(64))
    """The one it was opened for: ``seat``, or a 110."""
    region: Mapped[str | None] = mapped_column(String(6))
    category: Mapped[int | None]
    """1-7, annex 2 of 琼政务热线办〔2022〕3号."""
    lines: Mapped[list[str]]
    flags: Mapped[list[str]]
    reason: Mapped[str] = mapped_column(String(64))
    evidence: Mapped[list[str]]
    requested_at: Mapped[float] = mapped_column(index=True)
    connected_at: Mapped[float | None]
    """When a person was there; a hand-off has succeeded only then."""
    connected_to: Mapped[str | None] = mapped_column(String(64))
    """The number where that was."""
    returned_at: Mapped[float | None]
    """When 110 gave the caller back to 12345, or said so later: it was not its matter."""
    state: Mapped[str] = mapped_column(String(16), default="requested")
    state_at: Mapped[float]
    dossier: Mapped[dict[str, Any]]
    revision: Mapped[int]
    revisions_added: Mapped[int] = mapped_column(default=0, server_default="0")
    """How many others than the call's own process have written: it counts without them."""


class OutboxRow(Base):
    """A message that must arrive: delivered at least once, whatever is restarted meanwhile."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_waiting", "state", "next_attempt_at"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    """``dossier`` | ``notice``."""
    handoff: Mapped[str] = mapped_column(String(128), index=True)
    key: Mapped[str] = mapped_column(String(255), unique=True)
    url: Mapped[str] = mapped_column(Text)
    payload: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(12), default="waiting")
    """``waiting`` | ``delivered`` | ``superseded``."""
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[float]
    next_attempt_at: Mapped[float]
    delivered_at: Mapped[float | None]
    last_error: Mapped[str] = mapped_column(Text, default="")
    claimed_by: Mapped[str | None] = mapped_column(String(32))
    """The process that delivers it, where several share the database (`records.claiming`)."""
    claimed_until: Mapped[float | None]


class AuditRow(Base):
    """One privileged act: who did what to what. A link of a chain: `voicebot.auditing`."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[float] = mapped_column(index=True)
    principal: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(16))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(255), default="")
    client: Mapped[str] = mapped_column(String(64), default="")
    allowed: Mapped[bool] = mapped_column(Boolean, default=True)
    previous: Mapped[str] = mapped_column(String(64))
    """`hash` of the row before; this and `id` and `hash` are set at the commit."""
    hash: Mapped[str] = mapped_column(String(64))


class AuditHeadRow(Base):
    """The newest row of the audit, in one row; who writes the audit locks it."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    last: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))


class AccessTokenRow(Base):
    """An access token; only its SHA-256 is kept (the token has 256 random bits)."""

    __tablename__ = "access_token"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(16))
    hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[float]
    revoked_at: Mapped[float | None]


class DutyNumberRow(Base):
    """The duty directory (值班号码表): the only numbers that may be dialled or notified."""

    __tablename__ = "duty_number"

    number: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), index=True)
    region: Mapped[str] = mapped_column(String(6), default="")
    name: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    """WebSocket of its line."""
    http_url: Mapped[str] = mapped_column(Text)
    """Where its dossiers and notices are posted."""
    seeded: Mapped[bool] = mapped_column(Boolean, default=True)
    """Follows the settings at each start; False once an administrator changed the row."""
    days: Mapped[str] = mapped_column(String(10), server_default="daily", default="daily")
    """When it is in force: `voicebot.duty.hours.Hours`, like the four that follow."""
    start: Mapped[int] = mapped_column(server_default="0", default=0)
    end: Mapped[int] = mapped_column(server_default="1440", default=1440)
    valid_from: Mapped[date | None] = mapped_column(Date)
    valid_to: Mapped[date | None] = mapped_column(Date)
