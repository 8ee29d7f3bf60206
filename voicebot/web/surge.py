"""Surge control over HTTP.

GET  /v1/surge            admin, supervisor, agent: each line's state, figures and newest decision
PUT  /v1/surge/figures    acd, admin: a line's seats and queue, from any ACD, every few seconds
POST /v1/surge/override   supervisor, admin: who answers, or what kind of day it is, until an hour
GET  /v1/surge/calls/{id} admin, supervisor, agent: why a call went where it went

Orders are written with their audit row in one transaction. Figures are audited when an ACD
sends its first ones, not every few seconds.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field, StringConstraints
from sqlalchemy.orm import Session

from voicebot.request_body import FromText, RequestBody
from voicebot.security import Principal, audit_row
from voicebot.surge import orders
from voicebot.surge.board import MOST_LINES, SeatReport
from voicebot.surge.decisions import decision_of
from voicebot.surge.orders import LONGEST_S, MOST_WHY, Order, OrderRefused
from voicebot.web.access import Refusal, client_of, require
from voicebot.web.service import Service

Staff = Annotated[Principal, Depends(require("admin", "supervisor", "agent"))]
Supervisor = Annotated[Principal, Depends(require("admin", "supervisor"))]
Acd = Annotated[Principal, Depends(require("acd", "admin"))]


class FiguresTold(RequestBody):
    """What an ACD sends; lines that it leaves out stay as they are until they are stale."""

    lines: Annotated[list[SeatReport], Field(min_length=1, max_length=MOST_LINES)]


class OrderWanted(RequestBody):
    """An order, or the end of one.

    `line`: the dialled number; all lines where it is left out. `order` ``end`` ends what stands
    for that line.
    """

    order: FromText[Order] | Literal["end"]
    line: Annotated[str, StringConstraints(max_length=64)] = ""
    minutes: Annotated[float, Field(gt=0, le=LONGEST_S / 60)] = 120.0
    why: Annotated[str, StringConstraints(strip_whitespace=True, max_length=MOST_WHY)] = ""


def add_surge(app: FastAPI, service: Service) -> None:
    """Adds the endpoints."""
    records, control = service.records, service.surge
    ours = {line.did for line in service.settings.lines}
    seen: set[str] = set()

    @app.exception_handler(OrderRefused)
    async def refused(_: Request, error: OrderRefused) -> JSONResponse:
        return JSONResponse({"code": error.code, "message": str(error)}, 422)

    @app.get("/v1/surge")
    async def status(_: Staff) -> dict[str, Any]:
        return service.surge_status()

    @app.put("/v1/surge/figures")
    async def figures(told: FiguresTold, principal: Acd, request: Request) -> dict[str, Any]:
        _known({report.line for report in told.lines})
        at = time.time()
        for report in told.lines:
            control.tell(report, at)
        if principal.token_id not in seen:
            seen.add(principal.token_id)
            records.audit(principal, "surge.figures", "", client_of(request))
        return {"taken": len(told.lines)}

    @app.post("/v1/surge/override")
    async def override(wanted: OrderWanted, who: Supervisor, request: Request) -> dict[str, Any]:
        _known({wanted.line} - {""})
        at = time.time()

        def work(session: Session) -> list[dict[str, Any]]:
            if wanted.order == "end":
                orders.end(session, line=wanted.line, who=who.name, at=at)
            else:
                orders.give(
                    session,
                    wanted.order,
                    line=wanted.line,
                    who=who.name,
                    why=wanted.why,
                    at=at,
                    until=at + 60 * wanted.minutes,
                )
            subject = f"{wanted.order} {wanted.line}".strip()
            session.add(audit_row(who, "surge.override", subject, client_of(request), at))
            session.flush()
            return [orders.values(each) for each in orders.in_force(session, at)]

        in_force = await records.transact(work)
        await control.refresh()
        return {"orders": in_force}

    @app.get("/v1/surge/calls/{call_id:path}")
    async def why(call_id: str, principal: Staff, request: Request) -> dict[str, Any]:
        found = await records.read(decision_of, call_id)
        records.audit(principal, "surge.explain", call_id, client_of(request))
        if found is None:
            raise Refusal(
                404,
                {
                    "code": "not_found",
                    "message": "Surge control has decided nothing about a call of this id.",
                },
            )
        return found

    def _known(lines: set[str]) -> None:
        for line in sorted(lines - ours):
            raise Refusal(
                422, {"code": "bad_request", "message": f"line: {line} is no line of [[lines]]."}
            )
