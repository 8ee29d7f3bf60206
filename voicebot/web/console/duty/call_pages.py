"""Calls and hand-offs, searched.

GET /console/duty/calls      agent, supervisor, admin: by time, line, number, outcome, words
GET /console/duty/handoffs   the same: and how far each has come

Each call leads to its page, where it can be heard and is explained.
"""

from __future__ import annotations

from fastapi import Request, Response

from flows.events import LegState
from voicebot.records.searching import CallQuery, HandoffQuery, search_calls, search_handoffs
from voicebot.web.console.duty.desk import Desk, Staff, Text, filters, paging, seconds
from voicebot.web.console.shell import principal
from voicebot.web.paging import read_key, write_key
from voicebot.web.searching import call_shown, handoff_shown

OUTCOMES = ("answered", "handed_off", "human", "ticket", "guided", "abandoned")
"""`flows.state.State.outcome`."""
REASONS = (
    "danger",
    "danger_doubt",
    "police_matter",
    "requested_police",
    "undecided",
    "requested_human",
)
"""Of hand-offs; others are shown as they are."""


def add_call_pages(desk: Desk) -> None:
    console, records = desk.console, desk.records

    @desk.app.get("/console/duty/calls", include_in_schema=False)
    async def calls(
        who: Staff,
        request: Request,
        number: Text = "",
        did: Text = "",
        outcome: Text = "",
        text: Text = "",
        transferred: Text = "",
        since: Text = "",
        until: Text = "",
        after: Text = "",
    ) -> Response:
        query = CallQuery(
            number=number.strip(),
            did=did,
            outcome=outcome,
            text=text.strip(),
            transferred=bool(transferred),
            open_alone=bool(number or text) and who.role == "agent",
            since=seconds(since),
            until=seconds(until),
        )
        page = await records.read(search_calls, query, after=read_key(after))
        desk.audit(request, who, "calls.search")
        return console.page(
            request,
            "duty/calls.html",
            calls=[call_shown(each, principal(who)) for each in page.rows],
            **paging(request, write_key(page.next)),
            searched_to=page.next[0] if page.next and (query.text or query.transferred) else None,
            query=filters(request),
            dids=desk.lines,
            outcomes=OUTCOMES,
        )

    @desk.app.get("/console/duty/handoffs", include_in_schema=False)
    async def handoffs(
        who: Staff,
        request: Request,
        state: Text = "",
        reason: Text = "",
        destination: Text = "",
        since: Text = "",
        until: Text = "",
        after: Text = "",
    ) -> Response:
        query = HandoffQuery(
            state=state,
            reason=reason,
            destination=destination.strip(),
            since=seconds(since),
            until=seconds(until),
        )
        page = await records.read(search_handoffs, query, after=read_key(after))
        desk.audit(request, who, "handoffs.list")
        return console.page(
            request,
            "duty/handoffs.html",
            handoffs=[handoff_shown(each, principal(who)) for each in page.rows],
            **paging(request, write_key(page.next)),
            query=filters(request),
            dids=desk.lines,
            states=[each.value for each in LegState],
            reasons=REASONS,
        )
