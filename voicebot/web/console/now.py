"""The first page, who is calling now; the log-in; and the live stream of all pages.

GET /console/         admin, supervisor, agent; others go to the first page that is theirs
GET /console/login    anybody
GET /console/live     admin, supervisor, agent (`live`)
GET /v1/events        the same stream, for programs
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import RedirectResponse

from voicebot.caller_privacy import may_know
from voicebot.security import ROLES, Principal
from voicebot.web.access import Refusal, require, until_refused
from voicebot.web.console.live import CALL, MOST_TOPICS, TOPICS, Reader
from voicebot.web.console.shell import Console, NavEntry, Visitor, visitor
from voicebot.web.console.visitors import NotForRole
from voicebot.web.discretion import confidential_among
from voicebot.web.document import as_it_happens
from voicebot.web.following import FollowedResponse
from voicebot.web.oidc import FAULTS
from voicebot.web.service import Service
from voicebot.web.sessions import client_of

STAFF = ("admin", "supervisor", "agent")
HOME = "/console/"

Anybody = Annotated[Visitor, Depends(visitor(*ROLES))]
Staff = Annotated[Principal, Depends(require(*STAFF))]

BAD_TOPICS = {
    "code": "bad_request",
    "message": f"topics: up to {MOST_TOPICS} of {', '.join(TOPICS)} or {CALL}<id>.",
}
CONFIDENTIAL = {
    "code": "confidential",
    "message": "A ticket of this call is confidential (保密); supervisors may read it.",
}


def add_now(app: FastAPI, service: Service, console: Console) -> None:
    """Adds the pages above."""
    records, live = service.records, console.live
    names = {line.did: line.name for line in service.settings.lines}
    console.nav.append(NavEntry(HOME, "nav.board", "radio", STAFF, "now"))

    @app.get(HOME, include_in_schema=False)
    async def home(request: Request, who: Anybody) -> Response:
        if who.role not in STAFF:
            entries = console.entries(who.role)
            if not entries:
                raise NotForRole
            return RedirectResponse(entries[0][1][0].path, 303)
        return console.page(
            request,
            "now/board.html",
            rows=live.board.rows,
            seq=live.seq,
            line_names=names,
            standing=service.installation,
        )

    @app.get("/console/login", include_in_schema=False)
    async def login(request: Request, next: str = HOME, error: str = "") -> Response:
        refused = error if error in FAULTS else "other" if error else ""
        provider = bool(service.settings.oidc.issuer)
        return console.page(request, "login.html", next=next, refused=refused, provider=provider)

    @app.get("/console/live", include_in_schema=False)
    @app.get("/v1/events", **as_it_happens("text/event-stream"))
    async def follow(
        request: Request,
        principal: Staff,
        topics: Annotated[str, Query(max_length=2000, description=BAD_TOPICS["message"])],
        after: Annotated[int | None, Query(description="The last event that is known.")] = None,
    ) -> Response:
        """What happens, as it happens: server-sent events, numbered. Last-Event-ID wins over
        `after`; docs/console.md says what each topic holds.
        """
        wanted = [topic for topic in topics.split(",") if topic]
        calls = {topic.removeprefix(CALL) for topic in wanted if topic.startswith(CALL)}
        others = {topic for topic in wanted if not topic.startswith(CALL)}
        if not wanted or len(wanted) > MOST_TOPICS or not others <= set(TOPICS):
            raise Refusal(422, BAD_TOPICS)
        client = client_of(request)
        knows = may_know(principal.role, confidential=True)
        kept = not knows and any(map(live.board.is_confidential, calls))
        if kept or await confidential_among(records, principal, calls):
            records.audit(principal, "refused", ",".join(calls), client, allowed=False)
            raise Refusal(403, CONFIDENTIAL)
        records.audit(principal, "live.watch", ",".join(sorted(calls)), client)
        last = request.headers.get("last-event-id", "")
        reader = Reader(wanted, principal.role)
        begin = int(last) if last.isascii() and last.isdigit() else after
        return FollowedResponse(request, principal, _while_allowed(request, reader, begin))

    async def _while_allowed(
        request: Request, reader: Reader, begin: int | None
    ) -> AsyncIterator[bytes]:
        refused = asyncio.create_task(until_refused(request, records, STAFF))
        refused.add_done_callback(lambda _: reader.end())
        try:
            async with aclosing(live.stream(reader, begin)) as events:  # type: ignore[type-var]
                async for event in events:
                    yield event
        finally:
            refused.cancel()
