"""The end of a call whose service was killed, worked out from what is on record.

Its own process does it at its next start. Where that does not come another does it, which knows
only that the first gives no sign of life: such an end is a guess (`CallRow.lost`), and what the
call's own process writes afterwards counts (`went_on`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from flows.call_back import INTERRUPTED
from flows.routes import SEAT
from voicebot.callers import missed
from voicebot.callers.missed_rules import BROKEN, DANGER_FIRST_S, is_danger
from voicebot.records.tables import CallEventRow, CallRow, HandoffRow, TicketRow, TurnRow
from voicebot.webhooks.events import call_ended

NOTE = "系统中断，110接通前通话已断开或由线路转人工，请110回拨核实"
WENT_ON = "系统已恢复联系，当时通话没有中断"

Update = Callable[..., None]


def break_off_call(
    session: Session,
    *,
    call_id: str,
    at: float,
    update: Update,
    own: bool = True,
    call_back_at: float | None = None,
) -> None:
    """Ends a call at its last event, and marks what 110 had not taken over; once.

    Parameters:
        at: now, seconds since the epoch.
        update: brings a hand-off's dossier up to date (`operations.update_dossier`).
        own: by the process that had the call, which goes before another's guess.
        call_back_at: when a caller whom 110 had not reached is called back at the earliest, who
            was not in danger; None: nobody is put on the list of missed calls.
    """
    call = session.get(CallRow, call_id, with_for_update=True)
    if call is None or call.started_at is None:
        return
    anew = bool(call.lost)
    if call.ended_at is not None and not (own and anew):
        return
    handoffs = session.scalars(
        select(HandoffRow).filter_by(call_id=call_id).with_for_update()
    ).all()
    last = session.scalar(select(func.max(CallEventRow.at)).filter_by(call_id=call_id))
    call.ended_at, call.lost = call.started_at + (last or 0.0), not own
    call.outcome = _outcome(session, call_id, [each.connected_to for each in handoffs])
    call_ended(session, call, anew=anew)
    waiting = [row for row in handoffs if _to_110(row) and row.connected_at is None]
    for row in waiting:
        if _has_words(row) and INTERRUPTED not in row.flags:
            _write(session, row, interrupted(row.dossier), at, update)
    if call_back_at is not None and waiting and _of_the_public(session, call):
        danger = any(is_danger(row.reason) for row in waiting)
        # Of a process that is just back, a PBX may have put the caller through to a person.
        danger_at = at + DANGER_FIRST_S if own else at
        missed.note(
            session,
            call_id=call_id,
            number=call.caller,
            did=call.did,
            at=at,
            why=BROKEN,
            danger=danger,
            next_try_at=danger_at if danger else call_back_at,
        )


def went_on(session: Session, call: CallRow, *, at: float, update: Update) -> None:
    """The end of this call was another process's guess, and was none: 110 is told, and nobody is
    called back for it.

    Parameters:
        at, update: as `break_off_call` has them.
    """
    call.lost = False
    missed.went_on(session, call.id)
    for row in session.scalars(select(HandoffRow).filter_by(call_id=call.id).with_for_update()):
        if row.revisions_added and _has_words(row):
            _write(session, row, continued(row.dossier), at, update)


def interrupted(dossier: Mapping[str, Any]) -> dict[str, Any]:
    """Pure: a dossier whose call broke off before 110 was there."""
    return {
        **dossier,
        "flags": [*dossier["flags"], INTERRUPTED],
        "notes": [*dossier["notes"], NOTE],
    }


def continued(dossier: Mapping[str, Any]) -> dict[str, Any]:
    """Pure: the same of a call that had not broken off, whatever `interrupted` said."""
    if NOTE not in dossier["notes"]:  # the call's own process has written since
        return dict(dossier)
    return {
        **dossier,
        "flags": [flag for flag in dossier["flags"] if flag != INTERRUPTED],
        "notes": [WENT_ON if note == NOTE else note for note in dossier["notes"]],
    }


def _has_words(row: HandoffRow) -> bool:
    """There is a dossier, and retention has not emptied it."""
    return bool(row.revision) and "notes" in row.dossier


def _write(
    session: Session, row: HandoffRow, dossier: dict[str, Any], at: float, update: Update
) -> None:
    """As the next revision, which the call's own process does not count."""
    counted = row.revision - row.revisions_added
    row.revisions_added += 1
    update(session, handoff=row.id, dossier={**dossier, "revision": counted}, at=at)


def _of_the_public(session: Session, call: CallRow) -> bool:
    """Somebody who can be called back; 110 itself and other offices are not."""
    began = session.scalars(
        select(CallEventRow.payload).filter_by(call_id=call.id, kind="CallStarted").limit(1)
    ).first()
    return bool(call.caller) and (began or {}).get("trunk", "public") == "public"


def _to_110(row: HandoffRow) -> bool:
    return row.first_destination is not None and not _is_seat(row.first_destination)


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
