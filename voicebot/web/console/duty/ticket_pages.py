"""Tickets (工单) with their deadlines and supervision (督办), and matters in dispute (会商).

GET /console/duty/tickets         agent, supervisor, admin
GET /console/duty/tickets/{id}    the same: history, reminders, what can be done
GET /console/duty/disputes        supervisor, admin: and the rules that were decided
"""

from __future__ import annotations

import time
from datetime import date

from fastapi import Request, Response

from voicebot import caller_privacy
from voicebot.clock import today
from voicebot.records.duty import region_names
from voicebot.tickets import reading, rules
from voicebot.tickets.deadlines import Kind
from voicebot.tickets.duplicates import duplicates
from voicebot.tickets.errors import UnknownTicket
from voicebot.tickets.life import MOST_DAYS
from voicebot.tickets.states import NEEDS_REASON, Act, Status
from voicebot.web.console.duty.desk import (
    SUPERVISORS,
    Desk,
    Staff,
    Supervisor,
    Text,
    filters,
    paging,
    seconds,
)
from voicebot.web.console.duty.figure_view import day_of
from voicebot.web.disputes import DAYS, dispute_values, period
from voicebot.web.paging import read_key, write_key

SUPERVISORS_ALONE = (Act.SUPERVISE,)


def add_ticket_pages(desk: Desk) -> None:
    console, records = desk.console, desk.records

    @desk.app.get("/console/duty/tickets", include_in_schema=False)
    async def tickets(
        who: Staff,
        request: Request,
        status: Text = "",
        kind: Text = "",
        department: Text = "",
        region: Text = "",
        number: Text = "",
        text: Text = "",
        since: Text = "",
        until: Text = "",
        overdue: Text = "",
        disputed: Text = "",
        after: Text = "",
    ) -> Response:
        at = time.time()
        query = reading.Query(
            number=number.strip(),
            department=department.strip(),
            status=status,
            region=region,
            kind=kind,
            text=text.strip(),
            since=seconds(since),
            until=seconds(until),
            overdue_at=at if overdue else None,
            disputed=bool(disputed),
            open_alone=bool(number) and not caller_privacy.may_know(who.role, confidential=True),
        )
        page = await records.read(reading.search, query, after=read_key(after))
        desk.audit(request, who, "tickets.list")
        return console.page(
            request,
            "duty/tickets.html",
            tickets=[caller_privacy.ticket(each, who.role) for each in page.tickets],
            **paging(request, write_key(page.next)),
            query=filters(request),
            statuses=[each.value for each in Status],
            kinds=[each.value for each in Kind],
            regions=region_names(),
        )

    @desk.app.get("/console/duty/tickets/{ticket:path}", include_in_schema=False)
    async def one(ticket: str, who: Staff, request: Request) -> Response:
        supervises = who.role in SUPERVISORS
        try:
            found = await records.read(reading.detail, ticket)
            like = await records.read(duplicates, ticket, open_alone=not supervises)
        except UnknownTicket:
            return console.problem(request, 404, "not_found")
        desk.audit(request, who, "ticket.read", ticket)
        acts = [each for each in found["allowed"] if supervises or each not in SUPERVISORS_ALONE]
        return console.page(
            request,
            "duty/ticket.html",
            ticket=caller_privacy.ticket(found, who.role),
            like=like,
            acts=acts,
            needs_reason=[each.value for each in NEEDS_REASON],
            kinds=[each.value for each in Kind],
            regions=region_names(),
            most_days=MOST_DAYS,
            supervises=supervises,
        )

    @desk.app.get("/console/duty/disputes", include_in_schema=False)
    async def disputes(
        who: Supervisor, request: Request, first: Text = "", last: Text = ""
    ) -> Response:
        begins, ends = _days(first, last)
        found = await records.read(dispute_values, *period(begins, ends))
        in_force = await records.read(rules.in_force)
        desk.audit(request, who, "disputes.list")
        return console.page(
            request,
            "duty/disputes.html",
            disputes=found,
            rules=in_force,
            first=begins,
            last=ends,
            days=DAYS,
            regions=region_names(),
        )


def _days(first: str, last: str) -> tuple[date | None, date | None]:
    begins, ends = day_of(first), day_of(last)
    if begins is not None and begins > (ends or today()):
        return ends, begins
    return begins, ends
