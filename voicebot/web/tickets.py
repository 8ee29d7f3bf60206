"""Tickets (工单) as HTTP: search, one with its history, acts on it.

    GET  /v1/tickets                   agent, supervisor, admin: `voicebot.tickets.reading.search`
    GET  /v1/tickets/{id}              the same: all on record; its version as ETag
    GET  /v1/tickets/{id}/duplicates   the same: what may be the same matter
    POST /v1/tickets/{id}/acts         the same: one act, on the version of If-Match

What is confidential shows its caller, and what was said, to supervisors alone: an agent does not
find it by its caller's number either. Disputes: web.disputes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Header, Query, Request, Response
from pydantic import Field, StringConstraints
from sqlalchemy.orm import Session

from voicebot import caller_privacy
from voicebot.request_body import FromText, RequestBody
from voicebot.security import Principal
from voicebot.security import audit_row as audit_row
from voicebot.tickets import acts, exchange, life, reading  # noqa: F401 - exchange: its handlers
from voicebot.tickets.deadlines import Kind
from voicebot.tickets.duplicates import duplicates
from voicebot.tickets.errors import ActIncomplete, TicketChanged, TicketError, UnknownTicket
from voicebot.tickets.history import Actor
from voicebot.tickets.rules import RuleRefused, UnknownRule
from voicebot.tickets.states import Act, Status
from voicebot.web.access import Refusal, client_of, require
from voicebot.web.paging import read_key, write_key

if TYPE_CHECKING:
    from voicebot.web.service import Service

STAFF = ("agent", "supervisor", "admin")
MOST = 200

Staff = Annotated[Principal, Depends(require(*STAFF))]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)]
Code = Annotated[str, StringConstraints(pattern=r"^([0-9]{6})?$")]
Moment = Annotated[float | None, Query(description="Seconds since the epoch.")]

_STATUS_OF = {
    UnknownTicket: 404,
    UnknownRule: 404,
    TicketChanged: 412,
    ActIncomplete: 422,
    RuleRefused: 422,
}
NO_VERSION = {
    "code": "ticket.no_version",
    "message": "Send the ETag that you read as If-Match, so that nobody's act is overwritten.",
}


class ActModel(RequestBody):
    """One act; which fields it needs, `voicebot.tickets.states` and the answer say."""

    act: FromText[Act]
    why: Words = ""
    department: Name = ""
    """dispatch"""
    kind: FromText[Kind] | None = None
    """dispatch: what it has turned out to be."""
    classification: Annotated[str, StringConstraints(pattern=r"^([0-9]{2}){0,3}$")] = ""
    """dispatch"""
    region: Code = ""
    """dispatch"""
    answer: Words = ""
    """answer: what the caller is told."""
    days: Annotated[int, Field(ge=0, le=life.MOST_DAYS)] = 0
    """extend: working days."""
    main: Annotated[str, StringConstraints(max_length=128)] = ""
    """link: the ticket of the same matter."""
    category: Annotated[int | None, Field(ge=1, le=7)] = None
    """escalate: of annex 2."""


def add_tickets(app: FastAPI, service: Service) -> None:
    """Adds the endpoints above."""
    records = service.records

    @app.get("/v1/tickets")
    async def search(
        principal: Staff,
        request: Request,
        status: Status | None = None,
        kind: Kind | None = None,
        department: Name = "",
        region: Code = "",
        number: Annotated[str, Query(max_length=64)] = "",
        channel: Annotated[str, Query(max_length=12)] = "",
        text: Annotated[str, Query(max_length=100)] = "",
        since: Moment = None,
        until: Moment = None,
        overdue: bool = False,
        disputed: bool = False,
        after: Annotated[str, Query(max_length=160)] = "",
        limit: Annotated[int, Query(ge=1, le=MOST)] = reading.SHOWN,
    ) -> dict[str, Any]:
        """A page of tickets, the newest first; `next` is the next page's `after`, or null."""
        query = reading.Query(
            number=number,
            department=department,
            status=status.value if status else "",
            region=region,
            kind=kind.value if kind else "",
            channel=channel,
            text=text.strip(),
            since=since,
            until=until,
            overdue_at=time.time() if overdue else None,
            disputed=disputed,
            open_alone=bool(number) and _open_alone(principal),
        )
        page = await records.read(reading.search, query, after=read_key(after), limit=limit)
        _audit(request, principal, "tickets.list", "")
        return {
            "tickets": [caller_privacy.ticket(each, principal.role) for each in page.tickets],
            "next": write_key(page.next),
        }

    @app.get("/v1/tickets/{ticket_id:path}/duplicates")
    async def likely(ticket_id: str, principal: Staff, request: Request) -> dict[str, Any]:
        with refused():
            found = await records.read(duplicates, ticket_id, open_alone=_open_alone(principal))
        _audit(request, principal, "ticket.duplicates", ticket_id)
        return {"duplicates": [asdict(each) for each in found]}

    @app.get("/v1/tickets/{ticket_id:path}")
    async def one(
        ticket_id: str, principal: Staff, request: Request, response: Response
    ) -> dict[str, Any]:
        with refused():
            found = await records.read(reading.detail, ticket_id)
        _audit(request, principal, "ticket.read", ticket_id)
        response.headers["ETag"] = f'"{found["version"]}"'
        return caller_privacy.ticket(found, principal.role)

    @app.post("/v1/tickets/{ticket_id:path}/acts")
    async def act(
        ticket_id: str,
        asked: ActModel,
        principal: Staff,
        request: Request,
        response: Response,
        if_match: Annotated[str, Header()] = "",
    ) -> dict[str, Any]:
        """Do one act; the ticket after it. 409: its state does not allow it, and what does."""
        version = _version(if_match)
        client = client_of(request)
        with refused():
            found = await records.transact(
                _perform, ticket_id, asked, principal, version, client, time.time()
            )
        response.headers["ETag"] = f'"{found["version"]}"'
        return caller_privacy.ticket(found, principal.role)

    def _audit(request: Request, who: Principal, action: str, subject: str) -> None:
        records.audit(who, action, subject, client_of(request))


@contextmanager
def refused() -> Iterator[None]:
    """What tickets complain of becomes an answer with a code and a sentence."""
    try:
        yield
    except TicketError as error:
        status = next((n for kind, n in _STATUS_OF.items() if isinstance(error, kind)), 409)
        raise Refusal(status, {"code": error.code, "message": str(error)}) from None


def _perform(
    session: Session,
    ticket: str,
    asked: ActModel,
    principal: Principal,
    version: int,
    client: str,
    at: float,
) -> dict[str, Any]:
    acts.perform(
        session,
        ticket,
        life.Request(
            asked.act,
            at,
            why=asked.why,
            department=asked.department,
            kind=asked.kind,
            answer=asked.answer,
            days=asked.days,
            main=asked.main,
        ),
        Actor(principal.name, principal.role),
        version=version,
        classification=asked.classification,
        region=asked.region,
        category=asked.category,
    )
    session.add(audit_row(principal, f"ticket.{asked.act.value}", ticket, client, at))
    session.flush()
    return reading.detail(session, ticket)


def _open_alone(principal: Principal) -> bool:
    """What is confidential is not to be found by its caller's number."""
    return not caller_privacy.may_know(principal.role, confidential=True)


def _version(if_match: str) -> int:
    found = re.fullmatch(r'(?:W/)?"?([0-9]{1,9})"?', if_match.strip())
    if found is None:
        raise Refusal(428, NO_VERSION)
    return int(found[1])
