"""The page of one call.

    GET /console/calls/{id}               admin, supervisor, agent
    GET /console/calls/{id}/recording     admin, supervisor

Agents see neither a confidential (保密) call nor personal numbers in what was said. Each view and
each listening is in the audit.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse

from voicebot.caller_privacy import KNOW_ALL
from voicebot.masking import mask_text
from voicebot.security import Principal
from voicebot.web.access import Refusal
from voicebot.web.console.calls.sound import Sound, sound, sound_anywhere
from voicebot.web.console.calls.story import story
from voicebot.web.console.formats import masked_number
from voicebot.web.console.shell import Console, Visitor, principal, visitor
from voicebot.web.discretion import confidential_among
from voicebot.web.service import Service
from voicebot.web.sessions import client_of

STAFF = ("admin", "supervisor", "agent")
LISTENERS = ("admin", "supervisor")

CONFIDENTIAL = {
    "code": "confidential",
    "message": "A ticket of this call is confidential (保密); supervisors may read it.",
}
NOT_FOUND = {"code": "not_found", "message": "There is no call of this id."}
NO_SOUND = {"code": "no_recording", "message": "There is no recording of it that can be heard."}

RECORDED_S = 3.0
"""After this what is said in a call is on record (`Journal` writes four times a second)."""

Staff = Annotated[Visitor, Depends(visitor(*STAFF))]
Listener = Annotated[Visitor, Depends(visitor(*LISTENERS))]


def add_calls(app: FastAPI, service: Service, console: Console) -> None:
    """Adds the pages above."""
    records = service.records
    folder = service.settings.paths.state / "recordings"
    names = {line.did: line.name for line in service.settings.lines}

    # Before the next, whose id takes in whatever stands before the end.
    @app.get("/console/calls/{call_id:path}/recording", include_in_schema=False)
    async def recording(call_id: str, who: Listener, request: Request) -> Response:
        record = await _record(call_id, principal(who), request, "recording.play")
        heard = await _sound(record, who)
        if heard.file is None:
            raise Refusal(404, NO_SOUND)
        return FileResponse(
            heard.file, media_type="audio/wav", headers={"Cache-Control": "no-store"}
        )

    @app.get("/console/calls/{call_id:path}", include_in_schema=False)
    async def call(call_id: str, who: Staff, request: Request) -> Response:
        seq = console.live.seq_ago(RECORDED_S)
        running = console.live.board.row(call_id)
        record = await _record(call_id, principal(who), request, "call.read")
        events = await records.events(call_id)
        heard = await sound_anywhere(
            service.member,
            call_id,
            record["recording"],
            folder,
            ended=record["ended_at"] is not None,
            may_listen=who.role in LISTENERS,
        )
        if who.role not in KNOW_ALL:
            record, events = _without_numbers(record), [_masked_matter(each) for each in events]
        told = await asyncio.to_thread(story, record, events)
        return console.page(
            request,
            "calls/call.html",
            call=record,
            story=told,
            sound=heard,
            sound_url=f"/console/calls/{quote(call_id, safe='')}/recording",
            running=running is not None or record["ended_at"] is None,
            seq=seq,
            line_names=names,
        )

    async def _record(
        call_id: str, who: Principal, request: Request, action: str
    ) -> dict[str, Any]:
        """What is on record, if this person may read it; audited either way."""
        client = client_of(request)
        if await confidential_among(records, who, {call_id}):
            records.audit(who, "refused", call_id, client, allowed=False)
            raise Refusal(403, CONFIDENTIAL)
        found = await records.call(call_id)
        records.audit(who, action, call_id, client)
        if found is None:
            raise Refusal(404, NOT_FOUND)
        return found

    async def _sound(record: dict[str, Any], who: Visitor) -> Sound:
        return await asyncio.to_thread(
            sound,
            record["recording"],
            folder,
            ended=record["ended_at"] is not None,
            may_listen=who.role in LISTENERS,
        )


def _without_numbers(record: dict[str, Any]) -> dict[str, Any]:
    """Numbers of persons, also those that were said, with their last characters alone."""
    return {
        **record,
        "caller": masked_number(record["caller"]),
        "turns": [{**each, "text": mask_text(each["text"])} for each in record["turns"]],
        "decisions": [{**each, "why": mask_text(each["why"])} for each in record["decisions"]],
        "handoffs": [
            {**each, "evidence": [mask_text(text) for text in each["evidence"]]}
            for each in record["handoffs"]
        ],
    }


def _masked_matter(row: dict[str, Any]) -> dict[str, Any]:
    if row["kind"] != "OpenTicket":
        return row
    payload = row["payload"]
    return {**row, "payload": {**payload, "matter": mask_text(payload["matter"])}}
