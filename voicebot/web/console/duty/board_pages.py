"""The live board and the alarms.

GET /console/duty/         agent, supervisor, admin: surge, waiting list, hand-offs, calls
GET /console/duty/now      the same: its moving part
GET /console/duty/alarms   supervisor, admin: what has to be seen to
"""

from __future__ import annotations

import time
from typing import Any

from fastapi import Request, Response

from voicebot.surge.orders import LONGEST_S, MOST_WHY, Order
from voicebot.web.board import EVERY_S
from voicebot.web.console.duty.desk import PREFIX, SUPERVISORS, Desk, Staff, Supervisor
from voicebot.web.console.duty.surge_view import line_view
from voicebot.web.console.shell import Visitor, principal
from voicebot.web.discretion import waiting_for
from voicebot.web.searching import board_shown

WHERE = {
    "dossier_waits": "handoffs",
    "missed_in_danger": "missed",
    "police_order_waits": "reconciliations",
    "envelope_waits": "reconciliations",
    "message_not_taken": "reconciliations",
    "ticket_overdue": "tickets?overdue=1",
    "difference_open": "reconciliations",
    "reconciliation_broken_off": "reconciliations",
    "appeal_open": "limits?which=appeals",
    "limit_proposed": "limits",
    "announcement_to_approve": "incidents",
    "topic_rising": "topics",
    "notice_unanswered": "roster",
}
"""Where the cause of an alarm is seen to; of others: on the board."""


def add_board_pages(desk: Desk) -> None:
    console = desk.console
    written: dict[tuple[str, bool], tuple[float, Response]] = {}

    @desk.app.get("/console/duty/", include_in_schema=False)
    async def board(who: Staff, request: Request) -> Response:
        desk.audit(request, who, "board.read")
        return console.page(
            request,
            "duty/board.html",
            orders=[each.value for each in Order],
            lines=desk.lines,
            seq=console.live.seq,
            most_minutes=int(LONGEST_S / 60),
            most_why=MOST_WHY,
            **await _now(who),
        )

    @desk.app.get("/console/duty/now", include_in_schema=False)
    async def now(who: Staff, request: Request) -> Response:
        # The same for all of a role and a language: however many desks look, it is written once.
        kind = (who.language, who.role in SUPERVISORS)
        made_at, answer = written.get(kind, (float("-inf"), None))
        if answer is None or time.monotonic() - made_at >= EVERY_S:
            answer = console.fragment(request, "duty/board_now.html", **await _now(who))
            written[kind] = time.monotonic(), answer
        return answer

    @desk.app.get("/console/duty/alarms", include_in_schema=False)
    async def alarms(who: Supervisor, request: Request) -> Response:
        return console.page(request, "duty/alarms.html", **await _alarms())

    async def _now(who: Visitor) -> dict[str, Any]:
        """What the moving part shows, as this visitor may see it."""
        found = await desk.board.now()
        waiting = await waiting_for(desk.records, principal(who), found["waiting"])
        shown = board_shown({**found, "waiting": waiting}, principal(who))
        supervises = who.role in SUPERVISORS
        return {
            "board": shown,
            "surge": [line_view(each) for each in shown["surge"]["lines"]],
            "standing_orders": shown["surge"]["orders"],
            "supervises": supervises,
            "dids": desk.lines,
            **(await _alarms() if supervises else {"alarms": []}),
        }

    async def _alarms() -> dict[str, Any]:
        found = await desk.board.alarms()
        return {
            "alarms": [(each, PREFIX + WHERE.get(each.code, "")) for each in found],
            "looked_at": time.time(),
        }
