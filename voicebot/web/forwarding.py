"""Requests that concern a call of another node go there: ASGI middleware, HTTP and WebSocket.

The node asks for the same token or session itself, which comes along; nothing is decided here. It
believes the address of the client from who stands in its `server.trusted_proxies`.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import httpx
import structlog
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from voicebot.cluster.everywhere import recording_elsewhere
from voicebot.cluster.nodes import Node
from voicebot.web.access import SAFE
from voicebot.web.forwarded import BETWEEN_NODES, NoTarget, handed_on, url_at
from voicebot.web.of_calls import OfCall, concerns
from voicebot.web.passing_on import (
    Body,
    has_body,
    pass_answer,
    pass_back,
    pass_denial,
    pass_there,
)

if TYPE_CHECKING:
    from voicebot.web.service import Service

log = structlog.get_logger()

CONNECT_S = 2.0
OPEN_S = 6.0
"""For a WebSocket: the node looks up who asks before it takes it."""
ANSWER_S = 10.0
"""A node that has not begun to answer by then is away."""
SILENT_S = 30.0
"""So is one that falls silent within a stream: each has a beat every ten seconds."""
IDLE_S = 2.0
"""A connection that idles is let go before the node closes it, under a request."""
MOST_MESSAGE = 2**20
AWAY = {
    "code": "node_away",
    "message": "处理这通电话的服务器现在联系不上，通话本身不受影响，请稍后再试。"
    " (The node that has this call cannot be reached; the call itself goes on.)",
}
NO_ANSWER = {
    "code": "node_silent",
    "message": "处理这通电话的服务器没有回应，操作可能已经生效，请先查看通话状态再重试。"
    " (The node that has this call has not answered; what was asked may have been done: look at"
    " the call before you try again.)",
}
NO_TARGET = {
    "code": "bad_request",
    "message": "请求的地址不对。 (The target of the request is not a plain path.)",
}
NO_NODE = {
    "code": "no_node",
    "message": "现在没有能接电话的服务器。 (No node that takes calls is there now.)",
}


class Forwarding:
    """ASGI middleware of a process with pages.

    Parameters:
        service: whose calls are answered here, and whose `member` knows the other nodes.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        assert service.member is not None
        self._member = service.member
        self._tls = self._member.nodes_tls
        self._client: httpx.AsyncClient | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            try:
                await self._app(scope, receive, send)
            finally:
                await self._close()
            return
        wanted = concerns(scope["path"]) if scope["type"] in ("http", "websocket") else None
        if wanted is None or BETWEEN_NODES in Headers(scope=scope):
            await self._app(scope, receive, send)
            return
        node = await self._node(wanted)
        if node is not None:
            await self.to(node, scope, receive, send)
        elif wanted.what in ("running", "handoff") and (lost := self._lost(wanted.id)) is not None:
            await self.to(lost, scope, receive, send, instead=self._app)
        elif wanted.what == "new_call" and "media" not in self._member.roles:
            await _refuse(NO_NODE, 503, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def to(
        self,
        node: Node,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        instead: ASGIApp | None = None,
    ) -> None:
        """Have a request answered by a node.

        Parameters:
            instead: answers an HTTP request where nothing listens at the node any more.
        """
        try:
            url = url_at(node.address, scope)
        except NoTarget:
            await _refuse(NO_TARGET, 400, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._websocket(node, url, scope, receive, send)
        else:
            await self._http(node, url, scope, receive, send, instead)

    async def _node(self, wanted: OfCall) -> Node | None:
        """Who has it; None: this process, or nobody."""
        nodes, service = self._member.nodes, self._service
        match wanted.what:
            case "new_call":
                return None if "media" in self._member.roles else nodes.least_busy()
            case "leg":
                return nodes.named(service.desks.elsewhere.node_of(wanted.id))
            case "recording":
                keeper, _ = await recording_elsewhere(self._member, wanted.id)
                return nodes.named(keeper)
            case _:
                return None if wanted.id in service.sessions else nodes.of_call(wanted.id)

    def _lost(self, call_id: str) -> Node | None:
        if call_id in self._service.sessions:
            return None
        return self._member.nodes.lost_with(call_id)

    async def _close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    # ── HTTP ──────────────────────────────────────────────────────────────────────

    async def _http(
        self,
        node: Node,
        url: httpx.URL,
        scope: Scope,
        receive: Receive,
        send: Send,
        instead: ASGIApp | None,
    ) -> None:
        if self._client is None:
            limits = httpx.Limits(
                max_connections=None, max_keepalive_connections=32, keepalive_expiry=IDLE_S
            )
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(None, connect=CONNECT_S, read=SILENT_S),
                verify=self._tls,
                trust_env=False,
                limits=limits,
            )
        body = Body(receive)
        request = self._client.build_request(
            scope["method"],
            url,
            headers=list(handed_on(scope, self._member.nodes.own, url)),
            content=body.parts() if has_body(scope) else None,
        )
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await self._client.send(request, stream=True)
        except (httpx.HTTPError, TimeoutError) as error:
            unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            if unsent and instead is not None:
                await instead(scope, receive, send)
                return
            self._away(node, error)
            refusal = AWAY if unsent or scope["method"] in SAFE else NO_ANSWER
            await _refuse(refusal, 503, scope, receive, send)
            return
        gone = asyncio.create_task(body.until_gone())
        passing = asyncio.create_task(pass_answer(answer, send))
        try:
            await asyncio.wait((gone, passing), return_when=asyncio.FIRST_COMPLETED)
            if passing.done():
                passing.result()
        except httpx.HTTPError as error:  # in the middle: the reader comes back by himself
            self._away(node, error)
            with contextlib.suppress(Exception):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            for task in (gone, passing):
                task.cancel()
            await asyncio.gather(gone, passing, return_exceptions=True)
            await answer.aclose()

    # ── WebSocket ─────────────────────────────────────────────────────────────────

    async def _websocket(
        self, node: Node, url: httpx.URL, scope: Scope, receive: Receive, send: Send
    ) -> None:
        await receive()  # websocket.connect
        secure = url.scheme == "https"
        try:
            far = await connect(
                str(url.copy_with(scheme="wss" if secure else "ws")),
                additional_headers=[
                    (name.decode("latin-1"), value.decode("latin-1"))
                    for name, value in handed_on(scope, self._member.nodes.own, url)
                ],
                subprotocols=[Subprotocol(each) for each in scope["subprotocols"]] or None,
                ssl=self._tls if secure else None,
                compression=None,
                open_timeout=OPEN_S,
                max_size=MOST_MESSAGE,
                proxy=None,
            )
        except InvalidStatus as denied:
            await pass_denial(denied, send)
            return
        except (OSError, TimeoutError, WebSocketException) as error:
            self._away(node, error)
            await _refuse(AWAY, 503, scope, receive, send)
            return
        async with far:
            await send({"type": "websocket.accept", "subprotocol": far.subprotocol})
            there = asyncio.create_task(pass_there(receive, far))
            back = asyncio.create_task(pass_back(far, send))
            try:
                await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (there, back):
                    task.cancel()
                await asyncio.gather(there, back, return_exceptions=True)

    def _away(self, node: Node, error: Exception) -> None:
        log.warning("node_not_reached", node=node.name, reason=type(error).__name__)


async def _refuse(
    body: dict[str, str], status: int, scope: Scope, receive: Receive, send: Send
) -> None:
    answer = JSONResponse(body, status, {"Retry-After": "2", "Cache-Control": "no-store"})
    await answer(scope, receive, send)
