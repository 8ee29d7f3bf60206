"""What is turned away at one address, for whatever reason, is told what to do all the same."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

import structlog
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

log = structlog.get_logger()

ANY_SIZE = 2**40
"""The route's own limit: the application's answers without advice."""
FAULT = {"code": "internal", "message": "This was our fault; it is in the log. Send it again."}


class _TooLarge(Exception):
    """No more of the body is read."""


class TurnedAway:
    """ASGI middleware: each refusal of a POST to `path` is JSON and has `advice`.

    By its field, its size, its token or a fault of ours; an answer that has its own advice
    keeps it. The route takes `ANY_SIZE`, and this `most` bytes.
    """

    def __init__(self, app: ASGIApp, path: str, most: int, advice: str) -> None:
        self._app, self._path, self._most, self._advice = app, path, most, advice

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ("POST", self._path):
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        size = int(length) if length.isdecimal() else 0
        came = 0
        start: MutableMapping[str, Any] = {}
        body = bytearray()

        async def receiving() -> MutableMapping[str, Any]:
            nonlocal came
            if size <= self._most:
                message = await receive()
                came += len(message.get("body", b""))
            if max(size, came) > self._most:
                raise _TooLarge
            return message

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                start.update(message)
            elif start:
                body.extend(message.get("body", b""))
            else:
                await send(message)

        try:
            await self._app(scope, receiving, sending)
        except Exception:
            log.exception("matter_not_taken")
            start.update(status=500, headers=[])
            body[:] = json.dumps(FAULT).encode()
        if start and max(size, came) > self._most and start["status"] not in (401, 403):
            said = {"code": "too_large", "message": f"It has more than {self._most} bytes."}
            start["status"], body[:] = 413, json.dumps(said).encode()
        if start:
            await self._advise(start, json.loads(body))(scope, receive, send)

    def _advise(self, start: MutableMapping[str, Any], said: dict[str, Any]) -> JSONResponse:
        answer = JSONResponse({"advice": self._advice, **said}, start["status"])
        ours = {name for name, _ in answer.raw_headers}
        answer.raw_headers += [each for each in start["headers"] if each[0].lower() not in ours]
        return answer
