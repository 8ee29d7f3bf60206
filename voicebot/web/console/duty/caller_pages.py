"""Callers: limited numbers (骚扰限制) with review and appeals, missed calls and call-backs.

GET /console/duty/limits    agent, supervisor, admin: proposals and limits, nuisance calls
GET /console/duty/missed    the same: who was not reached, until he has been
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from fastapi import Request, Response
from sqlalchemy.orm import Session

from voicebot.callers import limits, missed, proposing
from voicebot.callers.limits import MOST_DAYS
from voicebot.callers.nuisance import REASONS
from voicebot.web.console.duty.desk import (
    SUPERVISORS,
    Desk,
    Staff,
    Text,
    filters,
    paging,
    whole_number,
)
from voicebot.web.console.shell import principal
from voicebot.web.discretion import calls_for, limits_for, limits_of_number, nuisance_for
from voicebot.web.paging import read_key, write_key

SHOWN = 50
NUISANCE_SHOWN = 30


def add_caller_pages(desk: Desk) -> None:
    console, records = desk.console, desk.records

    @desk.app.get("/console/duty/limits", include_in_schema=False)
    async def limited(
        who: Staff,
        request: Request,
        which: Text = "",
        number: Text = "",
        after: Text = "",
    ) -> Response:
        at, chosen = time.time(), _which(which)
        read: Callable[[Session], list[dict[str, Any]]]
        shown = limits_of_number if number.strip() else limits_for
        if number.strip():
            read = partial(limits.history, number=number.strip(), at=at)
        else:
            read = partial(limits.page, at=at, which=chosen, before=whole_number(after), most=SHOWN)
        found = await records.read(read)
        counts = await records.read(proposing.counts, at, most=NUISANCE_SHOWN)
        desk.audit(request, who, "callers.limits.read", number.strip())
        more = len(found) == SHOWN and not number.strip()
        return console.page(
            request,
            "duty/limits.html",
            limits=await shown(records, principal(who), found),
            nuisance=await nuisance_for(records, principal(who), counts),
            **paging(request, str(found[-1]["id"]) if more else None),
            which=chosen,
            query=filters(request),
            reasons=REASONS,
            most_days=MOST_DAYS,
            supervises=who.role in SUPERVISORS,
        )

    @desk.app.get("/console/duty/missed", include_in_schema=False)
    async def missed_calls(
        who: Staff, request: Request, all: Text = "", after: Text = ""
    ) -> Response:
        found = await records.read(
            missed.page, everything=bool(all), after=read_key(after), most=SHOWN
        )
        desk.audit(request, who, "callers.missed.read")
        key = missed.page_key(found[-1]) if len(found) == SHOWN else None
        return console.page(
            request,
            "duty/missed.html",
            missed=await calls_for(records, principal(who), found),
            **paging(request, write_key(key)),
            everything=bool(all),
            dids=desk.lines,
        )


def _which(text: str) -> Literal["open", "appeals", "all"]:
    match text:
        case "appeals" | "all":
            return text
    return "open"
