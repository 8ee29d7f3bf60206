"""The transcription service's port: who is let in, to which conversation, and how it ends."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from asr.service import stream_protocol, vosk_protocol
from asr.service.connection import Connection
from asr.service.errors import FAULT
from asr.service.hearing import Hearing

log = structlog.get_logger()

STREAM_PATH = "/v1/stream"

Admit = Callable[[str | None], Awaitable[bool]]
"""Whether a token, or none, opens a connection."""


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """Bounds, so that no client can use the service up.

    Args:
        connections: at a time; the next one gets 503.
        message_bytes: of one WebSocket message; vosk-server's own limit.
        messages_ahead: read from a client before they are worked on; then it is not read.
        idle_s: how long a client may send nothing, or take nothing, seconds.
        drain_s: how long the last finals may take when the service is stopped, seconds.
        retry_after_s: what a client is told when there is no room, seconds.
    """

    connections: int = 16
    message_bytes: int = 2**20
    messages_ahead: int = 4
    idle_s: float = 60.0
    drain_s: float = 10.0
    retry_after_s: int = 5


class TranscriptionServer:
    """Live transcripts: ``/v1/stream``, and vosk-server's protocol on every path outside ``/v1``.

    Args:
        hearing: recognisers and pool; the pool must be at work.
        admit: judges the token of each connection, from ``Authorization: Bearer`` or ``?token=``.
        limits: bounds.
    """

    def __init__(self, hearing: Hearing, admit: Admit, limits: ServiceLimits | None = None) -> None:
        self._hearing, self._admit = hearing, admit
        self._limits = limits or ServiceLimits()
        self._stopping = asyncio.Event()
        self._server: Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> int:
        """Open at present."""
        return len(self._server.connections) if self._server is not None else 0

    @asynccontextmanager
    async def listening(
        self, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[int]:
        """Serve while the block runs, which gets the port; then send the last finals and close.

        Args:
            host, port: port 0 takes a free one.
            tls: needed beyond this machine; who calls sees to that.

        Raises:
            OSError: the port cannot be opened.
        """
        limits = self._limits
        server = await serve(
            self._converse,
            host,
            port,
            ssl=tls,
            process_request=self._judge,
            server_header=None,
            compression=None,
            max_size=limits.message_bytes,
            max_queue=limits.messages_ahead,
            # A client that waits for its turn is not read, its pongs neither: idle_s is enough.
            ping_interval=None,
            close_timeout=2.0,
        )
        self._server = server
        try:
            yield next(iter(server.sockets)).getsockname()[1]
        finally:
            await self._drain(server)

    async def _drain(self, server: Server) -> None:
        """No new connections; those there are get what was said so far, and go."""
        self._stopping.set()
        server.close(close_connections=False)
        try:
            async with asyncio.timeout(self._limits.drain_s):
                await server.wait_closed()
        except TimeoutError:
            log.warning("finals_cut_off", connections=len(server.connections))
            for conversation in self._conversations:
                conversation.cancel()
            await server.wait_closed()

    async def _judge(self, connection: ServerConnection, request: Request) -> Response | None:
        """Before a WebSocket is opened: None lets it in."""
        path = urlsplit(request.path).path
        refusal: tuple[int, str, str] | None = None
        if path.startswith("/v1") and path != STREAM_PATH:
            refusal = 404, "no_such_path", f"Streams are at {STREAM_PATH}, vosk's protocol at /."
        elif not await self._admit(_token(request)):
            refusal = (
                401,
                "wrong_token",
                "The token is missing or wrong; send it as Authorization: Bearer, or as ?token=.",
            )
        elif _foreign(request):
            refusal = 403, "foreign_origin", "Pages of other sites may not open this in a browser."
        elif self._stopping.is_set() or self.connections >= self._limits.connections:
            refusal = 503, "full", "All connections are in use; try again in a few seconds."
        if refusal is None:
            return None
        status, code, message = refusal
        log.warning("refused", path=path, client=_client(connection), reason=code)
        response = connection.respond(status, json.dumps({"code": code, "message": message}))
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/json"
        if status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        if status == 503:
            response.headers["Retry-After"] = str(self._limits.retry_after_s)
        return response

    async def _converse(self, socket: ServerConnection) -> None:
        conversation = asyncio.current_task()
        assert conversation is not None
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)
        assert socket.request is not None
        streams = urlsplit(socket.request.path).path == STREAM_PATH
        protocol = stream_protocol if streams else vosk_protocol
        connection = Connection(socket, self._stopping, self._limits.idle_s)
        log.info("connected", client=connection.client, protocol="stream" if streams else "vosk")
        try:
            await protocol.converse(connection, self._hearing)
        except ConnectionClosed:
            pass
        except Exception as error:
            # The text of an error may hold what was said.
            log.error("conversation_failed", error=type(error).__name__)
            await connection.close(FAULT, "A fault of the service.")
        finally:
            connection.release()
            log.info("disconnected", client=connection.client, code=socket.close_code)


def _token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    given = parse_qs(urlsplit(request.path).query).get("token")
    return given[0] if given else None


def _foreign(request: Request) -> bool:
    """True for a browser on another site's page: WebSockets know no same-origin policy."""
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("Host")


def _client(connection: ServerConnection) -> str:
    address = connection.remote_address
    return str(address[0]) if address else ""
