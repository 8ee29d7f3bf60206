"""The service: what is loaded, started and stopped together.

It says that it is ready only when a call would be answered: models loaded, database
migrated, knowledge base published.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator

import structlog
import uvicorn
from fastapi import WebSocket, WebSocketDisconnect

from flows import events as ev
from flows.dialogue import Limits, Policy
from telephony.dialing import DutyDirectory
from telephony.errors import MediaStreamError
from telephony.media_stream import MediaStreamSerializer
from telephony.stream_start import StreamStart, receive_start
from voicebot.call.engines import Engines, open_engines
from voicebot.call.journal import Journal
from voicebot.call.live import LiveFeed
from voicebot.call.pipeline import CallProcessor, carry_call
from voicebot.call.session import CallSession, recording_path
from voicebot.config import Settings
from voicebot.errors import VoicebotError
from voicebot.exchange.outbox import OutboxWorker
from voicebot.knowledge import KnowledgeBase, open_embedder
from voicebot.records.store import Records
from voicebot.security import desk_token, prepare
from voicebot.web.api import create_app

log = structlog.get_logger()

KNOWLEDGE_CHECK_S = 2.0
"""How soon a running service takes up a newly published knowledge base (R18)."""

POLICY_VIOLATION = 1008


class ServiceError(VoicebotError):
    """The service cannot be started."""

    code = "voicebot.service"


class Service:
    """Answers calls. Made by `open_service`, which loads what it needs."""

    def __init__(
        self,
        settings: Settings,
        engines: Engines,
        records: Records,
        directory: DutyDirectory,
        desk_token: str | None,
    ) -> None:
        self.settings, self.engines, self.records = settings, engines, records
        self.live = LiveFeed()
        self._directory, self._desk_token = directory, desk_token
        self._policy = Policy(
            engines.triage, Limits(**settings.dialogue.model_dump()), settings.greetings
        )
        self._calls: set[str] = set()
        self.started_at = time.time()

    @property
    def calls_in_progress(self) -> int:
        return len(self._calls)

    async def handle_media(self, websocket: WebSocket, *, authorised: bool) -> None:
        """One call, from its first message to its last record.

        Parameters:
            websocket: accepted already.
            authorised: the upgrade carried a token; else the start message must.
        """
        try:
            start = await receive_start(lambda: _text(websocket), dict(websocket.query_params))
        except WebSocketDisconnect:
            return
        except MediaStreamError as error:
            log.warning("call_refused", reason=error.code)
            await _refuse(websocket, error.message)
            return
        if not authorised and not await self._token_fits(start):
            log.warning("call_refused", reason="wrong_token")
            await _refuse(websocket, "The token is missing or wrong.")
            return
        refusal = self._taken(start)
        if refusal:
            await self._turn_away(websocket, refusal)
            return
        # Before anything is waited for: two calls of one id may arrive at one moment.
        self._calls.add(start.call_sid)
        try:
            if await self.records.known(start.call_sid):
                await self._turn_away(websocket, "A call with this id is on record already.")
                return
            await self._answer(websocket, start)
        finally:
            self._calls.discard(start.call_sid)

    async def _token_fits(self, start: StreamStart) -> bool:
        return start.token is not None and await self.records.token_fits(
            start.token, roles=("media", "admin")
        )

    def _taken(self, start: StreamStart) -> str:
        """Why this call cannot be taken, as far as memory knows; empty for no reason."""
        if self.settings.line(start.did) is None:
            return "The dialled number is not one of this service's lines."
        if start.call_sid in self._calls:
            return "A call with this id is in progress."
        return ""

    async def _turn_away(self, websocket: WebSocket, refusal: str) -> None:
        log.warning("call_refused", reason=refusal)
        await _refuse(websocket, refusal)

    async def _answer(self, websocket: WebSocket, start: StreamStart) -> None:
        line = CallProcessor(start.sample_rate)
        dialled = self.settings.line(start.did)
        session = CallSession(
            line,
            ev.CallStarted(
                0.0,
                start.call_sid,
                start.caller,
                start.did,
                did_region=dialled.region if dialled else None,
                known_region=await self.records.last_region(start.caller),
            ),
            engines=self.engines,
            journal=Journal(self.records, self.live, self.engines.text),
            directory=self._directory,
            desk_token=self._desk_token,
            settings=self.settings,
            policy=self._policy,
        )
        serializer = MediaStreamSerializer(
            start,
            on_problem=lambda code, _, count: log.warning(
                "media_problem", reason=code, count=count
            ),
        )
        recording = recording_path(self.settings.paths.state / "recordings", start.call_sid)
        carrying = asyncio.create_task(carry_call(websocket, start, line, session, serializer))
        try:
            await session.run(recording)
        finally:
            line.gone.set()
            await carrying


async def _text(websocket: WebSocket) -> str | bytes:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    return message.get("text") or message.get("bytes") or ""


async def _refuse(websocket: WebSocket, reason: str) -> None:
    with contextlib.suppress(RuntimeError):
        await websocket.close(POLICY_VIOLATION, reason[:120])


@contextlib.asynccontextmanager
async def open_service(settings: Settings) -> AsyncIterator[Service]:
    """The service with everything it needs, and its background work, until the block ends.

    Raises:
        VoicebotError: a model or the knowledge base that it cannot do without is missing.
    """
    records = await Records.open(settings)
    tasks: list[asyncio.Task[None]] = []
    knowledge = KnowledgeBase(settings)
    try:
        embedder = open_embedder(settings)
        published = await asyncio.to_thread(knowledge.open, embedder)
        engines = await asyncio.to_thread(open_engines, settings, published, embedder)
        token = desk_token(settings)
        service = Service(settings, engines, records, await records.duty_directory(), token)
        tasks = [
            asyncio.create_task(engines.pool.run()),
            asyncio.create_task(OutboxWorker(records, token).run()),
            asyncio.create_task(_follow_knowledge(knowledge, engines)),
        ]
        yield service
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        knowledge.close()
        await records.close()


async def _follow_knowledge(knowledge: KnowledgeBase, engines: Engines) -> None:
    """Takes up each publication within seconds, without a restart (R18)."""
    while True:
        await asyncio.sleep(KNOWLEDGE_CHECK_S)
        try:
            fresh = await asyncio.to_thread(knowledge.newer, engines.embedder)
        except Exception:
            log.exception("knowledge_base_not_reloaded")
            continue
        if fresh is not None:
            engines.knowledge = fresh
            log.info("knowledge_base_reloaded", revision=fresh.revision)


def serve(settings: Settings) -> None:
    """Runs the service until it is interrupted.

    Raises:
        VoicebotError: the port is in use, or something the service needs is missing.
    """
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    host, port = settings.server.host, settings.server.port
    bound = _bind(host, port)
    with bound:
        for role, token in (await asyncio.to_thread(prepare, settings)).items():
            print(f"{role} token (shown once): {token}", flush=True)
        async with open_service(settings) as service:
            server = uvicorn.Server(
                uvicorn.Config(
                    create_app(service),
                    log_config=None,
                    access_log=False,
                    ws_max_size=2**20,
                    ws_per_message_deflate=False,
                    ssl_certfile=settings.server.tls_certificate or None,
                    ssl_keyfile=settings.server.tls_key or None,
                    timeout_graceful_shutdown=5,
                )
            )
            scheme = "wss" if settings.server.tls_certificate else "ws"
            log.info("ready", media=f"{scheme}://{host}:{bound.getsockname()[1]}/media")
            await server.serve(sockets=[bound])


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise ServiceError(
            f"Port {port} on {host} cannot be opened ({error.strerror}); stop the other program "
            "or set server.port."
        ) from None
    return bound
