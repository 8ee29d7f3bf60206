"""An event is written in the transaction of what it tells: for each receiver that wants it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy import JSON, Float, Integer, String, Table, Text, and_, delete, literal, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from voicebot.config_webhooks import Event, Webhook
from voicebot.records.inserting import insert
from voicebot.records.texts import fitted_row
from voicebot.webhooks.tables import WebhookEventRow, WebhookSubscriptionRow

EVENTS: tuple[Event, ...] = get_args(Event)


@dataclass(frozen=True, slots=True)
class Told:
    """What happened.

    Parameters:
        subject: what it happened to; events of one subject arrive in order.
        at: when, seconds since the epoch.
        key: what makes it this event and no other: told twice it is one.
        data: plain JSON, which leaves the house: no number in full, no word of a caller.
    """

    event: Event
    subject: str
    at: float
    key: str
    data: Mapping[str, Any]

    @property
    def id(self) -> str:
        return hashlib.sha256(f"{self.event}\n{self.key}".encode()).hexdigest()[:32]


def tell(session: Session, told: Told) -> None:
    """Write an event for its receivers, of whom there may be none; one statement."""
    row = fitted_row(
        WebhookEventRow,
        {
            "id": told.id,
            "event": told.event,
            "subject": told.subject,
            "at": told.at,
            "data": dict(told.data),
            "attempts": 0,
            "next_attempt_at": told.at,
            "last_error": "",
        },
    )
    subscribed = WebhookSubscriptionRow
    values = [literal(value, _TYPES[name]) for name, value in row.items()]
    receiver = subscribed.webhook
    chosen = select(receiver, receiver, *values).where(subscribed.event == told.event)
    table = WebhookEventRow.__table__
    assert isinstance(table, Table)
    names = ["webhook", "waiting_for", *row]
    session.execute(insert(session, table).from_select(names, chosen).on_conflict_do_nothing())


def subscribe(session: Session, webhooks: Sequence[Webhook]) -> None:
    """From now on events are written for these receivers, and for no others.

    What waits for one that is gone goes on waiting under its name, until its time is over.
    """
    row = WebhookSubscriptionRow
    wanted = {(each.name, event) for each in webhooks for event in each.events or EVENTS}
    found = session.execute(select(row.webhook, row.event)).all()
    known = {(webhook, event) for webhook, event in found}
    if gone := known - wanted:
        session.execute(
            delete(row).where(
                or_(*(and_(row.webhook == name, row.event == event) for name, event in gone))
            )
        )
    if new := sorted(wanted - known):
        session.execute(
            insert(session, row).on_conflict_do_nothing(),  # another process may begin as well
            [{"webhook": name, "event": event} for name, event in new],
        )


_TYPES: Mapping[str, TypeEngine[Any]] = {
    "id": String(),
    "event": String(),
    "subject": String(),
    "at": Float(),
    "data": JSON(),
    "attempts": Integer(),
    "next_attempt_at": Float(),
    "last_error": Text(),
}
