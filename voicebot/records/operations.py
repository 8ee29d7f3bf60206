"""What can be written, each operation a function of a session and plain JSON values.

Rule 1: every operation is idempotent and may come again, late, from the spool.
Rule 2: an operation finds its row or makes it; it relies on no other having come first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from voicebot.records.tables import (
    AuditRow,
    Base,
    CallEventRow,
    CallRow,
    DutyNumberRow,
    HandoffRow,
    OutboxRow,
    TicketRow,
    TurnRow,
)


def start_call(
    session: Session, *, call_id: str, caller: str, did: str, started_at: float, recording: str
) -> None:
    call = _call(session, call_id)
    call.caller, call.did = caller, did
    call.started_at, call.recording = started_at, recording


def finish_call(
    session: Session, *, call_id: str, ended_at: float, outcome: str, region: str | None
) -> None:
    call = _call(session, call_id)
    call.ended_at, call.outcome, call.region = ended_at, outcome, region


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
    row = session.get(TicketRow, ticket)
    if row is None:
        row = TicketRow(id=ticket, created_at=at, updated_at=at)
        session.add(row)
    elif row.updated_at > at:
        return
    for name, value in values.items():
        setattr(row, name, value)
    row.updated_at = at


def write_dossier(
    session: Session, *, destination: str, dossier: Mapping[str, Any], at: float
) -> None:
    """Open a hand-off or bring its dossier up to date, with the message that announces it."""
    row = session.get(HandoffRow, dossier["handoff"])
    if row is not None and row.revision >= dossier["revision"]:
        if not row.destination and destination:  # its update came in before it
            row.destination, row.requested_at = destination, at
            session.flush()
            _post_dossier(session, row, at)
        return
    if row is None:
        row = HandoffRow(
            id=dossier["handoff"],
            call_id=dossier["call_id"],
            destination=destination,
            requested_at=at,
            state="requested",
            state_at=0.0,
        )
        session.add(row)
    row.region, row.category = dossier["region"], dossier["category"]
    row.lines, row.flags = list(dossier["lines"]), list(dossier["flags"])
    row.reason, row.evidence = dossier["reason"], list(dossier["evidence"])
    row.dossier, row.revision = dict(dossier), dossier["revision"]
    session.flush()
    _post_dossier(session, row, at)


def update_dossier(
    session: Session, *, handoff: str, dossier: Mapping[str, Any], at: float
) -> None:
    """As `write_dossier`, for the route that is being tried."""
    row = session.get(HandoffRow, handoff)
    destination = row.destination if row is not None else ""
    write_dossier(session, destination=destination, dossier=dossier, at=at)


def handoff_state(
    session: Session, *, handoff: str, destination: str, state: str, at: float
) -> None:
    """Progress of a leg; a new destination gets the dossier as well."""
    row = session.get(HandoffRow, handoff)
    if row is None or at < row.state_at:
        return
    row.state, row.state_at = state, at
    if state == "confirmed" and row.connected_at is None:
        row.connected_at = at
    if row.destination != destination:
        row.destination = destination
        session.flush()
        _post_dossier(session, row, at)


def notify_line(
    session: Session, *, line: str, handoff: str, dossier: Mapping[str, Any], at: float
) -> None:
    """A notice to another duty line (119, 120, power …): a copy of the dossier, once."""
    name = f"{handoff}/{line}"
    payload = {**dossier, "handoff": name, "notice_for": line}
    url = _http_url(session, DutyNumberRow.kind == line)
    _insert_new(session, OutboxRow, [_message("notice", handoff, name, url, payload, at)])


def delivered(session: Session, *, outbox: int, at: float) -> None:
    row = session.get(OutboxRow, outbox)
    if row is not None and row.delivered_at is None:
        row.state, row.delivered_at = "delivered", at
        row.attempts += 1
        row.last_error = ""


def delivery_failed(
    session: Session, *, outbox: int, attempts: int, next_attempt_at: float, error: str
) -> None:
    row = session.get(OutboxRow, outbox)
    if row is not None and row.state == "waiting":
        row.attempts, row.next_attempt_at, row.last_error = attempts, next_attempt_at, error


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
    session.add(
        AuditRow(
            at=at,
            principal=principal,
            role=role,
            action=action,
            subject=subject[:255],
            client=client,
            allowed=allowed,
        )
    )


OPERATIONS: Mapping[str, Callable[..., None]] = {
    function.__name__: function
    for function in (
        start_call,
        finish_call,
        append,
        add_turn,
        save_ticket,
        write_dossier,
        update_dossier,
        handoff_state,
        notify_line,
        delivered,
        delivery_failed,
        audit,
    )
}


def _call(session: Session, call_id: str) -> CallRow:
    call = session.get(CallRow, call_id)
    if call is None:
        call = CallRow(id=call_id)
        session.add(call)
    return call


def _insert_new(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    """Insert the rows that are not there yet."""
    if not rows:
        return
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.execute(dialect.insert(table).on_conflict_do_nothing(), rows)


def _post_dossier(session: Session, row: HandoffRow, at: float) -> None:
    """Queue the dossier's newest revision; older ones that still wait need not go out."""
    session.execute(
        update(OutboxRow)
        .where(
            OutboxRow.handoff == row.id,
            OutboxRow.kind == "dossier",
            OutboxRow.state == "waiting",
        )
        .values(state="superseded")
    )
    url = _http_url(session, DutyNumberRow.number == row.destination)
    key = f"{row.id}:{row.revision}:{row.destination}"
    message = _message("dossier", row.id, key, url, dict(row.dossier), at)
    _insert_new(session, OutboxRow, [message])


def _message(
    kind: str, handoff: str, key: str, url: str, payload: dict[str, Any], at: float
) -> dict[str, Any]:
    return {
        "kind": kind,
        "handoff": handoff,
        "key": key,
        "url": f"{url.rstrip('/')}/dossiers" if url else "",
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
