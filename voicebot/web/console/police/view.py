"""A hand-off for an officer at 110, by its signed link and without a log-in.

    GET  /console/110/{handoff}              the page
    GET  /console/110/{handoff}/stream       dossier and words, as they come (server-sent events)
    GET  /console/110/{handoff}/recording    the recording, once the call is over
    POST /console/110/{handoff}/acknowledge  {"who"}: he has it (签收)
    POST /console/110/{handoff}/feedback     {"who", "outcome", "text"}: what came of it (反馈)

Each asks for the link's own query (`voicebot.agents.links`); whoever comes without is told that
the link is not valid, whatever is wrong with it. What is seen and said is in the audit; of refusals
so many that nobody can fill it with them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import StringConstraints
from sqlalchemy.orm import Session

from voicebot.agents import words
from voicebot.agents.links import LinkRefused, open_links
from voicebot.rate_limiting import Buckets
from voicebot.records.errors import RecordsUnavailable
from voicebot.request_body import RequestBody
from voicebot.security import Principal, audit_row
from voicebot.web.access import Refusal
from voicebot.web.console.agent.streams import Words, call_messages, event
from voicebot.web.console.calls.sound import Sound, sound_anywhere
from voicebot.web.console.police.found import read, shown, turns
from voicebot.web.limiting import ROWS
from voicebot.web.sessions import client_of

if TYPE_CHECKING:
    from voicebot.web.console.shell import Console
    from voicebot.web.service import Service

DOSSIER_EVERY_S = 1.0
"""How often the records are asked for a newer state of the dossier."""
NO_RECORDING = {
    "recording.running": "The recording can be heard when the call is over.",
    "recording.sealed": "This recording is encrypted; who holds its key opens it "
    "(voicebot recording open).",
    "recording.none": "There is no recording of this call.",
}

Who = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


class _Named(RequestBody):
    who: Who
    """Name or number (警号) of the officer."""


class _Feedback(_Named):
    outcome: Annotated[str, StringConstraints(max_length=16)]
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]


def add_police_view(app: FastAPI, service: Service, console: Console) -> None:
    """Adds the routes above."""
    records = service.records
    links = open_links(service.settings)
    refusals: Buckets[str] = Buckets(ROWS, 1)
    folder = service.settings.paths.state / "recordings"

    async def held(handoff: str, request: Request) -> None:
        """The request carries the hand-off's own link."""
        try:
            links.check(handoff, request.query_params, time.time())
        except LinkRefused as refusal:
            note_refusal(request, handoff)
            body = {"code": refusal.code, "message": str(refusal)}
            raise Refusal(403, body) from None

    by_link = [Depends(held)]

    # Before the page, whose id takes in whatever follows.
    @app.get("/console/110/{handoff:path}/stream", include_in_schema=False, dependencies=by_link)
    async def follow(handoff: str, request: Request) -> StreamingResponse:
        found = await known(handoff)
        until = float(request.query_params["until"])
        return StreamingResponse(
            _follow(service, handoff, found, until),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @app.get("/console/110/{handoff:path}/recording", include_in_schema=False, dependencies=by_link)
    async def recording(handoff: str, request: Request) -> Response:
        found = await known(handoff)
        audit(request, "handoff.link.recording", handoff)
        heard = await sound_of(found)
        if heard.file is None or not heard.file.is_file():  # its node has gone since
            why = _no_recording(Sound("gone") if heard.file is not None else heard)
            raise Refusal(409, {"code": why, "message": NO_RECORDING[why]})
        return FileResponse(heard.file, media_type="audio/wav")

    @app.post(
        "/console/110/{handoff:path}/acknowledge", include_in_schema=False, dependencies=by_link
    )
    async def acknowledge(handoff: str, named: _Named, request: Request) -> dict[str, Any]:
        found = await known(handoff)

        def work(session: Session) -> bool:
            at = time.time()
            session.add(row(request, "handoff.link.acknowledge", handoff, named.who, at))
            return words.acknowledge(session, handoff, who=named.who, at=at)

        first = await transact(work)
        tell(found["call_id"], "acknowledged", named.who)
        return {"first": first, "words": await records.read(words.words, handoff)}

    @app.post("/console/110/{handoff:path}/feedback", include_in_schema=False, dependencies=by_link)
    async def feed_back(handoff: str, given: _Feedback, request: Request) -> dict[str, Any]:
        found = await known(handoff)

        def work(session: Session) -> str:
            at = time.time()
            session.add(row(request, "handoff.link.feedback", handoff, given.who, at))
            return words.feed_back(
                session, handoff, who=given.who, outcome=given.outcome, text=given.text, at=at
            )

        ticket = await transact(work)
        tell(found["call_id"], "feedback", given.who)
        return {"ticket": ticket, "words": await records.read(words.words, handoff)}

    @app.get("/console/110/{handoff:path}", include_in_schema=False)
    async def page(handoff: str, request: Request) -> Response:
        try:
            until = links.check(handoff, request.query_params, time.time())
        except LinkRefused:
            note_refusal(request, handoff)
            return console.page(request, "police/refused.html", status_code=403)
        found = await records.read(read, handoff)
        if found is None:
            return console.page(request, "police/refused.html", status_code=404)
        audit(request, "handoff.link.read", handoff)
        return console.page(
            request,
            "police/view.html",
            handoff=handoff,
            until=until,
            query=str(request.url.query),
            found={**found, **shown(found)},
            outcomes=words.OUTCOMES,
            no_recording=_no_recording(await sound_of(found)),
        )

    async def known(handoff: str) -> dict[str, Any]:
        found = await records.read(read, handoff)
        if found is None:
            message = "There is no hand-off of this id."
            raise Refusal(404, {"code": "not_found", "message": message})
        return found

    async def sound_of(found: dict[str, Any]) -> Sound:
        if found["call_id"] in service.sessions or not found["over"]:
            return Sound("running")
        return await sound_anywhere(
            service.member,
            found["call_id"],
            found["recording"],
            folder,
            ended=True,
            may_listen=True,
        )

    async def transact(work: Any) -> Any:
        try:
            return await records.transact(work)
        except words.WordRefused as error:
            raise Refusal(409, {"code": error.code, "message": str(error)}) from None

    def tell(call_id: str, what: str, who: str) -> None:
        service.live.publish(
            {"call_id": call_id, "at": 0.0, "kind": "police_word", "what": what, "who": who}
        )

    def audit(request: Request, action: str, handoff: str) -> None:
        records.audit(_holder(""), action, handoff, client_of(request))

    def note_refusal(request: Request, handoff: str) -> None:
        if not refusals.take("", time.monotonic()).wait_s:
            who, client = _holder(""), client_of(request)
            records.audit(who, "handoff.link.refused", handoff, client, allowed=False)

    def row(request: Request, action: str, handoff: str, who: str, at: float) -> Any:
        return audit_row(_holder(who), action, handoff, client_of(request), at)


async def _follow(
    service: Service, handoff: str, found: dict[str, Any], until: float
) -> AsyncGenerator[str, None]:
    """`snapshot`, then `turn` and `dossier` while the call is running and the link holds, at last
    `ended`. While the node of a running call is not seen it ends after `snapshot`.
    """
    call_id = found["call_id"]
    session = service.sessions.get(call_id)
    if session is None:
        yield event("snapshot", {"turns": turns(found), **shown(found)})
        # A call that runs on record, and at no node that is seen: the page asks again.
        if found["over"] or service.member is None:
            yield event("ended", {})
        return
    said = Words(service.engines.transcriber is not None)
    async with aclosing(call_messages(service, call_id, DOSSIER_EVERY_S)) as messages:
        await anext(messages)
        said.all_settled(session.transcript)
        yield event("snapshot", {"turns": said.news(session.transcript), **shown(found)})
        revision, looked = found["revision"], time.monotonic()
        async for message in messages:
            if time.time() >= until:
                return
            if message["kind"] == "hypothesis":
                said.heard(message)
            for turn in said.news(session.transcript):
                yield event("turn", turn)
            ended = message["kind"] == "call" and message.get("state") == "ended"
            # Where so much was said that the message of its end was lost, the call is gone.
            over = ended or service.sessions.get(call_id) is not session
            if over or time.monotonic() - looked >= DOSSIER_EVERY_S:
                looked, newer = time.monotonic(), None
                with contextlib.suppress(RecordsUnavailable):  # the words go on without
                    newer = await service.records.read(read, handoff)
                if newer is not None and (newer["revision"] != revision or over):
                    revision = newer["revision"]
                    yield event("dossier", shown(newer))
            if over:
                yield event("ended", {})
                return
            if message["kind"] == "beat":
                yield ": beat\n\n"


def _no_recording(heard: Sound) -> str:
    """Why it cannot be heard, a key of `NO_RECORDING`; "" if it can."""
    if heard.file is not None:
        return ""
    return f"recording.{heard.state if heard.state in ('running', 'sealed') else 'none'}"


def _holder(who: str) -> Principal:
    """Whoever holds the link, as the audit has him."""
    return Principal(f"链接 {who}".strip()[:64], "110", "")
