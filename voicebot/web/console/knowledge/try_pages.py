"""Ask as a caller does, typed or spoken: what the bot would do with it, and why."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Query, Request, Response
from pydantic import ValidationError

from voicebot.knowledge_desk import hearing
from voicebot.web.access import Refusal
from voicebot.web.console.knowledge.room import PREFIX, Reader, Room, edits, regions
from voicebot.web.knowledge.desk import refused
from voicebot.web.knowledge.models import Asked, Code, Did
from voicebot.web.knowledge.searching import MOST_AUDIO_BYTES, found

LONGEST_S = int(hearing.LONGEST_S)

NOT_ASKED = {"code": "bad_request", "message": "Write a question of at most 500 characters."}


def add_try_pages(room: Room) -> None:
    """Adds the page to ask on, and its answers."""
    desk, console = room.desk, room.console

    @room.app.get(PREFIX + "/try", include_in_schema=False)
    async def page(
        request: Request, _: Reader, query: Annotated[str, Query(max_length=500)] = ""
    ) -> Response:
        return console.page(
            request,
            "knowledge/try.html",
            query=query,
            regions=regions(),
            lines=[(line.did, line.name) for line in desk.service.settings.lines],
            longest_s=LONGEST_S,
        )

    @room.app.post(PREFIX + "/try/typed", include_in_schema=False)
    async def typed(request: Request, who: Reader) -> Response:
        try:
            asked = Asked.model_validate(dict(parse_qsl((await request.body()).decode())))
        except (ValidationError, UnicodeDecodeError):
            raise Refusal(422, NOT_ASKED) from None
        with refused():
            told = await desk.at_once(found, desk, asked.query, asked.region, asked.line)
        return console.fragment(request, "knowledge/told.html", told=told, edits=edits(who))

    @room.app.post(PREFIX + "/try/heard", include_in_schema=False, max_body_size=MOST_AUDIO_BYTES)
    async def heard(
        request: Request,
        who: Reader,
        region: Annotated[Code, Query()] = "",
        line: Annotated[Did, Query()] = "",
    ) -> Response:
        data = await request.body()
        told: dict[str, Any] = {}
        with refused():
            pcm = await desk.at_leisure(hearing.read_audio, data)
            words = await hearing.hear(desk.service.engines, pcm)
            if words.text or words.syllables:
                told = await desk.at_once(
                    found, desk, words.text, region, line, words.alternatives, words.syllables
                )
        return console.fragment(
            request, "knowledge/told.html", told=told, heard=words, edits=edits(who)
        )
