"""Acts on a ticket: each is one transaction with its step, its messages and what follows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from voicebot.exchange.sending import send
from voicebot.incidents.reading import incident_of_call
from voicebot.records.tables import TicketRow
from voicebot.tickets.errors import ActRefused, TicketChanged, UnknownTicket
from voicebot.tickets.history import Actor, keep, life_of
from voicebot.tickets.life import Request, step
from voicebot.tickets.police import order_number, police_order
from voicebot.tickets.states import FINISHED, FOLLOWED, Act, Status
from voicebot.tickets.telling import tell
from voicebot.tickets.urging import supervise

SUPERVISORS = frozenset({"supervisor", "admin", "local"})
_CARRIED = frozenset({Act.LINK, Act.WITHDRAW, *FOLLOWED})
"""Acts that those merged into the ticket have a part in."""


def perform(
    session: Session,
    ticket: str,
    request: Request,
    by: Actor,
    *,
    version: int | None = None,
    classification: str = "",
    region: str = "",
    category: int | None = None,
    details: Mapping[str, Any] | None = None,
) -> TicketRow:
    """Do an act on a ticket.

    Parameters:
        version: what its reader saw; None: whatever it is now.
        classification, region: dispatch: what it has turned out to be; empty: as before.
        category: escalate: 1-7 of annex 2, if known.
        details: what else is to stand in its history.

    Raises:
        UnknownTicket: there is none of this number.
        TicketChanged: it is at another version.
        ActRefused: its state, or the actor's role, does not allow the act.
    """
    row = _locked(session, ticket, request)
    if version is not None and version != row.version:
        raise TicketChanged(ticket, row.version)
    _may(row, request, by)
    kept = dict(details or {})
    match request.act:
        case Act.DISPATCH:
            row.classification = classification or row.classification
            row.region = region or row.region
        case Act.EXTEND:
            kept["days"] = request.days
        case Act.LINK:
            _check_main(session, row, request.main)
            kept["main"] = request.main
        case Act.ESCALATE:
            request = replace(request, order=order_number(row.id, row.version + 1))
            kept.update(order=request.order, category=category)
    _do(session, row, request, by, kept)
    if request.act is Act.ESCALATE:
        order = police_order(
            session, row, request.order, why=request.why, category=category, at=request.at
        )
        incident = incident_of_call(session, row.call_id)
        send(session, order, subject=request.order, at=request.at, incident=incident)
    if request.act is Act.SUPERVISE:
        supervise(session, row, request.why.strip(), request.at)
    _follow(session, row, request, by)
    session.flush()
    return row


def find(session: Session, ticket: str) -> TicketRow:
    """The ticket of a number. Raises UnknownTicket."""
    row = session.get(TicketRow, ticket)
    if row is None:
        raise UnknownTicket(ticket)
    return row


def _locked(session: Session, ticket: str, request: Request) -> TicketRow:
    """A ticket as it is now, until the transaction ends; with it all that the act touches.

    They are locked in the order of their numbers, so that no two acts wait for each other.
    """
    touched: ColumnElement[bool] = TicketRow.id.in_({ticket, request.main} - {""})
    if request.act in _CARRIED:
        touched = or_(touched, TicketRow.main == ticket)
    rows = session.scalars(
        select(TicketRow).where(touched).order_by(TicketRow.id).with_for_update(),
        execution_options={"populate_existing": True},
    ).all()
    row = next((each for each in rows if each.id == ticket), None)
    if row is None:
        raise UnknownTicket(ticket)
    return row


def _do(
    session: Session, row: TicketRow, request: Request, by: Actor, details: dict[str, Any]
) -> None:
    before = life_of(row)
    after = step(before, request)
    keep(session, row, after, request.act, by, at=request.at, why=request.why, details=details)
    tell(session, row, before, request)


def _may(row: TicketRow, request: Request, by: Actor) -> None:
    if request.act is Act.EXTEND and row.extensions and by.role not in SUPERVISORS:
        raise ActRefused(
            "The ticket was extended before; a second extension is for a supervisor to give."
        )
    if request.act is Act.SUPERVISE and by.role not in SUPERVISORS:
        raise ActRefused("Supervision (督办) is for a supervisor to order; leave a note instead.")


def _check_main(session: Session, row: TicketRow, main: str) -> None:
    target = find(session, main)
    if target.id == row.id:
        raise ActRefused("A ticket cannot be merged into itself.")
    if target.status == Status.MERGED:
        raise ActRefused(f"{main} is merged into {target.main} itself; link to that one.")
    if Status(target.status) in FINISHED:
        raise ActRefused(f"{main} is {target.status}; a ticket is merged into one that is open.")


def _follow(session: Session, row: TicketRow, request: Request, by: Actor) -> None:
    """What those that are merged into a ticket have of an act on it."""
    if request.act not in _CARRIED:
        return
    followers = session.scalars(
        select(TicketRow).where(TicketRow.main == row.id).order_by(TicketRow.id).with_for_update()
    )
    for each in followers:
        if request.act is Act.LINK:  # they come along
            life = life_of(each)
            moved = replace(life, main=request.main, version=life.version + 1)
            why = f"随主工单{row.id}并入{request.main}"
            details = {"main": request.main}
            keep(session, each, moved, Act.LINK, by, at=request.at, why=why, details=details)
        elif Status(each.status) in FOLLOWED.get(request.act, ()):
            why = f"随主工单{row.id}。{request.why}".rstrip("。")
            _do(session, each, replace(request, why=why, following=True), by, {"main": row.id})
        elif request.act is Act.WITHDRAW and each.status == Status.MERGED:
            # The others' matter is still there.
            own = Request(Act.UNLINK, request.at, f"主工单{row.id}已撤回")
            _do(session, each, own, by, {"main": row.id})
