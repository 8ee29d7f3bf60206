"""Matters from Internet channels (R4) as HTTP.

    POST /v1/matters          channel, agent, supervisor, admin: a written matter, by its key
    GET  /v1/matters/{key}    whoever sent it: what was told, and how far its ticket is

The key (header Idempotency-Key) is the channel's own: sent again, the same words get the same
answer and make nothing new. Danger is told in the answer, whether or not it could be passed on,
and what is turned away, for whatever reason, has in `advice` that danger is a matter for 110.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import structlog
from fastapi import Depends, FastAPI, Header, Path, Request
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy.orm import Session

from flows import jurisdiction
from flows.matter_time import happened
from flows.policy import Limits
from flows.ticket_slots import confidential
from voicebot.clock import today
from voicebot.dispatching import decided_rules, proposal
from voicebot.matters import telling
from voicebot.matters.deciding import Decision, Outcome, decide
from voicebot.matters.tables import InternetMatterRow
from voicebot.matters.taking import Matter, OtherMatter, known, take
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.tables import TicketRow
from voicebot.request_body import RequestBody
from voicebot.security import Principal
from voicebot.web.access import Refusal, client_of, require
from voicebot.web.turned_away import ANY_SIZE, TurnedAway

if TYPE_CHECKING:
    from flows.dispatch import Proposal
    from voicebot.web.service import Service

log = structlog.get_logger()

AT_ONCE = 8
"""Matters at work together; one more is told to come again."""
MAX_BODY_BYTES = 32 * 1024
"""Whatever keeps to the limits of its fields fits, each character escaped."""
BUSY = {"code": "busy", "message": "Too many matters at once; send it again in a second."}
OTHER = {
    "code": "matter.other_content",
    "message": "This Idempotency-Key was used for other words; give each matter a key of its own.",
}
UNKNOWN = {"code": "not_found", "message": "You have sent no matter of this key."}

Sender = Annotated[Principal, Depends(require("channel", "agent", "supervisor", "admin"))]
Key = Annotated[
    str,
    Header(alias="Idempotency-Key", pattern=r"^[A-Za-z0-9._:-]{8,128}$"),
]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=2_000)]
Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class MatterModel(RequestBody):
    """A matter as it was written."""

    text: Words
    channel: Literal["web", "app", "mini_program", "wechat"] = "web"
    place: Short = ""
    region: Annotated[str | None, Field(pattern=r"^46[0-9]{4}$")] = None
    """GB/T 2260 code; a place in `place` or `text` wins."""
    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)] = ""
    number: Annotated[str, StringConstraints(pattern=r"^[0-9+-]{0,20}$")] = ""
    confidential: bool = False
    want: Literal["answer", "ticket"] = "answer"
    """``ticket``: one is wanted, whatever approved answer there is."""


class ToldModel(BaseModel):
    """What is to be shown to whoever wrote."""

    outcome: Outcome
    call_110: bool
    """Show `message` at once, and a button that dials 110."""
    message: str
    number: str
    """Of the ticket or police order; empty where there is none."""
    entry: str
    """The approved entry that answers it."""
    region: str | None
    department: str
    """Proposed; empty: a person decides."""


def add_matters(app: FastAPI, service: Service) -> None:
    """Adds both endpoints."""
    records = service.records
    at_work = 0
    app.add_middleware(
        TurnedAway, path="/v1/matters", most=MAX_BODY_BYTES, advice=telling.TURNED_AWAY
    )

    @app.post(
        "/v1/matters",
        max_body_size=ANY_SIZE,
        responses={
            409: {"description": "The key was used for other words."},
            503: {"description": "Not kept. Like any refusal it has `advice`: show it."},
        },
    )
    async def submit(given: MatterModel, sender: Sender, key: Key, request: Request) -> ToldModel:
        """Danger to 110 at once; else an approved answer, or a ticket with its department."""
        nonlocal at_work
        if at_work >= AT_ONCE:
            raise Refusal(503, BUSY, {"Retry-After": "1"})
        at_work += 1
        try:
            return ToldModel(**await _submitted(given, sender, key, request))
        finally:
            at_work -= 1

    async def _submitted(
        given: MatterModel, sender: Principal, key: str, request: Request
    ) -> dict[str, Any]:
        matter = _matter(given, sender.name, key)
        decision = await asyncio.to_thread(
            decide,
            service.engines,
            given.text,
            matter.region,
            Limits(**service.settings.dialogue.model_dump()),
            ticket=given.want == "ticket",
        )
        audit = {
            "principal": sender.name,
            "role": sender.role,
            "client": client_of(request),
        }
        try:
            before = await records.read(known, matter.sender, key, matter.content_hash)
            if before is not None:
                return before
            proposed = await _proposed(matter, decision)
            return await records.transact(take, matter, decision, proposed, audit, at=time.time())
        except OtherMatter:
            raise _not_taken(409, OTHER, decision, matter.region) from None
        except RecordsUnavailable as error:
            body = {"code": error.code, "message": f"{error} Send it again; nothing was kept."}
            raise _not_taken(503, body, decision, matter.region) from None

    async def _proposed(matter: Matter, decision: Decision) -> Proposal | None:
        model = service.engines.dispatch
        if decision.outcome is not Outcome.TICKET or model is None:
            return None
        rules = await records.read(decided_rules)
        return await asyncio.to_thread(
            proposal, model, service.engines.embedder, matter.words, matter.region, rules
        )

    @app.get("/v1/matters/{key}")
    async def progress(
        key: Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{8,128}$")],
        sender: Sender,
        request: Request,
    ) -> dict[str, Any]:
        """What was told of a matter of the sender's own, and how far its ticket is."""
        found = await records.read(_read, sender.name, key)
        client = client_of(request)
        records.audit(sender, "matter.read", key, client)
        if found is None:
            raise Refusal(404, UNKNOWN)
        return found


def _matter(given: MatterModel, sender: str, key: str) -> Matter:
    place = jurisdiction.resolve(given.place) or jurisdiction.resolve(given.text)
    when = happened(given.text, today().isoformat())
    return Matter(
        sender=sender[:64],
        key=key,
        content_hash=hashlib.sha256(given.model_dump_json().encode()).hexdigest(),
        words=given.text,
        channel=given.channel,
        region=place.code if place is not None else given.region,
        place=given.place,
        name=given.name,
        number=given.number,
        confidential=given.confidential or confidential(given.text) is True,
        happened=str(when) if when is not None else "",
    )


def _not_taken(
    status: int, body: Mapping[str, str], decision: Decision, region: str | None
) -> Refusal:
    """Nothing was kept: whoever is in danger is told what to do all the same."""
    if decision.outcome is Outcome.DANGER:
        advice = telling.danger(decision.assessment, region, passed_on=False)
        body = {**body, "advice": advice}
        log.error("danger_not_passed_on")
    return Refusal(status, body, {"Retry-After": "5"} if status == 503 else None)


def _read(session: Session, sender: str, key: str) -> dict[str, Any] | None:
    row = session.get(InternetMatterRow, (sender, key))
    if row is None:
        return None
    ticket = session.get(TicketRow, row.number) if row.outcome == Outcome.TICKET else None
    return {
        **row.told,
        "at": row.at,
        "status": ticket.status if ticket is not None else "",
        "handled_by": (ticket.department or "") if ticket is not None else "",
        "due_at": ticket.due_at if ticket is not None else None,
        "answer": ticket.answer if ticket is not None else "",
    }
