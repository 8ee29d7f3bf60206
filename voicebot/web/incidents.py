"""Incidents over HTTP.

GET  /v1/incidents                      agent, supervisor, admin: those that are open, most callers
                                        first; ?least=1 shows single callers too
GET  /v1/incidents/{id}                 agent, supervisor, admin: members, announcements, history
GET  /v1/waiting                        agent, supervisor, admin: who waits for a line to 110, the
                                        riskiest first, in this service
POST /v1/incidents/{id}/merge           supervisor, admin: another one is the same event
POST /v1/incidents/{id}/split           supervisor, admin: some of its hand-offs are another event
POST /v1/incidents/{id}/close           supervisor, admin
POST /v1/incidents/{id}/announcement    supervisor, admin: a text for new callers, put up
POST /v1/incidents/{id}/announcement/{n}/approve    another supervisor or admin: it is spoken
POST /v1/incidents/{id}/announcement/{n}/withdraw   supervisor, admin

Each act is written with its audit row in one transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from pydantic import Field, StringConstraints
from sqlalchemy.orm import Session

from voicebot.errors import SpeechUnavailable
from voicebot.incidents import acts, announcing, reading
from voicebot.incidents.errors import IncidentError, UnknownIncident
from voicebot.request_body import RequestBody
from voicebot.security import Principal, audit_row
from voicebot.web.access import Refusal, client_of, require
from voicebot.web.discretion import members_for, waiting_for
from voicebot.web.parameters import RowNumber

if TYPE_CHECKING:
    from voicebot.web.service import Service

Staff = Annotated[Principal, Depends(require("admin", "supervisor", "agent"))]
Supervisor = Annotated[Principal, Depends(require("admin", "supervisor"))]
Id = Annotated[str, StringConstraints(min_length=1, max_length=32)]
HandoffId = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class MergeModel(RequestBody):
    """`other` is the same event; it is closed, and its members come over."""

    other: Id


class SplitModel(RequestBody):
    """Hand-offs that are another event."""

    handoffs: Annotated[list[HandoffId], Field(min_length=1, max_length=1000)]


class AnnouncementModel(RequestBody):
    """What new callers are to be told."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
    did: Annotated[str, StringConstraints(max_length=64)] = ""
    region: Annotated[str, StringConstraints(pattern=r"^([0-9]{6})?$")] = ""


def add_incidents(app: FastAPI, service: Service) -> None:
    """Adds the endpoints above."""
    records = service.records

    async def done(
        request: Request, who: Principal, act: str, subject: str, work: Callable[[Session], Any]
    ) -> Any:
        client, at = client_of(request), time.time()

        def recorded(session: Session) -> Any:
            result = work(session)
            session.add(audit_row(who, act, subject, client, at))
            return result

        with refused():
            return await records.transact(recorded)

    @app.get("/v1/incidents")
    async def listed(
        who: Staff, request: Request, least: Annotated[int, Query(ge=1, le=1000)] = 2
    ) -> dict[str, Any]:
        found = await records.read(reading.open_incidents, least=least)
        records.audit(who, "incidents.list", "", client_of(request))
        return {"incidents": found}

    @app.get("/v1/incidents/{incident}")
    async def shown(incident: Id, who: Staff, request: Request) -> dict[str, Any]:
        with refused():
            found = await records.read(reading.incident, incident)
        records.audit(who, "incident.show", incident, client_of(request))
        return {**found, "members": await members_for(records, who, found["members"])}

    @app.get("/v1/waiting")
    async def waiting(who: Staff, request: Request) -> dict[str, Any]:
        records.audit(who, "waiting.list", "", client_of(request))
        found = service.waiting.waiting(time.monotonic())
        return {"waiting": await waiting_for(records, who, found)}

    @app.post("/v1/incidents/{incident}/merge")
    async def merge(
        incident: Id, asked: MergeModel, who: Supervisor, request: Request
    ) -> dict[str, Any]:
        def work(session: Session) -> Any:
            acts.merge(session, incident, asked.other, by=who.name, at=time.time())
            return reading.incident(session, incident)

        return dict(await done(request, who, "incident.merge", f"{incident} {asked.other}", work))

    @app.post("/v1/incidents/{incident}/split")
    async def split(
        incident: Id, asked: SplitModel, who: Supervisor, request: Request
    ) -> dict[str, Any]:
        def work(session: Session) -> Any:
            new = acts.split(session, incident, asked.handoffs, by=who.name, at=time.time())
            return reading.incident(session, new)

        return dict(await done(request, who, "incident.split", incident, work))

    @app.post("/v1/incidents/{incident}/close")
    async def close(incident: Id, who: Supervisor, request: Request) -> dict[str, Any]:
        def work(session: Session) -> Any:
            acts.close(session, incident, by=who.name, at=time.time())
            return reading.incident(session, incident)

        return dict(await done(request, who, "incident.close", incident, work))

    @app.post("/v1/incidents/{incident}/announcement", status_code=201)
    async def announce(
        incident: Id, asked: AnnouncementModel, who: Supervisor, request: Request
    ) -> dict[str, Any]:
        def work(session: Session) -> Any:
            values = asked.model_dump()
            row = announcing.propose(session, incident, **values, by=who.name, at=time.time())
            return {"announcement": row.id, "text": row.text, "approved": False}

        return dict(await done(request, who, "incident.announce", incident, work))

    @app.post("/v1/incidents/{incident}/announcement/{announcement}/approve")
    async def approve(
        incident: Id, announcement: RowNumber, who: Supervisor, request: Request
    ) -> dict[str, Any]:
        with refused():
            text = await records.read(_text, incident, announcement)
            await asyncio.to_thread(announcing.check_audio, service.engines.library, text)

        def work(session: Session) -> Any:
            announcing.approve(session, incident, announcement, by=who.name, at=time.time())
            return {"announcement": announcement, "text": text, "approved": True}

        subject = f"{incident} {announcement}"
        return dict(await done(request, who, "incident.approve", subject, work))

    @app.post("/v1/incidents/{incident}/announcement/{announcement}/withdraw")
    async def withdraw(
        incident: Id, announcement: RowNumber, who: Supervisor, request: Request
    ) -> dict[str, Any]:
        def work(session: Session) -> Any:
            announcing.withdraw(session, incident, announcement, by=who.name, at=time.time())
            return {"announcement": announcement, "ended": True}

        subject = f"{incident} {announcement}"
        return dict(await done(request, who, "incident.withdraw", subject, work))


@contextmanager
def refused() -> Iterator[None]:
    """What incidents complain of becomes an answer with a code and a sentence."""
    try:
        yield
    except UnknownIncident as error:
        raise Refusal(404, {"code": error.code, "message": str(error)}) from None
    except IncidentError as error:
        raise Refusal(409, {"code": error.code, "message": str(error)}) from None
    except SpeechUnavailable as error:
        raise Refusal(503, {"code": error.code, "message": str(error)}) from None


def _text(session: Session, incident: str, announcement: int) -> str:
    return announcing.waiting_for_approval(session, incident, announcement).text
