"""Repairs, each as one transaction; done twice they change nothing more."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

import voicebot.tickets.exchange  # noqa: F401 - what is done with what comes in
from voicebot.exchange import inbox
from voicebot.exchange.reconciliation import dossiers
from voicebot.exchange.reconciliation.entries import Entry
from voicebot.exchange.schema import Envelope
from voicebot.exchange.tables import EnvelopeRow, LedgerRow
from voicebot.retention.mark import REMOVED


class OtherSide(Protocol):
    """110's ledger and messages, as far as a repair needs them."""

    def envelope(self, message_id: str) -> Envelope | None:
        """A message that 110 sent; None: it does not know it, or cannot be read."""


def send_again(session: Session, ids: Collection[str], *, at: float) -> set[str]:
    """Let the outbox deliver these once more; those of them that it has, with their content."""
    there = and_(EnvelopeRow.id.in_(ids), EnvelopeRow.last_error != REMOVED)
    has = set(session.scalars(select(EnvelopeRow.id).where(there)))
    session.execute(
        update(EnvelopeRow)
        .where(EnvelopeRow.id.in_(has))
        .values(state="waiting", attempts=0, next_attempt_at=at, created_at=at, last_error="")
    )
    _set_state(session, has, "waiting")
    return has | dossiers.send_again(session, set(ids) - has, at=at)


def take_theirs(session: Session, ids: Collection[str], *, at: float) -> set[str]:
    """Believe 110 that it has applied these messages of ours; those that there are."""
    has = set(
        session.scalars(
            select(LedgerRow.id).where(LedgerRow.direction == "out", LedgerRow.id.in_(ids))
        )
    )
    session.execute(
        update(EnvelopeRow)
        .where(EnvelopeRow.id.in_(has), EnvelopeRow.state == "waiting")
        .values(state="delivered", delivered_at=at, last_error="")
    )
    _set_state(session, has, "applied")
    return has | dossiers.take_theirs(session, set(ids) - has, at=at)


def take_in(session: Session, envelope: Envelope, entry: Entry, *, at: float) -> bool:
    """Receive a message that was asked for again; False: it is not the one of their ledger."""
    if (envelope.id, envelope.sender, envelope.content_hash) != (
        entry.id,
        entry.sender,
        entry.content_hash,
    ):
        return False
    inbox.receive(session, envelope, at=at)
    return True


def _set_state(session: Session, ids: Collection[str], state: str) -> None:
    session.execute(
        update(LedgerRow)
        .where(LedgerRow.direction == "out", LedgerRow.id.in_(ids))
        .values(state=state)
    )
