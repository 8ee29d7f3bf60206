"""Reconciliation (对账) with 110, and who is on duty now.

GET /console/duty/reconciliations             supervisor, admin: what is not settled, the newest
GET /console/duty/reconciliations/{number}    the same: one, with the differences of its days
GET /console/duty/roster                      agent, supervisor, admin: who answers each line now
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import Request, Response
from sqlalchemy.orm import Session

from voicebot.clock import now
from voicebot.duty.names import LINES, read_region, write_region
from voicebot.duty.reporting import answering_now
from voicebot.duty.rota import SUPERIOR
from voicebot.exchange.reconciliation import queue
from voicebot.exchange.reconciliation.days import Days
from voicebot.exchange.reconciliation.tables import DifferenceRow
from voicebot.records.duty import region_names
from voicebot.web.console.duty.desk import (
    Desk,
    Staff,
    Supervisor,
    Text,
    paging,
    whole_number,
)
from voicebot.web.duty import answering_values

SHOWN = 50
RUNS_SHOWN = 20


def add_exchange_pages(desk: Desk) -> None:
    console, records = desk.console, desk.records

    @desk.app.get("/console/duty/reconciliations", include_in_schema=False)
    async def reconciliations(
        who: Supervisor, request: Request, before: Text = "", after: Text = ""
    ) -> Response:
        runs = await records.read(queue.runs, RUNS_SHOWN, whole_number(before))
        open_ = await records.read(_differences, None, _key(after))
        desk.audit(request, who, "exchange.differences.read")
        return console.page(
            request,
            "duty/reconciliations.html",
            runs=runs,
            older=runs[-1]["number"] if len(runs) == RUNS_SHOWN else None,
            differences=open_,
            **paging(request, _after(open_)),
        )

    @desk.app.get("/console/duty/reconciliations/{number}", include_in_schema=False)
    async def one(number: str, who: Supervisor, request: Request, after: Text = "") -> Response:
        wanted = whole_number(number)
        runs = [] if wanted is None else await records.read(queue.runs, 1, wanted + 1)
        if not runs or runs[0]["number"] != wanted:
            return console.problem(request, 404, "not_found")
        days = Days.of(runs[0]["first_day"], runs[0]["last_day"])
        found = await records.read(_differences, days, _key(after))
        desk.audit(request, who, "exchange.reconciliation.read", number)
        return console.page(
            request,
            "duty/reconciliation.html",
            run=runs[0],
            differences=found,
            **paging(request, _after(found)),
        )

    @desk.app.get("/console/duty/roster", include_in_schema=False)
    async def roster(who: Staff, request: Request, region: Text = "") -> Response:
        place = read_region(region) or ""
        found = await records.read(_answering, place, now())
        desk.audit(request, who, "duty.now", place)
        return console.page(
            request,
            "duty/roster.html",
            lines=found,
            superior=SUPERIOR,
            region=place,
            place=write_region(place),
            regions=region_names(),
        )


def _differences(
    session: Session, days: Days | None, after: tuple[str, int] | None
) -> list[dict[str, Any]]:
    """A page of those of some days, or of all that are not settled, the oldest first."""
    states = queue.OPEN if days is None else ()
    rows = queue.search(session, states=states, days=days, after=after, limit=SHOWN)
    return [_values(row) for row in rows]


def _values(row: DifferenceRow) -> dict[str, Any]:
    names = (
        "number", "finding", "id", "subject", "sender", "kind", "day", "ours", "theirs", "repair",
        "state", "found_at", "settled_at", "decided_by", "note",
    )  # fmt: skip
    return {name: getattr(row, name) for name in names}


def _answering(session: Session, region: str, at: datetime) -> list[dict[str, Any]]:
    return [answering_values(answering_now(session, line, region, at)) for line in LINES]


def _key(after: str) -> tuple[str, int] | None:
    day, _, number = after.partition("~")
    wanted = whole_number(number)
    return None if wanted is None else (day, wanted)


def _after(found: list[dict[str, Any]]) -> str | None:
    return f"{found[-1]['day']}~{found[-1]['number']}" if len(found) == SHOWN else None
