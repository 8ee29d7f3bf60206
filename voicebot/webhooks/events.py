"""What each event says, in the transaction of what it tells. Times are seconds since the epoch.

Numbers of callers are masked, names, places in words, matters and transcripts are left out: a
receiver that may know more asks the API for it, with a token of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from telephony.masking import mask_number
from voicebot.config_webhooks import Event
from voicebot.records.tables import CallRow, HandoffRow, TicketRow
from voicebot.webhooks.telling import Told, tell


def call_started(session: Session, call: CallRow) -> None:
    """``{"call", "did", "caller", "offered_at", "started_at"}``; `caller` masked, "" withheld."""
    assert call.started_at is not None
    data = {
        "call": call.id,
        "did": call.did,
        "caller": mask_number(call.caller),
        "offered_at": call.offered_at,
        "started_at": call.started_at,
    }
    tell(session, Told("call.started", call.id, call.started_at, call.id, data))


def call_ended(session: Session, call: CallRow, *, anew: bool = False) -> None:
    """``{"call", "did", "outcome", "region", "started_at", "ended_at"}``.

    `anew`: after an end that was told and was not the call's.
    """
    assert call.ended_at is not None
    data = {
        "call": call.id,
        "did": call.did,
        "outcome": call.outcome,
        "region": call.region,
        "started_at": call.started_at,
        "ended_at": call.ended_at,
    }
    key = f"{call.id}\n{call.ended_at}" if anew else call.id
    tell(session, Told("call.ended", call.id, call.ended_at, key, data))


def handoff_changed(session: Session, row: HandoffRow, state: str, at: float) -> None:
    """``{"handoff", "call", "state", "destination", "region", "category", "lines",
    "requested_at", "connected_at"}``; `state`: `flows.events.LegState`, or ``returned``.
    """
    data = {
        "handoff": row.id,
        "call": row.call_id,
        "state": state,
        "destination": row.destination,
        "region": row.region,
        "category": row.category,
        "lines": list(row.lines),
        "requested_at": row.requested_at,
        "connected_at": row.connected_at,
    }
    key = f"{row.id}\n{state}\n{row.destination}\n{at}"
    tell(session, Told("handoff.changed", row.id, at, key, data))


def ticket_changed(session: Session, row: TicketRow, act: str, before: str, at: float) -> None:
    """``{"ticket", "act", "before", "after", "version", "call", "kind", "channel", "region",
    "department", "due_at", "confidential"}``; `call` is "" of a confidential (保密) one.

    Parameters:
        before: its state before the act; "" for one that this has opened.
    """
    if before == row.status:
        return
    session.flush()  # of a new one, what the columns have by default
    data = {
        "ticket": row.id,
        "act": act,
        "before": before,
        "after": row.status,
        "version": row.version,
        "call": "" if row.confidential else row.call_id,
        "kind": row.kind,
        "channel": row.channel,
        "region": row.region,
        "department": row.department,
        "due_at": row.due_at,
        "confidential": bool(row.confidential),
    }
    event: Event = "ticket.changed" if before else "ticket.opened"
    tell(session, Told(event, row.id, at, f"{row.id}\n{row.version}", data))


def incident_changed(
    session: Session, incident: str, act: str, at: float, details: Mapping[str, Any]
) -> None:
    """``{"incident", "act", …}`` with the numbers that the act names (`IncidentStepRow`), such as
    ``into`` of a merge, and ``callers`` where it tells how many there are.
    """
    data = {
        "incident": incident,
        "act": act,
        **{name: value for name, value in details.items() if name in _OF_INCIDENTS},
    }
    key = f"{incident}\n{act}\n{at}\n{data}"
    event: Event = "incident.opened" if act == "open" else "incident.changed"
    tell(session, Told(event, incident, at, key, data))


_OF_INCIDENTS = frozenset(
    {"other", "into", "new", "out_of", "announcement", "callers", "regions", "kind", "lines"}
)


def surge_changed(session: Session, decision: Mapping[str, Any], was: str, node: str) -> None:
    """``{"line", "node", "mode", "was", "reason", "wait_s", "outlook_s", "override"}``.

    Parameters:
        decision: the one with which the mode changed (`voicebot.surge.decisions.kept`).
        was: the mode before.
        node: whose mode it is: each process with calls decides by its own room.
    """
    figures = decision["figures"]
    override = figures.get("override") or {}
    data = {
        "line": decision["line"],
        "node": node,
        "mode": decision["mode"],
        "was": was,
        "reason": decision["reason"],
        "wait_s": figures.get("wait_s"),
        "outlook_s": figures.get("outlook_s"),
        "override": override.get("force"),
    }
    line, at = decision["line"], decision["at"]
    tell(session, Told("surge.changed", line, at, f"{line}\n{at}\n{node}", data))
