"""What is on record after a run: the database, the spool, the desks' folders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from benchmarks.chaos.judging import CallOnRecord, Found, HandoffOnRecord
from flows.call_back import INTERRUPTED
from voicebot.records.database import open_engine
from voicebot.records.tables import (
    CallEventRow,
    CallRow,
    HandoffRow,
    OutboxRow,
    TicketRow,
    TurnRow,
)


class Desk(Protocol):
    """Whoever is handed calls over to."""

    def handoffs(self) -> frozenset[str]:
        """Ids of those that it ever got a line or a dossier of."""
        ...

    def dossiers(self) -> frozenset[str]:
        """Ids of those whose dossier it has."""
        ...


def read(url: str, spools: Sequence[Path], desks: Sequence[Desk]) -> Found:
    """Everything on record.

    Parameters:
        spools: of each process that has one.

    Raises:
        SQLAlchemyError: the database cannot be read.
    """
    engine = open_engine(url, patience_s=10)
    try:
        with Session(engine) as session:
            turns: dict[tuple[str, str], int] = {
                (call, side): count
                for call, side, count in session.execute(
                    select(TurnRow.call_id, TurnRow.side, func.count()).group_by(
                        TurnRow.call_id, TurnRow.side
                    )
                )
            }
            missing: dict[str, int] = {
                call: last - count
                for call, last, count in session.execute(
                    select(CallEventRow.call_id, func.max(CallEventRow.seq), func.count()).group_by(
                        CallEventRow.call_id
                    )
                )
            }
            handoffs, tickets = _decided(session, "Handoff"), _decided(session, "OpenTicket")
            calls = {
                row.id: CallOnRecord(
                    row.ended_at is None,
                    (row.ended_at or row.started_at or 0.0) < (row.started_at or 0.0),
                    missing.get(row.id, 0),
                    turns.get((row.id, "bot"), 0),
                    turns.get((row.id, "caller"), 0),
                    frozenset(handoffs[row.id]),
                    frozenset(tickets[row.id]),
                )
                for row in session.scalars(select(CallRow).where(CallRow.started_at.is_not(None)))
            }
            return Found(
                calls,
                {row.id: _handoff(row) for row in session.scalars(select(HandoffRow))},
                {row.id: row.call_id for row in session.scalars(select(TicketRow))},
                session.scalars(
                    select(func.count()).select_from(OutboxRow).where(OutboxRow.state == "waiting")
                ).one(),
                sum(_lines(each, "records.jsonl", "replay-*.jsonl") for each in spools),
                sum(_lines(each, "rejected.jsonl") for each in spools),
                frozenset().union(*(desk.handoffs() for desk in desks)),
                frozenset().union(*(desk.dossiers() for desk in desks)),
            )
    finally:
        engine.dispose()


def settled(found: Found, calls: Collection[str]) -> bool:
    """Nothing is on its way any more; `calls` are known to be over."""
    return (
        not found.waiting
        and not found.spooled
        and all(call in found.calls and not found.calls[call].open for call in calls)
    )


def _decided(session: Session, kind: str) -> defaultdict[str, set[str]]:
    """By call: the ids that its actions of a kind name."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    name = {"Handoff": "handoff", "OpenTicket": "ticket"}[kind]
    for row in session.scalars(select(CallEventRow).where(CallEventRow.kind == kind)):
        found[row.call_id].add(str(row.payload[name]))
    return found


def _handoff(row: HandoffRow) -> HandoffOnRecord:
    for_110 = (row.first_destination or row.destination).startswith("110")
    connected = row.connected_at is not None
    return HandoffOnRecord(
        row.call_id, connected, connected or not for_110 or INTERRUPTED in row.flags
    )


def _lines(folder: Path, *patterns: str) -> int:
    paths = (path for pattern in patterns for path in folder.glob(pattern))
    return sum(len(path.read_bytes().splitlines()) for path in paths)
