"""`voicebot desk`: a stand-in for the duty desk that receives hand-offs (接警台).

A process of its own with the two faces of a real desk: `/line`, a media
WebSocket that rings, answers, is busy or stays silent as told, and `/dossiers`
over HTTP. It listens on loopback only and keeps all that it got on disk.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse

from telephony.access import bearer_token, is_loopback, same_token
from telephony.codecs import Int16
from telephony.desk_line import DeskLine, DeskManner, DeskMode, receive_message
from telephony.desk_records import DeskEvent, DeskRecords, OnDeskEvent, dossier_handoff
from telephony.errors import DeskError, MediaStreamError, RecordingError
from telephony.loopback_server import LoopbackServer, serve_until_stopped
from telephony.stream_start import receive_start

__all__ = ["DeskEvent", "DeskMode", "create_desk", "desk_server", "run_desk"]

MAX_DOSSIER_BYTES = 2**20

_WRONG_TOKEN = {
    "code": "wrong_token",
    "message": "The token is wrong or missing; send the desk's own token as Authorization: Bearer.",
}


def create_desk(
    mode: str = "answer",
    *,
    token: str,
    record_dir: Path,
    answer_after_s: float = 1.0,
    greeting: tuple[Int16, int] | None = None,
    acknowledge_after_s: float | None = None,
    hang_up_after_s: float | None = None,
    modes: Mapping[str, str] | None = None,
    number_names: Mapping[str, str] | None = None,
    on_event: OnDeskEvent | None = None,
) -> FastAPI:
    """The desk as an ASGI application.

    Parameters:
        mode: `answer`, `busy`, `silent` or `no-voice`, for numbers not in `modes`.
        token: bearer token of the line and of the dossiers.
        record_dir: where everything is kept (`telephony.desk_records`).
        answer_after_s: how long it rings.
        greeting: what the officer says: PCM (n,) int16 and its rate in Hz.
        acknowledge_after_s, hang_up_after_s: seconds after answering; None for never.
        modes: a mode for each number dialled, so that one desk stands in for several.
        number_names: names of the numbers, for people.
        on_event: told what happens; its `private` part is for a screen, not for a log.

    Errors: DeskError `bad_mode`, `no_token`, `cannot_write`.
    """
    if not token:
        raise DeskError("no_token", "The desk needs a token; give one in the configuration.")
    usual = _mode(mode)
    by_number = {number: _mode(each) for number, each in (modes or {}).items()}
    names = dict(number_names or {})
    manner = DeskManner(answer_after_s, greeting, acknowledge_after_s, hang_up_after_s)
    records = DeskRecords(record_dir, on_event)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        records.close()

    app = FastAPI(title="voicebot desk", docs_url=None, redoc_url=None, lifespan=lifespan)

    @app.websocket("/line")
    async def line(websocket: WebSocket) -> None:
        header = websocket.headers.get("authorization")
        if header is not None and not same_token(bearer_token(header), token):
            records.note("refused", detail={"reason": "wrong_token"})
            await websocket.send_denial_response(JSONResponse(_WRONG_TOKEN, status_code=401))
            return
        await websocket.accept()
        try:
            start = await receive_start(lambda: receive_message(websocket))
        except WebSocketDisconnect:
            return
        except MediaStreamError as error:
            records.note("refused", detail={"reason": error.code})
            await websocket.close(1008, error.message[:120])
            return
        if header is None and not same_token(start.token, token):
            records.note("refused", detail={"reason": "wrong_token"})
            await websocket.close(1008, "The token is wrong or missing.")
            return
        number = start.custom.get("number", "")
        call = DeskLine(
            websocket,
            start,
            by_number.get(number, usual),
            manner,
            names.get(number, number),
            records,
        )
        try:
            await call.run()
        except RecordingError as error:
            records.note("refused", detail={"reason": error.code})
            await websocket.close(1011, error.message[:120])

    @app.post("/dossiers")
    async def post_dossier(request: Request) -> JSONResponse:
        if not _admitted(request, token):
            return JSONResponse(_WRONG_TOKEN, status_code=401)
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MAX_DOSSIER_BYTES:
                return _refusal(413, "too_large", "A dossier may have 1 MiB at most.")
        try:
            dossier = json.loads(bytes(body))
        except (ValueError, RecursionError):
            dossier = None
        if not isinstance(dossier, dict):
            return _refusal(422, "bad_dossier", "The body is not a JSON object.")
        key = request.headers.get("idempotency-key")
        if not key or len(key) > 200:
            return _refusal(422, "no_key", "Send an Idempotency-Key header of 1 to 200 characters.")
        try:
            fresh = records.take_dossier(dossier, key)
        except DeskError as error:
            status = 409 if error.code == "key_reused" else 422
            return _refusal(status, error.code, error.message)
        handoff = dossier_handoff(dossier)
        if fresh:
            records.note("dossier", handoff=handoff, private={"dossier": dossier})
        return JSONResponse(
            {"accepted": True, "duplicate": not fresh, "handoff": handoff},
            status_code=201 if fresh else 200,
        )

    @app.get("/dossiers")
    async def get_dossiers(request: Request) -> JSONResponse:
        if not _admitted(request, token):
            return JSONResponse(_WRONG_TOKEN, status_code=401)
        return JSONResponse({"dossiers": records.dossiers()})

    @app.get("/health")
    async def health(request: Request) -> JSONResponse:
        if not _admitted(request, token):
            return JSONResponse(_WRONG_TOKEN, status_code=401)
        return JSONResponse(
            {
                "status": "ok",
                "mode": usual.value,
                "modes": {n: m.value for n, m in by_number.items()},
            }
        )

    return app


def desk_server(app: FastAPI, *, host: str = "127.0.0.1", port: int = 0) -> LoopbackServer:
    """The desk in this process: ``async with desk_server(app) as server: server.url``."""
    return LoopbackServer(app, host=host, port=port)


def run_desk(
    *,
    host: str = "127.0.0.1",
    port: int = 8110,
    on_listening: Callable[[str], None] | None = None,
    **options: Any,
) -> None:
    """Runs the desk until it is interrupted; `options` are those of `create_desk`.

    `on_listening` gets the line's address once it is open.

    Errors: DeskError `not_loopback`, `port_in_use`, and those of `create_desk`.
    """
    if not is_loopback(host):
        raise DeskError(
            "not_loopback",
            "The stand-in desk listens on this machine only; use --host 127.0.0.1.",
        )
    serve_until_stopped(
        lambda: create_desk(**options),
        host=host,
        port=port,
        on_listening=lambda base: on_listening(f"{base}/line") if on_listening else None,
    )


def _mode(name: str) -> DeskMode:
    try:
        return DeskMode(name)
    except ValueError:
        raise DeskError(
            "bad_mode",
            f"The desk knows no mode {name!r}; use {', '.join(mode.value for mode in DeskMode)}.",
        ) from None


def _admitted(request: Request, token: str) -> bool:
    return same_token(bearer_token(request.headers.get("authorization")), token)


def _refusal(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"code": code, "message": message}, status_code=status)
