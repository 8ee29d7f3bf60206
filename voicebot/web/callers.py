"""Callers, as HTTP: limited numbers, missed calls, evaluations.

    GET  /v1/callers/limits                 staff: proposals and limits; a number's with their steps
    POST /v1/callers/limits                 supervisor, admin: set a limit
    POST /v1/callers/limits/{id}/review     the same, another person: keep or lift it
    POST /v1/callers/limits/{id}/{act}      the same: lift, dismiss (a proposal), report (to 110)
    POST /v1/callers/appeals                staff: a caller does not agree (申诉)
    GET  /v1/callers/nuisance               staff: nuisance calls by number
    POST /v1/callers/nuisance               staff: this call was nuisance
    GET  /v1/callers/missed                 staff: missed calls that are open
    POST /v1/callers/missed/done            staff: a missed caller was called, or need not be
    GET  /v1/callers/evaluations            staff
    POST /v1/callers/evaluations            staff: what a caller has told a person

Each read is audited, each act is written with its audit row in one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any, Concatenate, Literal, ParamSpec, TypeVar

from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse
from pydantic import Field, StringConstraints
from sqlalchemy.orm import Session

from voicebot import caller_privacy
from voicebot.callers import evaluations, limits, missed, proposing, reporting
from voicebot.callers.errors import CallersError, NotKnown
from voicebot.callers.limits import MOST_DAYS, MOST_WHY, values
from voicebot.callers.tables import LimitRow
from voicebot.request_body import RequestBody
from voicebot.security import Principal, audit_row
from voicebot.web.access import client_of, require
from voicebot.web.discretion import (
    calls_for,
    confidential_among,
    evaluations_for,
    limits_for,
    limits_of_number,
    nuisance_for,
)
from voicebot.web.parameters import RowNumber
from voicebot.web.service import Service

P = ParamSpec("P")
T = TypeVar("T")

Staff = Annotated[Principal, Depends(require("admin", "supervisor", "agent"))]
Supervisor = Annotated[Principal, Depends(require("admin", "supervisor"))]

Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_WHY)]
Number = Annotated[str, StringConstraints(pattern=r"^\+?[0-9]{5,20}$")]
ReasonName = Annotated[str, StringConstraints(max_length=16)]
CallId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]
"""Without NUL, which no column keeps: what is kept would not be found by it."""


class LimitWanted(RequestBody):
    """`evidence`: ids of calls of this number; those of its proposal where none are given."""

    number: Number
    reason: ReasonName
    why: Why
    evidence: Annotated[list[CallId], Field(max_length=100)] = Field(default_factory=list)
    days: Annotated[int, Field(ge=1, le=MOST_DAYS)] | None = None
    """Calendar days; by default those of the settings."""


class Review(RequestBody):
    why: Why
    lift: bool


class Reason(RequestBody):
    why: Why


class Appeal(RequestBody):
    number: Number
    why: Why


class Mark(RequestBody):
    call: CallId
    reason: ReasonName


class Done(RequestBody):
    call: CallId
    note: Annotated[str, StringConstraints(max_length=missed.MOST_NOTE)] = ""


class Judged(RequestBody):
    call: CallId
    number: Number
    ticket: Annotated[str, StringConstraints(max_length=128)] = ""
    score: Annotated[int, Field(ge=1, le=3)]


def add_callers(app: FastAPI, service: Service) -> None:
    """Adds the endpoints."""
    records = service.records

    @app.exception_handler(CallersError)
    async def refused(_: Request, error: CallersError) -> JSONResponse:
        status = 404 if isinstance(error, NotKnown) else 409
        return JSONResponse({"code": error.code, "message": str(error)}, status)

    def audit(request: Request, who: Principal, action: str, subject: str = "") -> None:
        records.audit(who, action, subject, client_of(request))

    async def act(
        request: Request,
        who: Principal,
        action: str,
        subject: str,
        work: Callable[Concatenate[Session, P], T],
        /,
        *arguments: P.args,
        **named: P.kwargs,
    ) -> T:
        """The work and its audit row, both or neither; `subject`: what is acted upon."""

        def run(session: Session) -> T:
            done = work(session, *arguments, **named)
            session.add(audit_row(who, action, subject, client_of(request), time.time()))
            return done

        return await records.transact(run)

    @app.get("/v1/callers/limits")
    async def list_limits(
        who: Staff,
        request: Request,
        number: Annotated[str, Query(max_length=64)] = "",
        everything: bool = False,
    ) -> dict[str, Any]:
        at = time.time()
        audit(request, who, "callers.limits.read", number)
        if number:
            found = await records.read(limits.history, number, at)
            return {"limits": await limits_of_number(records, who, found)}
        found = await records.read(limits.listed, at, everything=everything)
        return {"limits": await limits_for(records, who, found)}

    @app.post("/v1/callers/limits")
    async def set_limit(wanted: LimitWanted, who: Supervisor, request: Request) -> dict[str, Any]:
        return await act(
            request,
            who,
            "callers.limit.set",
            wanted.number,
            _told(limits.set_limit),
            wanted.number,
            reason=wanted.reason,
            evidence=wanted.evidence,
            who=who.name,
            why=wanted.why,
            at=time.time(),
            days=wanted.days or service.settings.callers.limit_days,
        )

    @app.post("/v1/callers/limits/{limit}/review")
    async def review(
        limit: RowNumber, judged: Review, who: Supervisor, request: Request
    ) -> dict[str, Any]:
        return await act(
            request,
            who,
            "callers.limit.review",
            str(limit),
            _told(limits.review),
            limit,
            who=who.name,
            why=judged.why,
            at=time.time(),
            lift=judged.lift,
        )

    @app.post("/v1/callers/limits/{limit}/{done}")
    async def act_upon(
        limit: RowNumber,
        done: Literal["lift", "dismiss", "report"],
        reason: Reason,
        who: Supervisor,
        request: Request,
    ) -> dict[str, Any]:
        work = {"lift": limits.lift, "dismiss": proposing.dismiss, "report": reporting.report}
        return await act(
            request,
            who,
            f"callers.limit.{done}",
            str(limit),
            _told(work[done]),
            limit,
            who=who.name,
            why=reason.why,
            at=time.time(),
        )

    @app.post("/v1/callers/appeals")
    async def appeal(wanted: Appeal, who: Staff, request: Request) -> dict[str, Any]:
        appealed = await act(
            request,
            who,
            "callers.limit.appeal",
            wanted.number,
            _told(limits.appeal_of),
            wanted.number,
            who=who.name,
            why=wanted.why,
            at=time.time(),
        )
        (shown,) = await limits_for(records, who, [appealed])
        return {**shown, "number": appealed["number"]}  # 保密 for what he has typed would tell

    @app.get("/v1/callers/nuisance")
    async def nuisance(who: Staff, request: Request) -> dict[str, Any]:
        found = await records.read(proposing.counts, time.time())
        audit(request, who, "callers.nuisance.read")
        return {"numbers": await nuisance_for(records, who, found)}

    @app.post("/v1/callers/nuisance")
    async def mark(marked: Mark, who: Staff, request: Request) -> dict[str, Any]:
        proposed = await act(
            request,
            who,
            "callers.nuisance.mark",
            marked.call,
            _told(proposing.mark),
            marked.call,
            marked.reason,
            who=who.name,
            at=time.time(),
        )
        shown = await limits_for(records, who, [proposed] if proposed else [])
        return {"proposed": shown[0] if shown else None}

    @app.get("/v1/callers/missed")
    async def list_missed(
        who: Staff,
        request: Request,
        everything: bool = False,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> dict[str, Any]:
        found = await records.read(missed.listed, time.time(), everything=everything, most=limit)
        audit(request, who, "callers.missed.read")
        return {"missed": await calls_for(records, who, found)}

    @app.post("/v1/callers/missed/done")
    async def settle_missed(settled: Done, who: Staff, request: Request) -> dict[str, Any]:
        calls = await act(
            request,
            who,
            "callers.missed.done",
            settled.call,
            missed.done,
            settled.call,
            who=who.name,
            note=settled.note,
            at=time.time(),
        )
        kept = await confidential_among(records, who, calls)
        return {"settled": caller_privacy.settled(calls, settled.call, who.role, kept)}

    @app.get("/v1/callers/evaluations")
    async def list_evaluations(
        who: Staff, request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 200
    ) -> dict[str, Any]:
        found = await records.read(evaluations.listed, most=limit)
        audit(request, who, "callers.evaluations.read")
        return {"evaluations": await evaluations_for(records, who, found)}

    @app.post("/v1/callers/evaluations")
    async def evaluate(judged: Judged, who: Staff, request: Request) -> dict[str, Any]:
        await act(
            request,
            who,
            "callers.evaluation.put",
            judged.call,
            evaluations.by_agent,
            call_id=judged.call,
            number=judged.number,
            ticket=judged.ticket,
            score=judged.score,
            at=time.time(),
        )
        return {"call": judged.call, "score": judged.score}


def _told(
    work: Callable[Concatenate[Session, P], LimitRow | None],
) -> Callable[Concatenate[Session, P], dict[str, Any]]:
    """The work, with the limit as plain values; empty where it made none."""

    def run(session: Session, /, *arguments: P.args, **named: P.kwargs) -> dict[str, Any]:
        row = work(session, *arguments, **named)
        session.flush()
        return values(row, time.time()) if row is not None else {}

    return run
