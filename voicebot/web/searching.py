"""What desks look for and look at, as HTTP.

    GET /v1/calls       admin, supervisor, agent: calls by time, line, number, outcome or words
    GET /v1/handoffs    the same: hand-offs and how far they have come
    GET /v1/board       the same: what is going on this second
    GET /v1/alarms      admin, supervisor: what has to be seen to

Agents see numbers masked, and nothing of confidential (保密) callers.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request

from flows.events import LegState
from voicebot.caller_privacy import HIDDEN, may_know
from voicebot.records.searching import (
    SHOWN,
    CallQuery,
    HandoffQuery,
    search_calls,
    search_handoffs,
)
from voicebot.security import Principal
from voicebot.web.access import client_of, require
from voicebot.web.board import Board
from voicebot.web.console.formats import masked_number
from voicebot.web.discretion import waiting_for
from voicebot.web.paging import read_key, write_key
from voicebot.web.service import Service

STAFF = ("agent", "supervisor", "admin")
MOST = 200

Staff = Annotated[Principal, Depends(require(*STAFF))]
Supervisor = Annotated[Principal, Depends(require("supervisor", "admin"))]
Moment = Annotated[float | None, Query(description="Seconds since the epoch.")]
After = Annotated[str, Query(max_length=160, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=MOST)]
Short = Annotated[str, Query(max_length=64)]


def add_searching(app: FastAPI, service: Service, board: Board) -> None:
    """Adds the endpoints above."""
    records = service.records

    @app.get("/v1/calls")
    async def calls(
        principal: Staff,
        request: Request,
        number: Short = "",
        did: Short = "",
        outcome: Short = "",
        text: Annotated[str, Query(max_length=100)] = "",
        transferred: bool = False,
        since: Moment = None,
        until: Moment = None,
        after: After = "",
        limit: Limit = SHOWN,
    ) -> dict[str, Any]:
        """A page of calls, the newest first; `next` is the next page's `after`, or null."""
        query = CallQuery(
            number=number,
            did=did,
            outcome=outcome,
            text=text.strip(),
            transferred=transferred,
            open_alone=bool(number or text) and not may_know(principal.role, confidential=True),
            since=since,
            until=until,
        )
        page = await records.read(search_calls, query, after=read_key(after), limit=limit)
        _audit(request, principal, "calls.search")
        return {
            "calls": [call_shown(each, principal) for each in page.rows],
            "next": write_key(page.next),
        }

    @app.get("/v1/handoffs")
    async def handoffs(
        principal: Staff,
        request: Request,
        state: LegState | None = None,
        reason: Short = "",
        destination: Short = "",
        since: Moment = None,
        until: Moment = None,
        after: After = "",
        limit: Limit = SHOWN,
    ) -> dict[str, Any]:
        """A page of hand-offs, the newest first, without their dossiers."""
        query = HandoffQuery(
            state=state.value if state else "",
            reason=reason,
            destination=destination,
            since=since,
            until=until,
        )
        page = await records.read(search_handoffs, query, after=read_key(after), limit=limit)
        _audit(request, principal, "handoffs.list")
        return {
            "handoffs": [handoff_shown(each, principal) for each in page.rows],
            "next": write_key(page.next),
        }

    @app.get("/v1/board")
    async def now(principal: Staff, request: Request) -> dict[str, Any]:
        """Calls, hand-offs, the waiting list and surge control, as they stand."""
        _audit(request, principal, "board.read")
        found = await board.now()
        waiting = await waiting_for(records, principal, found["waiting"])
        return board_shown({**found, "waiting": waiting}, principal)

    @app.get("/v1/alarms")
    async def alarms(_: Supervisor) -> dict[str, Any]:
        """What has to be seen to, the worst first; nothing in it is about a person."""
        return {"at": time.time(), "alarms": [asdict(each) for each in await board.alarms()]}

    def _audit(request: Request, who: Principal, action: str) -> None:
        records.audit(who, action, "", client_of(request))


def number_shown(number: str, *, confidential: bool, principal: Principal) -> str:
    """A caller's number as a person may see it in a list."""
    if may_know(principal.role, confidential=True):
        return number
    return HIDDEN if confidential else masked_number(number)


def call_shown(call: dict[str, Any], principal: Principal) -> dict[str, Any]:
    """A row of `search_calls` as a person may see it."""
    kept = call["confidential"]
    shown = {**call, "caller": number_shown(call["caller"], confidential=kept, principal=principal)}
    if not may_know(principal.role, confidential=kept):
        shown["excerpt"] = ""
    return shown


def handoff_shown(handoff: dict[str, Any], principal: Principal) -> dict[str, Any]:
    """A row of `search_handoffs` as a person may see it."""
    kept, caller = handoff["confidential"], handoff["caller"] or ""
    shown = {
        **handoff,
        "caller": number_shown(caller, confidential=kept, principal=principal),
    }
    if not may_know(principal.role, confidential=kept):
        shown["evidence"] = []
    return shown


def board_shown(board: dict[str, Any], principal: Principal) -> dict[str, Any]:
    """`Board.now` as a person may see it."""
    return {
        **board,
        "handoffs": [handoff_shown(each, principal) for each in board["handoffs"]],
        "running": [call_shown(each, principal) for each in board["running"]],
    }
