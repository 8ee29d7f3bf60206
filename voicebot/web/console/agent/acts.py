"""What an agent does with a running call, as HTTP, and the line of his browser.

    GET  /v1/agent/stream                    agent, supervisor, admin: calls, offers, presence
    PUT  /v1/agent/presence                  the same: ready, away, wrap_up; or the page's answer
                                             to a beat of the stream
    GET  /v1/agent/destinations              the same: where a call can be passed on to
    GET  /v1/agent/calls/{id}/stream         the same: one call, word by word
    POST /v1/agent/calls/{id}/acts           the same: take, police, join_police, say, …
    POST /v1/agent/calls/{id}/claim          the same: it is on a telephone of one's own
    WS   /v1/agent/offers/{leg}/line         the same: answers what rings; its sound

An act that cannot be had is answered with 409 and its reason (`standing.refused`). Everything is
in the audit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Depends, FastAPI, Request, WebSocket, WebSocketDisconnect
from pydantic import StringConstraints
from sqlalchemy.orm import Session

from flows.events import AgentAct
from flows.routes import SEAT
from voicebot.call.agent_desks import PREFIX, Presence
from voicebot.clock import now
from voicebot.records.tables import CallRow
from voicebot.request_body import FromText, RequestBody
from voicebot.security import Principal
from voicebot.web.access import Refusal, authorise_websocket, require, until_refused
from voicebot.web.console.agent import streams
from voicebot.web.console.agent.refusals import NO_CALL, refuse
from voicebot.web.console.agent.standing import may_follow, refused
from voicebot.web.console.agent.wishes import learn
from voicebot.web.document import as_it_happens
from voicebot.web.following import FollowedResponse
from voicebot.web.forwarding import AWAY

if TYPE_CHECKING:
    from voicebot.call.session import CallSession
    from voicebot.web.service import Service

STAFF = ("agent", "supervisor", "admin")
Staff = Annotated[Principal, Depends(require(*STAFF))]
Name = Annotated[str, StringConstraints(max_length=64)]


_LEAVES = frozenset({AgentAct.LEAVE, AgentAct.POLICE, AgentAct.TRANSFER})
"""With these the agent who asks for it is no longer on the line."""


class PresenceModel(RequestBody):
    presence: FromText[Presence] | None = None
    """None: as before, but the page is there (its answer to a `beat`)."""


class ActModel(RequestBody):
    """One act; what else it needs stands with its field."""

    act: FromText[AgentAct]
    by: Literal["browser", "telephone"] = "browser"
    """take: it rings in this browser, or at the seats of the telephone system."""
    destination: Name = ""
    """transfer: as GET /v1/agent/destinations lists it."""
    entry: Name = ""
    """say: an entry that is published."""


def add_acts(app: FastAPI, service: Service) -> None:
    """Adds the endpoints above."""
    records = service.records

    @app.get("/v1/agent/stream", **as_it_happens("text/event-stream"))
    async def follow_desk(who: Staff, request: Request) -> FollowedResponse:
        return events(streams.desk(service, who), who, request)

    @app.put("/v1/agent/presence")
    async def present(wanted: PresenceModel, who: Staff, request: Request) -> dict[str, str]:
        if wanted.presence is None:
            service.desks.beat(who.token_id)
        else:
            service.desks.set_presence(who.token_id, wanted.presence)
            _audit(request, who, f"agent.{wanted.presence.value}", "")
        return {"presence": service.desks.presence(who.token_id).value}

    @app.get("/v1/agent/destinations")
    async def destinations(who: Staff) -> dict[str, Any]:
        """Seats of the directory, and agents whose desks are open; not one's own."""
        seats = [
            {"destination": number.number, "name": number.name}
            for number in service.directory
            if number.kind == SEAT
        ]
        agents = [
            {"destination": PREFIX + agent, "name": name}
            for agent, name in service.desks.others(who.token_id)
        ]
        return {"destinations": [*agents, *seats]}

    # Before what follows: an id may hold "/" as well.
    @app.get("/v1/agent/calls/{call_id:path}/stream", **as_it_happens("text/event-stream"))
    async def follow_call(call_id: str, who: Staff, request: Request) -> FollowedResponse:
        if call_id in service.sessions:
            await learn(records, call_id, service.sessions[call_id])
        session = await running(call_id, who)
        _audit(request, who, "agent.follow", call_id)
        return events(streams.call(service, call_id, session, who), who, request)

    @app.post("/v1/agent/calls/{call_id:path}/acts", status_code=202)
    async def act(call_id: str, asked: ActModel, who: Staff, request: Request) -> dict[str, str]:
        """Ask for something; what becomes of it the call's stream tells."""
        session, wanted = await running(call_id, who), asked.act
        reason = refused(session, call_id, wanted, who, service.desks)
        if reason:
            raise refuse(reason)
        destination = _destination(asked, who)
        if wanted is AgentAct.SAY:
            _check_entry(session, asked.entry)
        if wanted is AgentAct.POLICE and service.desks.holder(call_id) != who.token_id:
            wanted = AgentAct.JOIN_POLICE  # a colleague who has the call stays on it
        session.ask(wanted, who.name, destination=destination, entry=asked.entry)
        if wanted in _LEAVES and not service.desks.in_browser(call_id):
            service.desks.leave(call_id)
        _audit(request, who, f"agent.{wanted.value}", f"{call_id} {asked.entry}".strip())
        return {"act": wanted.value, "destination": destination}

    @app.post("/v1/agent/calls/{call_id:path}/claim")
    async def claim(call_id: str, who: Staff, request: Request) -> dict[str, str]:
        """The call is on the agent's own telephone: it is his, with its number."""
        session = await running(call_id, who)
        if refused(session, call_id, AgentAct.TAKE, who, service.desks) != "agent_on_the_line":
            raise refuse("no_agent")
        if not service.desks.claim(call_id, who.token_id):
            raise refuse("not_yours")
        _audit(request, who, "agent.claim", call_id)
        return {"agent": who.name}

    @app.websocket("/v1/agent/offers/{leg}/line")
    async def line(websocket: WebSocket, leg: str) -> None:
        """Whoever opens it has the call that rings; the messages are `telephony.messages`."""
        who = await authorise_websocket(websocket, records, STAFF)
        if who is None:
            return
        await websocket.accept()
        offer = service.desks.answer(leg, who.token_id)
        if offer is None:
            await websocket.close(1008, "The call does not ring here any more.")
            return
        _audit(websocket, who, "agent.answer", offer.call_id)

        async def receive() -> str | bytes | None:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return None
            return message.get("text") or message.get("bytes") or ""

        await offer.leg.carry(receive, websocket.send_text)
        try:
            await websocket.close(1000)
        except (RuntimeError, WebSocketDisconnect):
            return  # the browser has closed it itself

    def events(
        stream: AsyncGenerator[str, None], who: Principal, request: Request
    ) -> FollowedResponse:
        return FollowedResponse(request, who, _while_allowed(stream, request))

    async def _while_allowed(
        stream: AsyncGenerator[str, None], request: Request
    ) -> AsyncIterator[str]:
        """Until whoever follows may no longer; that is looked at with each event and beat."""
        refused = asyncio.create_task(until_refused(request, records, STAFF))
        try:
            async with aclosing(stream) as coming:
                async for event in coming:
                    if refused.done():
                        return
                    yield event
        finally:
            refused.cancel()

    async def running(call_id: str, who: Principal) -> CallSession:
        session = service.sessions.get(call_id)
        if session is None:
            # On record it runs: at a node that this process has not heard of (yet).
            if service.member is not None and await records.read(_runs, call_id):
                raise Refusal(503, AWAY)
            raise Refusal(404, NO_CALL)
        if not may_follow(session, call_id, who, service.desks):
            records.audit(who, "refused", call_id, allowed=False)
            raise refuse("confidential", status=403)
        return session

    def _destination(asked: ActModel, who: Principal) -> str:
        if asked.act is AgentAct.TAKE:
            if asked.by == "telephone":
                return SEAT
            if not service.desks.is_open(who.token_id):
                raise refuse("desk_closed")
            return PREFIX + who.token_id
        if asked.act is not AgentAct.TRANSFER:
            return ""
        known = any(
            number.kind == SEAT and number.number == asked.destination
            for number in service.directory
        )
        there = (PREFIX + agent for agent, _ in service.desks.others(who.token_id))
        if not known and asked.destination not in there:
            raise refuse("no_destination")
        return asked.destination

    def _check_entry(session: CallSession, entry: str) -> None:
        state = session.state
        found = service.engines.knowledge.entry(
            entry, region=state.region, line=state.did, at=now()
        )
        if found is None:
            raise refuse("not_published")

    def _audit(request: Request | WebSocket, who: Principal, action: str, subject: str) -> None:
        client = request.client.host if request.client else ""
        records.audit(who, action, subject, client)


def _runs(session: Session, call_id: str) -> bool:
    call = session.get(CallRow, call_id)
    return call is not None and call.ended_at is None
