"""Disputed matters for 会商, and the rules decided there, as HTTP (R10).

GET  /v1/disputes                        supervisor, admin: `voicebot.tickets.disputes`
GET  /v1/disputes.xlsx                   the same, as a workbook with evidence
GET  /v1/dispatch-rules                  agent, supervisor, admin: what dispatch follows
POST /v1/dispatch-rules                  supervisor, admin: a decision
POST /v1/dispatch-rules/{id}/withdraw    supervisor, admin
"""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from datetime import time as clock
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from pydantic import Field
from sqlalchemy.orm import Session

from voicebot.clock import BEIJING, today
from voicebot.request_body import RequestBody
from voicebot.security import Principal, audit_row
from voicebot.tickets import rules
from voicebot.tickets.disputes import disputes
from voicebot.tickets.disputes_workbook import workbook
from voicebot.web.access import Refusal, client_of, require
from voicebot.web.parameters import Day, RowNumber
from voicebot.web.tickets import STAFF, Code, Name, Words, refused

if TYPE_CHECKING:
    from voicebot.web.service import Service

DAYS = 30
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Staff = Annotated[Principal, Depends(require(*STAFF))]
Supervisor = Annotated[Principal, Depends(require("supervisor", "admin"))]
First = Annotated[Day | None, Query(alias="from", description=f"First day; {DAYS} days ago.")]
Last = Annotated[Day | None, Query(alias="to", description="Last day, included; today.")]

BAD_PERIOD = {
    "code": "bad_request",
    "message": "from is the first day and to the last, like 2026-11-26, in that order.",
}


class RuleModel(RequestBody):
    """A decision: matters with all these words are this department's."""

    words: Annotated[list[Name], Field(min_length=1, max_length=rules.MOST_WORDS)]
    department: Name
    source: Words
    """The minutes (会商纪要) that it stands in."""
    region: Code = ""


def add_disputes(app: FastAPI, service: Service) -> None:
    """Adds the endpoints above."""
    records = service.records

    @app.get("/v1/disputes")
    async def listed(
        principal: Supervisor, request: Request, first: First = None, last: Last = None
    ) -> dict[str, Any]:
        found = await records.read(dispute_values, *period(first, last))
        records.audit(principal, "disputes.list", "", client_of(request))
        return {"disputes": found}

    @app.get("/v1/disputes.xlsx", response_class=Response, responses={200: {"content": {XLSX: {}}}})
    async def exported(
        principal: Supervisor, request: Request, first: First = None, last: Last = None
    ) -> Response:
        data = await records.read(export, *period(first, last))
        records.audit(principal, "disputes.export", "", client_of(request))
        headers = {
            "Content-Disposition": 'attachment; filename="disputes.xlsx"',
            "Cache-Control": "no-store",
        }
        return Response(data, media_type=XLSX, headers=headers)

    @app.get("/v1/dispatch-rules")
    async def followed(_: Staff) -> dict[str, Any]:
        return {"rules": await records.read(rules.in_force)}

    @app.post("/v1/dispatch-rules", status_code=201)
    async def decide(asked: RuleModel, principal: Supervisor, request: Request) -> dict[str, Any]:
        with refused():
            return await records.transact(
                _decide, asked, principal, client_of(request), time.time()
            )

    @app.post("/v1/dispatch-rules/{rule}/withdraw")
    async def withdraw(rule: RowNumber, principal: Supervisor, request: Request) -> dict[str, Any]:
        with refused():
            return await records.transact(
                _withdraw, rule, principal, client_of(request), time.time()
            )


def export(session: Session, since: float, until: float) -> bytes:
    """The workbook of what was disputed in [since, until)."""
    return workbook(session, disputes(session, since, until))


def period(first: date | None, last: date | None) -> tuple[float, float]:
    """Whole days in Hainan, as [since, until) in seconds since the epoch."""
    ends = last or today()
    if not 2001 <= ends.year < 3000:
        raise Refusal(422, BAD_PERIOD)
    begins = first or ends - timedelta(days=DAYS)
    if begins.year < 2000 or ends < begins:
        raise Refusal(422, BAD_PERIOD)
    return _midnight(begins), _midnight(ends + timedelta(days=1))


def _midnight(day: date) -> float:
    return datetime.combine(day, clock.min, BEIJING).timestamp()


def dispute_values(session: Session, since: float, until: float) -> list[dict[str, Any]]:
    """What GET /v1/disputes answers of [since, until), seconds since the epoch."""
    return [each.as_values() for each in disputes(session, since, until)]


def _decide(
    session: Session, asked: RuleModel, who: Principal, client: str, at: float
) -> dict[str, Any]:
    row = rules.decide(session, **asked.model_dump(), by=who.name, at=at)
    session.add(audit_row(who, "dispatch_rule.decide", str(row.id), client, at))
    return rules.as_values(row)


def _withdraw(
    session: Session, rule: int, who: Principal, client: str, at: float
) -> dict[str, Any]:
    row = rules.withdraw(session, rule, by=who.name, at=at)
    session.add(audit_row(who, "dispatch_rule.withdraw", str(rule), client, at))
    return rules.as_values(row)
