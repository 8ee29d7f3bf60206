"""What waits in the database: messages to 110 and from it, events for webhooks, incidents. All
reads by an index.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from voicebot.exchange.tables import EnvelopeRow, InboxRow
from voicebot.incidents.tables import IncidentRow
from voicebot.records.tables import OutboxRow
from voicebot.webhooks.tables import WebhookEventRow

NOT_TAKEN = ("refused", "conflict")
"""States of messages of 110 that people have to look at."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """`oldest_s`: age of the oldest in seconds, 0 where none waits."""

    count: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """Parameters:
    queues: ``dossiers`` (live ones to desks), ``police_orders`` and ``exchange`` (envelopes to
        110: police orders, the rest), ``inbox`` (of 110, not applied yet), ``webhooks``.
    not_taken: messages of 110 by the reason that they wait for people.
    incidents: open ones.
    """

    queues: Mapping[str, Waiting]
    not_taken: Mapping[str, int]
    incidents: int


def backlog(session: Session, now: float) -> Backlog:
    """What waits at this moment; `now` in seconds since the epoch."""

    def waiting(
        since: InstrumentedAttribute[float], number: InstrumentedAttribute[int],
        *which: ColumnElement[bool],
    ) -> Waiting:  # fmt: skip
        count, oldest = session.execute(
            select(func.count(number), func.min(since)).where(*which)
        ).one()
        return Waiting(count, max(0.0, now - oldest) if count else 0.0)

    orders = EnvelopeRow.priority == 0
    unsent = EnvelopeRow.state == "waiting"
    by_state = (
        select(InboxRow.state, func.count())
        .where(InboxRow.state.in_(NOT_TAKEN))
        .group_by(InboxRow.state)
    )
    rejected = {row[0]: row[1] for row in session.execute(by_state)}
    return Backlog(
        {
            "dossiers": waiting(OutboxRow.created_at, OutboxRow.id, OutboxRow.state == "waiting"),
            "police_orders": waiting(EnvelopeRow.created_at, EnvelopeRow.number, unsent, orders),
            "exchange": waiting(EnvelopeRow.created_at, EnvelopeRow.number, unsent, ~orders),
            "inbox": waiting(InboxRow.received_at, InboxRow.number, InboxRow.state == "waiting"),
            "webhooks": waiting(
                WebhookEventRow.at,
                WebhookEventRow.number,
                WebhookEventRow.waiting_for.is_not(None),
            ),
        },
        {state: rejected.get(state, 0) for state in NOT_TAKEN},
        session.scalars(
            select(func.count(IncidentRow.id)).where(IncidentRow.state == "open")
        ).one(),
    )
