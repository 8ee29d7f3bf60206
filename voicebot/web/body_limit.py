"""What is sent may not be of any size; what is too large is refused as anything else is."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send


class TooLarge(Exception):
    """The body of a request is larger than its route takes."""


class BodyLimit:
    """ASGI middleware: Starlette's limit, but for its plain text.

    Answered by the application's handler of `TooLarge`. A route with a `max_body_size` of its own
    takes so much.

    Parameters:
        most: bytes that all other routes take.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = RequestBodyLimitMiddleware(app, max_body_size=most)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = False

        async def sending(message: MutableMapping[str, Any]) -> None:
            nonlocal refused
            # No endpoint says this by itself.
            refused = refused or message.get("status") == 413
            if not refused:
                await send(message)

        await self._app(scope, receive, sending)
        if refused:
            request = Request(scope, receive)
            answer = await request.app.exception_handlers[TooLarge](request, TooLarge())
            await answer(scope, receive, send)
