"""Hand-offs in the comparison: dossiers go to 110's desks by themselves, not as envelopes.

110's platform has a line for each state of a dossier that its desks took: kind ``handoff``,
the hand-off as subject, the revision as sequence, and the id that `message_id` makes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.exchange.dossier import Dossier
from voicebot.exchange.reconciliation.days import Days
from voicebot.exchange.reconciliation.entries import Entry
from voicebot.exchange.schema import content_hash
from voicebot.records.readdressing import number_of
from voicebot.records.tables import DutyNumberRow, HandoffRow, OutboxRow

KIND = "handoff"
_AT_ONCE = 500
_DAY_S = 86400.0


def message_id(handoff: str, revision: int) -> str:
    """The idempotency key of a state of a dossier, as ledgers have it."""
    return f"12345:{KIND}:{handoff}:{revision}"


def entries(session: Session, days: Days) -> Iterator[Entry]:
    """The states of dossiers of these days that were put out to 110's desks."""
    desks = _desks(session)
    rows = session.execute(
        select(
            OutboxRow.handoff,
            OutboxRow.key,
            OutboxRow.payload,
            OutboxRow.state,
            OutboxRow.created_at,
            HandoffRow.revision.label("newest"),
        )
        .join(HandoffRow, HandoffRow.id == OutboxRow.handoff)
        .where(
            OutboxRow.kind == "dossier",
            # A dossier grows as long as its call lasts.
            HandoffRow.requested_at.between(days.since - _DAY_S, days.before + _DAY_S),
        )
        .order_by(OutboxRow.handoff, OutboxRow.id)
        .execution_options(yield_per=_AT_ONCE)
    )
    for _, of_one in groupby(rows, attrgetter("handoff")):
        states: dict[str, Entry] = {}
        for row in of_one:
            if number_of(row.handoff, row.key) not in desks:
                continue
            entry = _entry(row.payload, row.state, row.created_at, row.newest)
            before = states.get(entry.id)
            # A state that went to two desks has arrived with the first.
            if before is None or entry.settled:
                states[entry.id] = entry
        yield from (each for each in states.values() if days.since <= each.sent_at < days.before)


def send_again(session: Session, ids: Collection[str], *, at: float) -> set[str]:
    """Let the newest states among these go out once more; those that there are."""
    found = set()
    for name, row in _newest(session, ids):
        row.state, row.attempts, row.next_attempt_at, row.created_at = "waiting", 0, at, at
        row.delivered_at, row.claimed_until = None, None
        found.add(name)
    return found


def take_theirs(session: Session, ids: Collection[str], *, at: float) -> set[str]:
    """Believe 110 that its desks have these; those that there are."""
    found = set()
    for name, row in _newest(session, ids):
        row.state, row.delivered_at, row.last_error = "delivered", at, ""
        found.add(name)
    return found


def _newest(session: Session, ids: Iterable[str]) -> Iterator[tuple[str, OutboxRow]]:
    """The last that was put out of each, where it is still the newest state."""
    for name in ids:
        handoff, _, revision = name.removeprefix(f"12345:{KIND}:").rpartition(":")
        row = session.scalars(
            select(OutboxRow)
            .where(OutboxRow.handoff == handoff, OutboxRow.kind == "dossier")
            .order_by(OutboxRow.id.desc())
        ).first()
        if row is not None and str(row.payload["revision"]) == revision:
            yield name, row


def _desks(session: Session) -> set[str]:
    """The numbers of 110 in the directory, wherever they take dossiers now."""
    return set(session.scalars(select(DutyNumberRow.number).where(DutyNumberRow.kind == "110")))


def _entry(payload: Mapping[str, Any], state: str, at: float, newest: int) -> Entry:
    stored = {name: value for name, value in payload.items() if name != "category_name"}
    dossier = Dossier.model_validate(stored)
    sent_at = dossier.created_at.timestamp()
    if dossier.revision < newest:
        state = "superseded"
    return Entry(
        id=message_id(dossier.handoff, dossier.revision),
        sender="12345",
        kind=KIND,
        subject=dossier.handoff,
        sequence=dossier.revision,
        content_hash=content_hash(dossier.model_dump(mode="json", exclude_computed_fields=True)),
        state="applied" if state == "delivered" else state,
        sent_at=sent_at,
        at=at,
    )
