"""An agent's ticket form, kept on the server as it is typed, and the ticket that is made of it.

Functions of a session, in the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.agents.tables import AgentDraftRow
from voicebot.errors import VoicebotError
from voicebot.records.tables import CallRow, TicketRow
from voicebot.tickets import opening
from voicebot.tickets.acts import perform
from voicebot.tickets.history import Actor
from voicebot.tickets.life import Request
from voicebot.tickets.states import AT_DEPARTMENT, FROM, Act, Status

DISPOSITIONS: Mapping[str, str] = {
    "ticket": "已登记工单",
    "answered": "当场解答",
    "police": "已转110",
    "transferred": "已转其他座席",
    "nuisance": "骚扰来电",
    "no_matter": "无实际诉求",
}
"""How a call was closed (话后处理)."""

FIELDS = (
    "matter", "place", "region", "name", "number", "department", "kind", "happened",
    "confidential", "note",
)  # fmt: skip
MOST_TYPED = 16_000
"""Characters of a form, as JSON."""


class DraftError(VoicebotError):
    """The form cannot be kept or used as it is."""

    code = "draft.refused"


class DraftChanged(DraftError):
    """Somebody else has typed in this form meanwhile; load it again."""

    code = "draft.changed"

    def __init__(self) -> None:
        super().__init__(self.__doc__ or "")


class NoTicket(DraftError):
    """No ticket is registered of this form; register it, or close the call as something else."""

    code = "draft.no_ticket"

    def __init__(self) -> None:
        super().__init__(self.__doc__ or "")


def read(session: Session, call_id: str) -> dict[str, Any]:
    """``{"typed", "version", "agent", "ticket", "disposition", "closed_at"}``; empty: version 0."""
    row = session.get(AgentDraftRow, call_id)
    if row is None:
        empty = {"typed": {}, "version": 0, "agent": "", "ticket": "", "disposition": ""}
        return {**empty, "closed_at": None}
    return {
        "typed": dict(row.typed),
        "version": row.version,
        "agent": row.agent,
        "ticket": row.ticket,
        "disposition": row.disposition,
        "closed_at": row.closed_at,
    }


def save(
    session: Session, call_id: str, typed: Mapping[str, Any], *, agent: str, version: int, at: float
) -> int:
    """Keep what was typed; the new version.

    Parameters:
        typed: of `FIELDS`; what is missing is proposed again.
        version: of the form that it was typed into.

    Raises:
        DraftChanged: it is at another version.
        DraftError: it holds a field that there is not, or too much.
    """
    unknown = set(typed) - set(FIELDS)
    if unknown or len(json.dumps(dict(typed))) > MOST_TYPED:
        raise DraftError(f"The form has {', '.join(FIELDS)}, {MOST_TYPED} characters in all.")
    row = _next(session, call_id, agent, version, at)
    row.typed = dict(typed)
    session.flush()
    return row.version


def submit(
    session: Session,
    call_id: str,
    form: Mapping[str, Any],
    *,
    proposal: Mapping[str, Any],
    by: Actor,
    at: float,
    dispatch: bool,
) -> str:
    """Open the ticket of a call, or bring it up to date; its number.

    What the bot has taken down in the same call is merged into it (并案). With `dispatch` it goes
    to its department at once (自助派单).

    Parameters:
        form: `FIELDS`, as the agent sees them.
        proposal: the columns of the department that was proposed.

    Raises:
        DraftError: there is no such call, no matter, or no department to dispatch to.
        TicketError: its state does not allow it.
    """
    matter = str(form.get("matter", "")).strip()
    department = str(form.get("department", "")).strip()
    if session.get(CallRow, call_id) is None:
        raise DraftError("There is no call of this id.")
    if not matter:
        raise DraftError("A ticket needs its matter (诉求内容).")
    if dispatch and not department:
        raise DraftError("To dispatch it a ticket needs its department (承办单位).")
    ticket = f"{call_id}-a1"
    opening.save(
        session,
        ticket=ticket,
        at=at,
        by=by,
        call_id=call_id,
        matter=matter,
        place=str(form.get("place", "")),
        name=str(form.get("name", "")),
        number=str(form.get("number", "")),
        region=str(form.get("region", "")) or None,
        happened=str(form.get("happened", "")),
        confidential=bool(form.get("confidential", False)),
        kind=str(form.get("kind", "")) or None,
        **proposal,
    )
    session.flush()
    note = str(form.get("note", "")).strip()
    if note:
        perform(session, ticket, Request(Act.NOTE, at, note), by)
    _take_in(session, call_id, ticket, by, at)
    row = session.get(TicketRow, ticket)
    assert row is not None
    if dispatch and Status(row.status) not in AT_DEPARTMENT:
        perform(session, ticket, Request(Act.DISPATCH, at, department=department), by)
    draft = session.get(AgentDraftRow, call_id)
    if draft is not None:
        draft.ticket = ticket
    return ticket


def close(
    session: Session, call_id: str, *, agent: str, disposition: str, version: int, at: float
) -> int:
    """The agent is done with a call (话后处理); the form's new version.

    What was typed stays as it is, also beside a ticket, until retention removes it.

    Parameters:
        version: of the form as the agent sees it.

    Raises:
        DraftChanged: it is at another version.
        NoTicket: closed as registered, and no ticket is.
        DraftError: there is no such way of closing one.
    """
    if disposition not in DISPOSITIONS:
        raise DraftError(f"Close a call as one of {', '.join(DISPOSITIONS)}.")
    row = _next(session, call_id, agent, version, at)
    if disposition == "ticket" and not row.ticket:
        raise NoTicket
    row.disposition, row.closed_at = disposition, at
    return row.version


def _next(session: Session, call_id: str, agent: str, version: int, at: float) -> AgentDraftRow:
    """The form at the version after this one, locked; a new one where there is none.

    Raises:
        DraftChanged: it is at another version.
    """
    row = session.get(AgentDraftRow, call_id, with_for_update=True)
    if row is None:
        row = AgentDraftRow(call_id=call_id, typed={}, version=0, ticket="")
        session.add(row)
    if row.version != version:
        raise DraftChanged
    row.agent, row.updated_at = agent[:64], at
    row.version += 1
    return row


def _take_in(session: Session, call_id: str, ticket: str, by: Actor, at: float) -> None:
    """The bot's own tickets of the call are the same matter."""
    others = session.scalars(
        select(TicketRow.id)
        .where(TicketRow.call_id == call_id, TicketRow.id != ticket)
        .where(TicketRow.status.in_([each.value for each in FROM[Act.LINK]]))
    ).all()
    for other in others:
        perform(session, other, Request(Act.LINK, at, "同一通话，由座席登记", main=ticket), by)
