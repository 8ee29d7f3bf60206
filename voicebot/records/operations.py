"""What can be written, each operation a function of a session and plain JSON values.

Rule 1: every operation is idempotent and may come again, late, from the spool.
Rule 2: an operation finds its row or makes it; it relies on no other having come first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from voicebot.accounts.sessions import touch_session
from voicebot.auditing.keeping import waits
from voicebot.callers.missed import left_queue
from voicebot.callers.operations import (
    appeal_limit,
    called_back,
    note_missed,
    note_nuisance,
    save_evaluation,
)
from voicebot.clock import BEIJING
from voicebot.duty.directory import notice_address
from voicebot.duty.notices.opening import open_notice
from voicebot.figures.tables import AnsweredOfferRow, DivertedCallRow, RefusedCallRow
from voicebot.records import breaking_off
from voicebot.records.inserting import insert
from voicebot.records.readdressing import address
from voicebot.records.tables import (
    AuditRow,
    Base,
    CallEventRow,
    CallRow,
    DutyNumberRow,
    HandoffRow,
    OutboxRow,
    TurnRow,
)
from voicebot.records.texts import fitted_row
from voicebot.surge import decisions
from voicebot.tickets import opening
from voicebot.webhooks.events import call_ended, call_started, handoff_changed

AT_A_DESK = "seat@"
"""Of a destination that is an agent's desk in a browser (`voicebot.call.agent_desks`)."""


class DoubleCall(Exception):
    """Another call of this id is on record; what it said must not be mixed with this one."""


def start_call(
    session: Session,
    *,
    call_id: str,
    caller: str,
    did: str,
    started_at: float,
    recording: str,
    offered_at: float | None = None,
    run: str | None = None,
    offer_key: str | None = None,
) -> None:
    """Put a call on record.

    Parameters:
        run: of the process that has it (`voicebot.cluster.tables.MediaRunRow`).
        offer_key: as `voicebot.admission.offer_key` has it.

    Raises:
        DoubleCall: there is another call of this id; it stays as it is.
    """
    call = _call(session, call_id)
    if call.started_at is not None and (call.started_at, call.caller) != (started_at, caller):
        raise DoubleCall(call_id)
    call.caller, call.did = caller, did
    call.started_at, call.recording = started_at, recording
    call.offered_at, call.run = offered_at, run
    if offer_key is not None:
        answered = {"offer_key": offer_key, "call_id": call_id}
        _insert_new(session, AnsweredOfferRow, [answered])
    call_started(session, call)


def refuse_call(
    session: Session,
    *,
    call_id: str,
    did: str,
    reason: str,
    at: float,
    offer_key: str | None = None,
) -> None:
    """A call that was offered and not answered, for the figures; without its caller's number."""
    refused = {"call_id": call_id, "did": did, "reason": reason, "at": at, "offer_key": offer_key}
    _insert_new(session, RefusedCallRow, [refused])


def note_diverted(
    session: Session,
    *,
    call_id: str,
    did: str,
    at: float,
    call_back: bool,
    became: str = "",
    became_at: float | None = None,
) -> None:
    """A call that was given to people unanswered, and later what became of it; for the figures."""
    row = session.get(DivertedCallRow, call_id)
    if row is None:
        row = DivertedCallRow(call_id=call_id, did=did, at=at, call_back=call_back)
        session.add(row)
    row.at, row.call_back = min(row.at, at), row.call_back or call_back
    if became_at is not None and (row.became_at is None or row.became_at < became_at):
        row.became, row.became_at = became, became_at
        if became != "gone":
            left_queue(session, call_id, at=became_at)


def finish_call(
    session: Session, *, call_id: str, ended_at: float, outcome: str, region: str | None
) -> None:
    call = _call(session, call_id, locked=True)
    anew = bool(call.lost)
    if anew:
        breaking_off.went_on(session, call, at=ended_at, update=update_dossier)
    call.ended_at, call.outcome, call.region = ended_at, outcome, region
    call_ended(session, call, anew=anew)


def break_off_call(
    session: Session,
    *,
    call_id: str,
    at: float,
    own: bool = True,
    call_back_at: float | None = None,
) -> None:
    """The end of a call whose service was killed; nothing for one that has an end
    (`breaking_off.break_off_call`).
    """
    breaking_off.break_off_call(
        session,
        call_id=call_id,
        at=at,
        own=own,
        call_back_at=call_back_at,
        update=update_dossier,
    )


def call_goes_on(session: Session, *, call_id: str, at: float) -> None:
    """Its process is back, and the call that another has ended on record still runs there."""
    call = session.get(CallRow, call_id, with_for_update=True)
    if call is not None and call.lost:
        breaking_off.went_on(session, call, at=at, update=update_dossier)
        call.ended_at = call.outcome = None


def append(session: Session, *, call_id: str, rows: Sequence[Sequence[Any]]) -> None:
    """Rows of the event log: (seq, at, direction, kind, payload)."""
    names = ("seq", "at", "direction", "kind", "payload")
    _insert_new(
        session,
        CallEventRow,
        [{"call_id": call_id, **dict(zip(names, row, strict=True))} for row in rows],
    )


def add_turn(
    session: Session,
    *,
    call_id: str,
    seq: int,
    side: str,
    text: str,
    start: float,
    end: float,
    entry: str | None,
    final: bool,
) -> None:
    """A turn, or its newer state; what is final stays as it is."""
    turn = session.get(TurnRow, (call_id, seq))
    if turn is None:
        turn = TurnRow(call_id=call_id, seq=seq, final=False)
        session.add(turn)
    if turn.final and not final:
        return
    turn.side, turn.text, turn.start, turn.end = side, text, start, end
    turn.entry, turn.final = entry, final


def save_ticket(session: Session, *, ticket: str, at: float, **values: Any) -> None:
    opening.save(session, ticket=ticket, at=at, **values)


def note_surge_decision(session: Session, **values: Any) -> None:
    """Keep why a call went where it went (`decisions.note`)."""
    decisions.note(session, **values)


def write_dossier(
    session: Session, *, destination: str, dossier: Mapping[str, Any], at: float
) -> None:
    """Open a hand-off or bring its dossier up to date, with the message that announces it."""
    row = _handoff(session, dossier["handoff"], at)
    new, known = row in session.new, bool(row.destination)
    opened = bool(destination) and row.first_destination is None
    if destination:  # only its opening names one, and may come after its progress
        row.destination = row.destination or destination
        row.first_destination = row.first_destination or destination
        row.requested_at = min(row.requested_at, at)
    revision = dossier["revision"] + (row.revisions_added or 0)
    if row.revision >= revision:
        if not known and row.destination:  # its update came in before it
            session.flush()
            _post_dossier(session, row, at)
        if opened:
            handoff_changed(session, row, "requested", at)
        return
    row.call_id = dossier["call_id"]
    row.region, row.category = dossier["region"], dossier["category"]
    row.lines, row.flags = list(dossier["lines"]), list(dossier["flags"])
    row.reason, row.evidence = dossier["reason"], list(dossier["evidence"])
    row.dossier, row.revision = {**dossier, "revision": revision}, revision
    session.flush()
    _post_dossier(session, row, at, new=new)
    if opened:
        handoff_changed(session, row, "requested", at)


def update_dossier(
    session: Session, *, handoff: str, dossier: Mapping[str, Any], at: float
) -> None:
    """As `write_dossier`, for the route that is being tried."""
    write_dossier(session, destination="", dossier={**dossier, "handoff": handoff}, at=at)


def handoff_state(
    session: Session, *, handoff: str, destination: str, state: str, at: float
) -> None:
    """Progress of a leg; a new destination gets the dossier as well."""
    row = _handoff(session, handoff, at)
    if at < row.state_at:
        return
    row.state, row.state_at = state, at
    if state == "confirmed" and row.connected_at is None:
        row.connected_at, row.connected_to = at, destination
    if row.destination != destination:
        row.destination = destination
        if row.revision:
            session.flush()
            _post_dossier(session, row, at)
    handoff_changed(session, row, state, at)


def handoff_returned(session: Session, *, handoff: str, at: float) -> None:
    """110 has given the caller back to 12345."""
    row = _handoff(session, handoff, at)
    row.returned_at = at
    handoff_changed(session, row, "returned", at)


def notify_line(
    session: Session, *, line: str, handoff: str, dossier: Mapping[str, Any], at: float
) -> None:
    """A notice to another duty line (119, 120, power …), once: a copy of the dossier to its
    desk, and a message to whoever is on duty there (`voicebot.duty.notices`).
    """
    name = f"{handoff}/{line}"
    payload = {**dossier, "handoff": name, "notice_for": line}
    region = dossier.get("region")
    url = notice_address(session, line, region, datetime.fromtimestamp(at, BEIJING))
    _insert_new(session, OutboxRow, [_message("notice", handoff, name, url, payload, at)])
    open_notice(
        session,
        key=name,
        line=line,
        region=region,
        subject=handoff,
        caller=dossier.get("caller", ""),
        at=at,
    )


def delivered(session: Session, *, outbox: int, at: float) -> None:
    row = session.get(OutboxRow, outbox)
    if row is not None and row.delivered_at is None:
        row.state, row.delivered_at = "delivered", at
        row.attempts += 1
        row.last_error = ""
        if row.kind == "dossier":  # the desk has waited for the newer state only since now
            session.execute(
                update(OutboxRow)
                .where(_waiting(row.handoff, row.kind), OutboxRow.url == row.url)
                .values(created_at=at, attempts=0, last_error="")
            )


def delivery_failed(
    session: Session, *, outbox: int, attempts: int, next_attempt_at: float, error: str
) -> None:
    """An attempt failed; a newer state of the dossier waits for its time like the one tried."""
    row = session.get(OutboxRow, outbox)
    if row is not None and row.state == "superseded":
        row = session.scalars(
            select(OutboxRow).where(_waiting(row.handoff, row.kind), OutboxRow.url == row.url)
        ).first()
    if row is not None and row.state == "waiting" and row.attempts <= attempts:
        row.attempts, row.next_attempt_at, row.last_error = attempts, next_attempt_at, error
        row.claimed_until = None


def audit(
    session: Session,
    *,
    at: float,
    principal: str,
    role: str,
    action: str,
    subject: str,
    client: str,
    allowed: bool,
) -> None:
    values = {
        "at": at,
        "principal": principal,
        "role": role,
        "action": action,
        "subject": subject[:255],
        "client": client,
        "allowed": allowed,
    }
    # One act is one row, however often it comes out of the spool.
    known = session.scalars(select(AuditRow.id).filter_by(**values).limit(1)).first()
    if known is None and not waits(session, values):
        session.add(AuditRow(**values))


OPERATIONS: Mapping[str, Callable[..., None]] = {
    function.__name__: function
    for function in (
        start_call,
        refuse_call,
        note_diverted,
        finish_call,
        break_off_call,
        call_goes_on,
        append,
        add_turn,
        save_ticket,
        write_dossier,
        update_dossier,
        handoff_state,
        handoff_returned,
        notify_line,
        delivered,
        delivery_failed,
        note_nuisance,
        note_missed,
        called_back,
        save_evaluation,
        appeal_limit,
        note_surge_decision,
        touch_session,
        audit,
    )
}


def _call(session: Session, call_id: str, *, locked: bool = False) -> CallRow:
    """Parameters:
    locked: another process may be ending the call on record at this moment.
    """
    call = session.get(CallRow, call_id, with_for_update=locked or None)
    if call is None:
        call = CallRow(id=call_id)
        session.add(call)
    return call


def _handoff(session: Session, handoff: str, at: float) -> HandoffRow:
    """The row of a hand-off; one without a dossier yet where nothing of it has come in."""
    row = session.get(HandoffRow, handoff)
    if row is None:
        row = HandoffRow(
            id=handoff,
            call_id="",
            destination="",
            lines=[],
            flags=[],
            reason="",
            evidence=[],
            requested_at=at,
            state="requested",
            state_at=0.0,
            dossier={},
            revision=0,
            revisions_added=0,
        )
        session.add(row)
    return row


def _insert_new(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    """Insert the rows that are not there yet."""
    if not rows:
        return
    fitting = [fitted_row(table, row) for row in rows]
    session.execute(insert(session, table).on_conflict_do_nothing(), fitting)


def _post_dossier(session: Session, row: HandoffRow, at: float, *, new: bool = False) -> None:
    """Queue the dossier's newest revision; older ones that still wait need not go out.

    It takes over since when the desk has waited, and from one for the same address the
    attempts and the time of the next. Of a `new` hand-off there is none: a call waits for this,
    and each question to the database is a part of its 10 ms. An agent's desk reads it here.
    """
    if row.destination.startswith(AT_A_DESK):
        return
    url = _http_url(session, DutyNumberRow.number == row.destination)
    key = f"{row.id}:{row.revision}:{row.destination}"
    message = _message("dossier", row.id, key, url, dict(row.dossier), at)
    if new:
        _insert_new(session, OutboxRow, [message])
        return
    either = or_(_waiting(row.id, "dossier"), OutboxRow.key == key)
    found = session.scalars(select(OutboxRow).where(either)).all()
    before = [each for each in found if each.state == "waiting"]
    if any(each.key == key for each in before):
        return
    for each in before:
        each.state = "superseded"
        message["created_at"] = min(message["created_at"], each.created_at)
        if each.url == message["url"]:
            message["attempts"], message["last_error"] = each.attempts, each.last_error
            message["next_attempt_at"] = each.next_attempt_at
    session.flush()
    again = next((each for each in found if each.key == key), None)
    if again is None:
        _insert_new(session, OutboxRow, [message])
    elif again.state == "superseded":  # back on a route that was tried before
        for name in ("url", "created_at", "attempts", "next_attempt_at", "last_error", "state"):
            setattr(again, name, message[name])
        again.claimed_until = None


def _waiting(handoff: str, kind: str) -> ColumnElement[bool]:
    return and_(OutboxRow.handoff == handoff, OutboxRow.kind == kind, OutboxRow.state == "waiting")


def _message(
    kind: str, handoff: str, key: str, url: str, payload: dict[str, Any], at: float
) -> dict[str, Any]:
    return {
        "kind": kind,
        "handoff": handoff,
        "key": key,
        "url": address(url),
        "payload": payload,
        "state": "waiting",
        "attempts": 0,
        "created_at": at,
        "next_attempt_at": at,
        "last_error": "",
    }


def _http_url(session: Session, which: ColumnElement[bool]) -> str:
    found = session.scalars(select(DutyNumberRow.http_url).where(which).limit(1)).first()
    return found or ""
