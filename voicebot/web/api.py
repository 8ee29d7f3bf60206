"""The HTTP and WebSocket endpoints of the service.

    GET /call                       the call page: files without data, for anybody (web.pages)
    GET /health                     any role
    GET /ready                      any role: 503 when no new call should be sent here
    GET /api/lines                  any role: the dialled numbers, and what the token may do
    GET /api/calls                  admin, supervisor, agent
    GET /api/calls/{id}             the same: everything on record about a call
    GET /api/calls/{id}/events      the same: its event log
    GET /api/calls/{id}/live        the same: what happens in one call, as it happens
    GET /api/handoffs/{id}          the same, and 110 and desk
    GET /v1/openapi.json            any role: what can be asked for, and how
    POST /v1/matters                channel, admin, supervisor, agent (web.matters)
    POST /v1/recommend              admin, supervisor, agent (web.assist)
    GET /v1/knowledge/audio/{hash}  the same, editor, reviewer (web.answer_audio)
    …   /v1/knowledge/…            editor, reviewer, admin; reads: supervisor, agent (web.knowledge)
    GET /v1/figures, /v1/topics     supervisor, admin (web.figures)
    …   /v1/exchange/…              110: messages and the ledger (web.exchange)
    GET /v1/duty/now                admin, supervisor, agent: who is on duty (web.duty)
    POST /v1/duty/receipts/{id}     whoever was told, by the notice's token; the same (web.duty)
    …   /v1/callers/…               admin, supervisor, agent (web.callers)
    GET /v1/calls, /v1/handoffs, /v1/board, /v1/alarms   staff: search and the board (web.searching)
    …   /v1/tickets/…               agent, supervisor, admin: work orders (web.tickets)
    …   /v1/surge/…                admin, supervisor, agent; figures: acd (web.surge)
    …   /v1/disputes, /v1/dispatch-rules   supervisor, admin (web.disputes)
    GET /v1/audit                   auditor, admin: who did what (web.audit)
    …   /v1/session                 anybody: log in; who is logged in; log out (web.sessions)
    GET /v1/session/oidc/…          anybody: log in at a provider (web.oidc)
    POST /v1/config/reload          admin: the settings read again (web.reloading)
    GET /metrics                    metrics, supervisor, admin: for Prometheus (web.metrics)
    WS  /api/live                   admin, supervisor, agent: what happens, as it happens
    WS  /media                      media, admin: a call's audio (telephony.messages)
    …   /media/fork, /api/audiosocket   other carriers (web.carriers)

Ids are written percent-encoded (``/`` as ``%2F``). Every read of personal data is audited.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from telephony.audio_socket_packets import Announcements
from voicebot import caller_privacy
from voicebot.masking import mask_text
from voicebot.records import receivers
from voicebot.records.errors import RecordsUnavailable
from voicebot.security import ROLES, Principal
from voicebot.web.access import (
    Refusal,
    authorise_websocket,
    client_of,
    foreign_origin,
    require,
    until_refused,
    while_allowed,
)
from voicebot.web.answer_audio import add_answer_audio
from voicebot.web.assist import add_assist
from voicebot.web.audit import add_audit
from voicebot.web.board import Board
from voicebot.web.body_limit import BodyLimit, TooLarge
from voicebot.web.callers import add_callers
from voicebot.web.carriers import MEDIA, POLICY_VIOLATION, add_carriers
from voicebot.web.console import add_console
from voicebot.web.discretion import calls_for, confidential_among
from voicebot.web.disputes import add_disputes
from voicebot.web.document import as_it_happens, documented, methods_at, problem
from voicebot.web.duty import add_duty
from voicebot.web.exchange import add_exchange
from voicebot.web.figures import add_figures
from voicebot.web.following import FollowedResponse, Following, too_many_streams
from voicebot.web.forwarding import Forwarding
from voicebot.web.headers import SecurityHeaders
from voicebot.web.incidents import add_incidents
from voicebot.web.knowledge import add_knowledge
from voicebot.web.limiting import RateLimited, recogniser, teller
from voicebot.web.live import follow
from voicebot.web.matters import add_matters
from voicebot.web.metrics import add_metrics
from voicebot.web.of_calls import keep_routes
from voicebot.web.oidc import add_oidc
from voicebot.web.pages import add_pages
from voicebot.web.reloading import add_reloading
from voicebot.web.searching import add_searching
from voicebot.web.service import Service
from voicebot.web.sessions import add_sessions
from voicebot.web.surge import add_surge
from voicebot.web.tickets import add_tickets

STAFF = ("admin", "supervisor", "agent")

MAX_BODY_BYTES = 64 * 1024
"""Nothing that is posted here is larger than a dossier, but for transcripts, which have a limit
of their own (web.assist); more is answered with 413.
"""

CONFIDENTIAL = {
    "code": "confidential",
    "message": "A ticket of this call is confidential (保密); supervisors may read it.",
}
NOT_SENT = {
    "code": "not_sent",
    "message": "This hand-off did not go to 110 or to your line; whoever had it may read it.",
}
NOT_READY = {
    "code": "not_ready",
    "message": "Send no new call here; `why` is stopping, or no_endpoint: none answers.",
}
Anybody = Annotated[Principal, Depends(require(*ROLES))]
Staff = Annotated[Principal, Depends(require(*STAFF))]
Receiver = Annotated[Principal, Depends(require(*STAFF, "110", "desk"))]


def create_app(service: Service, announcements: Announcements | None = None) -> FastAPI:
    """The service's endpoints. Start-up and shut-down belong to the caller.

    Parameters:
        announcements: what an AudioSocketEndpoint takes its calls from, if there is one.
    """
    records, board = service.records, Board(service)
    # No generated pages: they would be endpoints without a token.
    app = FastAPI(
        title="voicebot",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.records = records
    following = app.state.following = Following()
    roles = service.settings.server.roles
    if service.member is not None and "web" in roles:
        app.add_middleware(Forwarding, service=service)
    # Inside those that follow, which are to see its refusals too.
    app.add_middleware(BodyLimit, most=MAX_BODY_BYTES)
    if service.settings.rate_limits.enabled:
        app.add_middleware(
            RateLimited,
            settings=service.settings.rate_limits,
            recognise=recogniser(records),
            tell=teller(records, service.metrics),
        )
    app.add_middleware(SecurityHeaders)

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> JSONResponse:
        if refusal.status_code == 404:
            # An id takes in what stands behind it: GET of …/acts asks for no ticket.
            methods = methods_at(app, request.url.path)
            if request.method not in methods:
                return JSONResponse(problem(405), 405, {"Allow": ", ".join(methods)})
        # What was asked with may be a telephone number, and error pages are shown around.
        said: Any = refusal.detail
        masked = {**said, "message": mask_text(said["message"])}
        return JSONResponse(masked, refusal.status_code, refusal.headers)

    @app.exception_handler(HTTPException)
    async def not_taken(request: Request, error: HTTPException) -> JSONResponse:
        headers = error.headers
        if error.status_code == 405:
            headers = {"Allow": ", ".join(methods_at(app, request.url.path))}
        return JSONResponse(problem(error.status_code), error.status_code, headers)

    @app.exception_handler(TooLarge)
    async def too_large(_: Request, __: TooLarge) -> JSONResponse:
        return JSONResponse(problem(413), 413)

    @app.exception_handler(RecordsUnavailable)
    async def unavailable(_: Request, error: RecordsUnavailable) -> JSONResponse:
        return JSONResponse({"code": error.code, "message": str(error)}, 503)

    @app.exception_handler(RequestValidationError)
    async def unreadable(_: Request, error: RequestValidationError) -> JSONResponse:
        # Field and fault, never the value: it may be a telephone number.
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = mask_text(f"{where}: {first['msg']}.")
        return JSONResponse({"code": "bad_request", "message": message}, 422)

    @app.get("/health")
    async def health(_: Anybody) -> dict[str, Any]:
        return {
            "status": "ok" if records.available else "degraded",
            "database": records.available,
            "calls": service.calls_in_progress,
            "loop_lag_ms": asdict(service.loop_lag.figures),
            "recognition": asdict(service.recognition),
            "transcriber": service.transcriber_counts,
            "listener": service.listener_counts,
            "uptime_s": round(time.time() - service.started_at, 1),
        }

    @app.get("/ready")
    async def ready(_: Anybody, response: Response) -> dict[str, Any]:
        found = service.readiness
        told = {"ready": found.ready, "why": found.why, "endpoints": dict(found.endpoints)}
        if found.ready:
            return told
        response.status_code = 503
        return told | NOT_READY

    @app.get("/api/lines")
    async def lines(principal: Anybody) -> dict[str, Any]:
        return {
            "may_call": principal.role in MEDIA,
            "may_read": principal.role in STAFF,
            "lines": [{"did": line.did, "name": line.name} for line in service.settings.lines],
        }

    @app.get("/api/calls")
    async def calls(
        principal: Staff,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    ) -> dict[str, Any]:
        found = await records.calls(limit)
        _audit(request, principal, "calls.list", "")
        return {"calls": await calls_for(records, principal, found)}

    # Before the next, whose id takes in whatever stands before the end: a carrier's id
    # may hold "/" as well.
    @app.get("/api/calls/{call_id:path}/events")
    async def events(call_id: str, principal: Staff, request: Request) -> list[dict[str, Any]]:
        await _may_read(principal, call_id)
        found = await records.events(call_id)
        _audit(request, principal, "call.events.read", call_id)
        if not found and not await records.known(call_id):
            raise _not_found("call")
        return found

    @app.get("/api/calls/{call_id:path}/live", **as_it_happens("application/x-ndjson"))
    async def watch(call_id: str, principal: Staff, request: Request) -> FollowedResponse:
        await _may_read(principal, call_id)
        _audit(request, principal, "call.watch", call_id)
        lines = follow(service.live, call_id, principal.role)
        allowed = while_allowed(request, records, STAFF, lines)
        return FollowedResponse(request, principal, allowed, "application/x-ndjson")

    @app.get("/api/calls/{call_id:path}")
    async def call(call_id: str, principal: Staff, request: Request) -> dict[str, Any]:
        await _may_read(principal, call_id)
        found = await records.call(call_id)
        _audit(request, principal, "call.read", call_id)
        if found is None:
            raise _not_found("call")
        return found

    @app.get("/api/handoffs/{handoff_id:path}")
    async def handoff(handoff_id: str, principal: Receiver, request: Request) -> dict[str, Any]:
        found = await records.handoff(handoff_id)
        _audit(request, principal, "handoff.read", handoff_id)
        if found is None:
            raise _not_found("hand-off")
        await _may_read_dossier(principal, found)
        return found

    @app.websocket("/api/live")
    async def live(websocket: WebSocket) -> None:
        if await foreign_origin(websocket):
            return
        principal = await authorise_websocket(websocket, records, STAFF)
        if principal is None:
            return
        with following.place(principal) as given:
            if not given:
                await websocket.send_denial_response(too_many_streams())
                return
            _audit(websocket, principal, "live.watch", "")
            await websocket.accept()
            async with asyncio.TaskGroup() as watching:
                sending = watching.create_task(_send_all(websocket, service, principal.role))
                gone = watching.create_task(_until_gone(websocket))
                refused = watching.create_task(until_refused(websocket, records, STAFF))
                await asyncio.wait({gone, refused}, return_when=asyncio.FIRST_COMPLETED)
                if refused.done():
                    await websocket.close(POLICY_VIOLATION)
                for each in (sending, gone, refused):
                    each.cancel()

    @app.websocket("/media")
    async def media(websocket: WebSocket) -> None:
        if await foreign_origin(websocket):
            return
        # Carriers that cannot set a header send the token in their start message.
        given = websocket.headers.get("authorization") is not None
        if given and await authorise_websocket(websocket, records, MEDIA) is None:
            return
        await websocket.accept()
        await service.handle_media(websocket, authorised=given)

    @app.get("/v1/openapi.json")
    async def openapi(_: Anybody) -> dict[str, Any]:
        return documented(app)

    add_pages(app)
    add_assist(app, service)
    add_matters(app, service)
    add_answer_audio(app, service)
    app.state.knowledge_desk = add_knowledge(app, service)
    add_callers(app, service)
    add_figures(app, service)
    add_exchange(app, service)
    add_duty(app, service)
    add_carriers(app, service, announcements)
    add_tickets(app, service)
    add_searching(app, service, board)
    add_disputes(app, service)
    add_incidents(app, service)
    add_surge(app, service)
    add_reloading(app, service)
    add_metrics(app, service)
    add_audit(app, service)
    add_sessions(app, service)
    add_oidc(app, service)
    add_console(app, service, board)
    keep_routes(app, roles)

    async def _may_read(principal: Principal, call_id: str) -> None:
        if await confidential_among(records, principal, {call_id}):
            records.audit(principal, "refused", call_id, allowed=False)
            raise Refusal(403, CONFIDENTIAL)

    async def _may_read_dossier(principal: Principal, found: Mapping[str, Any]) -> None:
        if principal.role not in ("110", "desk"):
            await _may_read(principal, found["call_id"])
            return
        sent_to = await records.read(receivers.sent_to, found["id"])
        own = await records.read(receivers.own_line, principal.name)
        if not caller_privacy.may_read_dossier(principal.role, own, sent_to):
            records.audit(principal, "refused", found["id"], allowed=False)
            raise Refusal(403, NOT_SENT)

    def _audit(request: Request | WebSocket, who: Principal, action: str, subject: str) -> None:
        records.audit(who, action, subject, client_of(request))

    return app


def _not_found(what: str) -> Refusal:
    return Refusal(404, {"code": "not_found", "message": f"There is no {what} of this id."})


async def _send_all(websocket: WebSocket, service: Service, role: str) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        async for message in service.live.subscribe():
            shown = caller_privacy.live(message, role)
            if shown is not None:
                await websocket.send_json(shown)


async def _until_gone(websocket: WebSocket) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
