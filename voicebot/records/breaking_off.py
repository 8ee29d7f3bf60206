"""The end of a call whose service was killed, worked out from what is on record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from flows.call_back import INTERRUPTED
from flows.routes import SEAT
from voicebot.records.tables import CallEventRow, CallRow, HandoffRow, TicketRow, TurnRow
from voicebot.webhooks.events import call_ended

NOTE = "系统中断，110接通前通话已断开或由线路转人工，请110回拨核实"

Update = Callable[..., None]


def break_off_call(session: Session, *, call_id: str, at: float, update: Update) -> None:
    """Ends a call at its last event, and marks what 110 had not taken over; once.

    Parameters:
        at: now, seconds since the epoch.
        update: brings a hand-off's dossier up to date (`operations.update_dossier`).
    """
    call = session.get(CallRow, call_id)
    if call is None or call.started_at is None or call.ended_at is not None:
        return
    handoffs = session.scalars(select(HandoffRow).filter_by(call_id=call_id)).all()
    last = session.scalar(select(func.max(CallEventRow.at)).filter_by(call_id=call_id))
    call.ended_at = call.started_at + (last or 0.0)
    call.outcome = _outcome(session, call_id, [each.connected_to for each in handoffs])
    call_ended(session, call)
    for row in handoffs:
        to_110 = row.first_destination is not None and not _is_seat(row.first_destination)
        waits = to_110 and row.connected_at is None and INTERRUPTED not in row.flags
        if waits and row.revision:
            update(session, handoff=row.id, dossier=interrupted(row.dossier), at=at)


def interrupted(dossier: Mapping[str, Any]) -> dict[str, Any]:
    """Pure: the next revision of a dossier whose call broke off before 110 was there."""
    return {
        **dossier,
        "revision": dossier["revision"] + 1,
        "flags": [*dossier["flags"], INTERRUPTED],
        "notes": [*dossier["notes"], NOTE],
    }


def _is_seat(destination: str) -> bool:
    """The seats' number, or a seat at an agent's desk (`operations.AT_A_DESK`)."""
    return destination.partition("@")[0] == SEAT


def _outcome(session: Session, call_id: str, connected_to: list[str | None]) -> str:
    """As `flows.state.State.outcome` has it."""
    reached = {_is_seat(each) for each in connected_to if each is not None}
    if False in reached:
        return "handed_off"
    if reached:
        return "human"
    if session.scalar(select(func.count()).select_from(TicketRow).filter_by(call_id=call_id)):
        return "ticket"
    spoken = select(func.count()).select_from(TurnRow).filter_by(call_id=call_id)
    return "answered" if session.scalar(spoken.where(TurnRow.entry.is_not(None))) else "abandoned"
