"""The caller's card, the ticket form and what follows a call, as HTTP.

    GET  /v1/agent/calls/{id}/card     agent, supervisor, admin: who is calling
    GET  /v1/agent/calls/{id}/draft    the same: the form, filled from what was said
    PUT  /v1/agent/calls/{id}/draft    the same: what was typed
    POST /v1/agent/calls/{id}/ticket   the same: the ticket of it
    POST /v1/agent/calls/{id}/close    the same: how the call was closed (话后处理)
    POST /v1/agent/calls/{id}/link     the same: an entry's address to the caller by SMS

A form may be finished when the call is over.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import httpx
from fastapi import FastAPI, Request
from pydantic import Field, StringConstraints
from sqlalchemy.orm import Session

from voicebot.agents import drafts
from voicebot.agents.caller_card import Sight, card
from voicebot.agents.proposing import merged, proposed
from voicebot.caller_privacy import KNOW_ALL
from voicebot.clock import now, today
from voicebot.dispatching import decided_rules, proposal
from voicebot.duty.notices.channels import NotDelivered, Outgoing, SmsGateway
from voicebot.records.duty import region_names
from voicebot.records.tables import CallRow, TurnRow
from voicebot.request_body import MOST_ROWS, FromText, RequestBody
from voicebot.security import Principal, audit_row
from voicebot.tickets.deadlines import Kind
from voicebot.tickets.history import Actor
from voicebot.web.access import Refusal
from voicebot.web.console.agent.acts import Staff
from voicebot.web.console.agent.refusals import NO_CALL, refuse
from voicebot.web.console.agent.standing import confidential
from voicebot.web.console.agent.wishes import learn, noted
from voicebot.web.sessions import client_of
from voicebot.web.tickets import refused

if TYPE_CHECKING:
    from voicebot.call.session import CallSession
    from voicebot.web.service import Service

Words = Annotated[str, StringConstraints(max_length=2_000)]
Short = Annotated[str, StringConstraints(max_length=200)]


class Form(RequestBody):
    """The fields that a person has typed; the others are proposed."""

    matter: Words | None = None
    place: Short | None = None
    region: Annotated[str, StringConstraints(pattern=r"^([0-9]{6})?$")] | None = None
    name: Annotated[str, StringConstraints(max_length=40)] | None = None
    number: Annotated[str, StringConstraints(pattern=r"^[0-9+*-]{0,20}$")] | None = None
    department: Annotated[str, StringConstraints(max_length=100)] | None = None
    kind: FromText[Kind] | None = None
    happened: Short | None = None
    confidential: bool | None = None
    note: Words | None = None

    def typed(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


class Typed(RequestBody):
    typed: Form
    version: Annotated[int, Field(ge=0, le=MOST_ROWS)]


class Registering(RequestBody):
    dispatch: bool = False
    """To the department at once (自助派单)."""


class Closing(RequestBody):
    disposition: Annotated[str, StringConstraints(max_length=16)]
    version: Annotated[int, Field(ge=0, le=MOST_ROWS)]
    """Of the form, as it was last read or kept."""


class Sending(RequestBody):
    entry: Annotated[str, StringConstraints(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True)
class _Known:
    """A call that is running (with its session), or on record."""

    caller: str
    did: str
    region: str | None
    said: Sequence[str]
    wishes: bool
    session: CallSession | None = None


def add_forms(app: FastAPI, service: Service) -> None:
    """Adds the endpoints above."""
    records = service.records

    @app.get("/v1/agent/calls/{call_id:path}/card")
    async def caller_card(call_id: str, who: Staff, request: Request) -> dict[str, Any]:
        known = await _known(call_id)
        found = await records.read(
            card, call_id, known.caller, _sight(call_id, who), wishes=known.wishes, at=time.time()
        )
        _audit(request, who, "agent.card", call_id)
        return {
            **found,
            "line": known.did,
            "region": known.region or "",
            "place": region_names().get(known.region or "", ""),
        }

    @app.get("/v1/agent/calls/{call_id:path}/draft")
    async def draft(call_id: str, who: Staff, request: Request) -> dict[str, Any]:
        known = await _known(call_id)
        _may(call_id, known, who)
        _audit(request, who, "agent.draft.read", call_id)
        return await _form(call_id, known, who)

    @app.put("/v1/agent/calls/{call_id:path}/draft")
    async def keep(call_id: str, given: Typed, who: Staff, request: Request) -> dict[str, int]:
        """What was typed, whole; a field that is left out is proposed again."""
        known = await _known(call_id)
        _may(call_id, known, who)

        def work(session: Session) -> int:
            at = time.time()
            session.add(audit_row(who, "agent.draft", call_id, client_of(request), at))
            return drafts.save(
                session, call_id, given.typed.typed(), agent=who.name, version=given.version, at=at
            )

        with _refused():
            version = await records.transact(work)
        if known.session is not None:
            await learn(records, call_id, known.session)
        return {"version": version}

    @app.post("/v1/agent/calls/{call_id:path}/ticket")
    async def register(
        call_id: str, wanted: Registering, who: Staff, request: Request
    ) -> dict[str, Any]:
        """The ticket of the form as it is kept; the same one when it is asked for again."""
        known = await _known(call_id)
        _may(call_id, known, who)
        shown = await _form(call_id, known, who)
        form, found = shown["form"], shown["department"]
        if not form["number"] or "*" in form["number"]:
            form["number"] = known.caller
        columns = {
            "proposed_department": found["department"],
            "proposal_confidence": found["confidence"],
            "proposal_reason": found["reason"],
        }

        def work(session: Session) -> str:
            at = time.time()
            session.add(audit_row(who, "agent.ticket", call_id, client_of(request), at))
            return drafts.submit(
                session,
                call_id,
                form,
                proposal=columns,
                by=Actor(who.name, who.role),
                at=at,
                dispatch=wanted.dispatch,
            )

        with _refused(), refused():
            return {"ticket": await records.transact(work)}

    @app.post("/v1/agent/calls/{call_id:path}/close")
    async def close(call_id: str, closing: Closing, who: Staff, request: Request) -> dict[str, Any]:
        """By who has the call, or was the last who had it; one that nobody had by any agent."""
        _may(call_id, await _known(call_id), who)
        last = service.desks.last_holder(call_id)
        if who.role not in KNOW_ALL and last not in ("", who.token_id):
            raise refuse("not_yours")

        def work(session: Session) -> int:
            at = time.time()
            session.add(audit_row(who, "agent.close", call_id, client_of(request), at))
            return drafts.close(
                session,
                call_id,
                agent=who.name,
                disposition=closing.disposition,
                version=closing.version,
                at=at,
            )

        with _refused():
            version = await records.transact(work)
        return {"disposition": closing.disposition, "version": version}

    @app.post("/v1/agent/calls/{call_id:path}/link")
    async def send_link(
        call_id: str, wanted: Sending, who: Staff, request: Request
    ) -> dict[str, str]:
        """By SMS to the calling number, where a gateway is set that takes any text."""
        known, notices = await _known(call_id), service.settings.notices
        _may(call_id, known, who)
        if not notices.sms_url or notices.sms_template:
            raise refuse("no_sms")
        if not known.caller:
            raise refuse("no_number")
        entry = service.engines.knowledge.entry(
            wanted.entry, region=known.region, line=known.did, at=now()
        )
        if entry is None:
            raise refuse("not_published")
        if not entry.channel:
            raise refuse("no_link")
        text = f"【12345热线】{entry.question}：{entry.channel}"
        names = ("line", "place", "order", "number", "minutes", "link")
        content = {**dict.fromkeys(names, ""), "link": entry.channel, "text": text}
        outgoing = Outgoing(f"link-{uuid.uuid4().hex}", known.caller, content)
        async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
            try:
                await SmsGateway(client, notices).send(outgoing)
            except NotDelivered:
                raise refuse("not_sent", status=502) from None
        _audit(request, who, "agent.link", f"{call_id} {wanted.entry}")
        return {"entry": wanted.entry}

    async def _known(call_id: str) -> _Known:
        session = service.sessions.get(call_id)
        if session is not None:
            await learn(records, call_id, session)
            state = session.state
            said = [turn.text for _, turn in session.transcript if turn.side == "caller"]
            wishes = confidential(session)
            return _Known(state.caller, state.did, state.region, said, wishes, session)
        found = await records.read(_on_record, call_id)
        if found is None:
            raise Refusal(404, NO_CALL)
        return found

    async def _form(call_id: str, known: _Known, who: Principal) -> dict[str, Any]:
        kept = await records.read(drafts.read, call_id)
        ticket = known.session.state.ticket if known.session is not None else None
        found = proposed(known.said, region=known.region, today=today().isoformat(), ticket=ticket)
        form = merged(kept["typed"], found)
        department = await _department(str(form["matter"]), str(form["region"]))
        number = known.caller if _sight(call_id, who).full else ""
        form = {"number": number, "department": department["department"], "note": "", **form}
        form |= {key: each for key, each in kept["typed"].items() if key in form}
        return {**kept, "form": form, "proposed": asdict(found), "department": department}

    async def _department(matter: str, region: str) -> dict[str, Any]:
        model = service.engines.dispatch
        if model is None or not matter:
            return {"department": "", "confidence": 0.0, "reason": "", "candidates": []}
        rules = await records.read(decided_rules)
        found = await asyncio.to_thread(
            proposal, model, service.engines.embedder, matter, region or None, rules
        )
        return {
            "department": found.department,
            "confidence": round(found.confidence, 4),
            "reason": found.reason,
            "candidates": [list(each) for each in found.candidates],
        }

    def _sight(call_id: str, who: Principal) -> Sight:
        knows = who.role in KNOW_ALL
        mine = service.desks.has(call_id, who.token_id)
        return Sight(full=knows or mine, confidential=not knows)

    def _may(call_id: str, known: _Known, who: Principal) -> None:
        """An agent works on a confidential call while it is his."""
        kept = known.wishes and who.role not in KNOW_ALL
        if kept and not service.desks.has(call_id, who.token_id):
            records.audit(who, "refused", call_id, allowed=False)
            raise refuse("confidential", status=403)

    def _audit(request: Request, who: Principal, action: str, subject: str) -> None:
        records.audit(who, action, subject, client_of(request))


def _on_record(session: Session, call_id: str) -> _Known | None:
    row = session.get(CallRow, call_id)
    if row is None:
        return None
    turns = session.query(TurnRow.text).filter_by(call_id=call_id, side="caller")
    said = [text for (text,) in turns.order_by(TurnRow.start, TurnRow.seq)]
    return _Known(row.caller, row.did, row.region, said, noted(session, call_id))


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except drafts.DraftError as error:
        raise Refusal(409, {"code": error.code, "message": str(error)}) from None
