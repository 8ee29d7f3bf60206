"""What passes between who asks and the node that answers: bodies, answers, WebSocket messages."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from voicebot.web.forwarded import HOP_BY_HOP


class Body:
    """The body of a request as it comes, and then that its sender is gone."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    async def parts(self) -> AsyncIterator[bytes]:
        """Piece by piece.

        Raises:
            httpx.RequestError: the sender is gone before its end.
        """
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise httpx.RequestError("the sender is gone")
            more = message.get("more_body", False)
            yield message.get("body", b"")

    async def until_gone(self) -> None:
        """After the body."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


def has_body(scope: Scope) -> bool:
    """Whether a request says that it has one."""
    headers = Headers(scope=scope)
    return "content-length" in headers or "transfer-encoding" in headers


async def pass_answer(answer: httpx.Response, send: Send) -> None:
    """A node's answer as it comes, to its end.

    Raises:
        httpx.HTTPError: the node is gone in the middle of it.
    """
    headers = [
        (name, value)
        for name, value in answer.headers.raw
        if name.lower().decode("latin-1") not in HOP_BY_HOP | {"date", "server"}
    ]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    async for part in answer.aiter_raw():
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def pass_there(receive: Receive, far: ClientConnection) -> None:
    """What is sent to the node over a WebSocket, until either side closes it."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            message: Message = await receive()
            if message["type"] == "websocket.disconnect":
                await far.close(_closable(message.get("code", 1000)))
                return
            given: Any = message.get("text")
            await far.send(given if given is not None else message.get("bytes") or b"")


async def pass_back(far: ClientConnection, send: Send) -> None:
    """What the node sends over a WebSocket, and how it closes it."""
    with contextlib.suppress(OSError, RuntimeError):  # who went first has said so
        with contextlib.suppress(ConnectionClosed):
            async for message in far:
                kind = "text" if isinstance(message, str) else "bytes"
                await send({"type": "websocket.send", kind: message})
        code = far.close_code or 1000
        reason = far.close_reason or ""
        await send({"type": "websocket.close", "code": _closable(code), "reason": reason})


async def pass_denial(denied: InvalidStatus, send: Send) -> None:
    """What the node has answered instead of a WebSocket."""
    answer = denied.response
    kept = ("content-type", "www-authenticate", "retry-after", "cache-control")
    headers = [(k.lower(), v) for k, v in answer.headers.raw_items() if k.lower() in kept]
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send(
        {
            "type": "websocket.http.response.start",
            "status": answer.status_code,
            "headers": encoded,
        }
    )
    await send({"type": "websocket.http.response.body", "body": answer.body or b""})


def _closable(code: int) -> int:
    """A code that may be sent: 1005 and 1006 only tell that none came."""
    return code if 1000 <= code < 5000 and code not in (1004, 1005, 1006, 1015) else 1011
