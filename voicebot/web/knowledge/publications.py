"""Publications as HTTP: begun with a click, followed until calls answer with what is new."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request

from voicebot.web.access import Refusal
from voicebot.web.knowledge.desk import Desk, Reader, Reviewer, act_of, audit_row, refused
from voicebot.web.knowledge.models import ToPublish

GONE = {
    "code": "not_found",
    "message": "There is no publication of this id any more; look at the entries.",
}


def add_publications(app: FastAPI, desk: Desk) -> None:
    """Adds the endpoints of publications (`voicebot.web.knowledge`)."""

    @app.post("/v1/knowledge/publications", status_code=202)
    async def begin(given: ToPublish, principal: Reviewer, request: Request) -> dict[str, Any]:
        """Let approved entries be spoken, now or from a minute on: all of them or none."""
        with refused():
            made = await desk.publications.begin(
                given.entries,
                act_of(principal, given.why or "published"),
                audit_row(request, principal, "kb.publish"),
                given.at,
            )
        return made.as_dict()

    @app.get("/v1/knowledge/publications/{publication}")
    async def one(publication: str, _: Reader) -> dict[str, Any]:
        """How far it is: preparing (`done` of `total`), deciding, taking_up, done or failed."""
        found = desk.publications.get(publication)
        if found is None:
            raise Refusal(404, GONE)
        return found.as_dict()
