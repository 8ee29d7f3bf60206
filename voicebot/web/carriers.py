"""Where calls come in besides the media stream: FreeSWITCH's fork, and AudioSocket's notice.

WS   /media/fork        media, admin: a forked call (telephony.audio_fork); the token comes
                        as a header or in the metadata
POST /api/audiosocket   media, admin: the call of this UUID is about to come
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Annotated, Any, Literal

import structlog
from fastapi import Depends, FastAPI, WebSocket
from pydantic import Field

from telephony.audio_fork import ForkCall, goodbye, parse_metadata
from telephony.audio_socket_packets import ANNOUNCED_S, Announcements
from telephony.errors import MediaStreamError, TelephonyError
from telephony.stream_start import MAX_NUMBER, START_TIMEOUT_S, StreamStart
from voicebot.request_body import FromText, RequestBody
from voicebot.security import Principal
from voicebot.web.access import Refusal, authorise_websocket, foreign_origin, require
from voicebot.web.service import Service

log = structlog.get_logger()

MEDIA = ("media", "admin")
POLICY_VIOLATION = 1008

Carrier = Annotated[Principal, Depends(require(*MEDIA))]
Number = Annotated[str, Field(max_length=MAX_NUMBER, pattern=r"^[0-9A-Za-z+*#._-]*$")]


class Announced(RequestBody):
    """The body of POST /api/audiosocket."""

    uuid: FromText[uuid.UUID]
    caller: Number = ""
    did: Number
    rate: Literal[8000, 16000] = 8000
    """Hz; 16000 where the channel is dialled with ``c(slin16)``."""


def add_carriers(app: FastAPI, service: Service, announcements: Announcements | None) -> None:
    """The endpoints; without `announcements` AudioSocket is off and its path is not there."""
    records = service.records

    @app.websocket("/media/fork")
    async def fork(websocket: WebSocket) -> None:
        if await foreign_origin(websocket):
            return
        given = websocket.headers.get("authorization") is not None
        if given and await authorise_websocket(websocket, records, MEDIA) is None:
            return
        await websocket.accept(_subprotocol(websocket))
        start = await _metadata(websocket)
        if start is None:
            return
        if not given and not await records.token_fits(start.token or "", MEDIA):
            await _refuse(websocket, "wrong_token", "The token is missing or wrong.")
            return
        await service.take(ForkCall(websocket, start))

    if announcements is None:
        return

    @app.post("/api/audiosocket", status_code=201)
    async def announce(principal: Carrier, call: Announced) -> dict[str, Any]:
        try:
            announcements.announce(call.uuid, call.caller, call.did, call.rate)
        except TelephonyError as error:
            status = 409 if error.code == "announced_already" else 503
            raise Refusal(status, {"code": error.code, "message": error.message}) from None
        return {"uuid": str(call.uuid), "expires_s": ANNOUNCED_S}


def _subprotocol(websocket: WebSocket) -> str | None:
    """The module's own (audio.drachtio.org, or as configured): accepted, whatever its name."""
    return next(iter(websocket.scope.get("subprotocols") or ()), None)


async def _metadata(websocket: WebSocket) -> StreamStart | None:
    """The first message; None: there is none, and the socket is closed."""
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            message = await websocket.receive()
    except TimeoutError:
        await _refuse(websocket, "late_start", "No metadata came in time.")
        return None
    if message["type"] == "websocket.disconnect":
        return None
    try:
        return parse_metadata(message.get("text") or b"")
    except MediaStreamError as error:
        await _refuse(websocket, error.code, error.message)
        return None


async def _refuse(websocket: WebSocket, code: str, message: str) -> None:
    log.warning("call_refused", reason=code)
    error = {"type": "error", "data": {"reason": code, "message": message}}
    await goodbye(websocket, POLICY_VIOLATION, error)
