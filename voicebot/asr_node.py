"""The role `asr`: the transcriber of an installation, for its media nodes, over NATS.

It needs neither a database nor a knowledge base. Its port says how it is; the token that it wants
there is made at the first start and kept beside the others (`voicebot.security`).
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from asr.engines import EngineFolders
from asr.hypothesis import Recognizer
from asr.nodes.node import Node
from telephony.access import bearer_token
from voicebot.cluster.nats_servers import servers_of
from voicebot.config import Settings
from voicebot.errors import VoicebotError
from voicebot.recognisers import engine_folders, open_apart
from voicebot.security import keep_token, local_token, new_token

log = structlog.get_logger()

KEPT_AS: Final = "asr"
"""Name of the port's token, among those that are kept on the machine."""
WRONG_TOKEN: Final = {
    "code": "wrong_token",
    "message": "The token is missing or wrong; send that of this node as Authorization: Bearer.",
}
MOST_MODEL: Final = 100


class AsrNodeError(VoicebotError):
    """The node cannot be started."""

    code = "voicebot.asr_node"


async def run_asr(settings: Settings, stopping: asyncio.Event) -> None:
    """Answers decodes until `stopping` is set, and then those that it has in hand.

    Raises:
        EngineError: the transcriber does not load.
        RemoteAddressInvalid: the token or the certificates of [nats] cannot be used.
        AsrNodeError: the port is in use.
        SecurityError: the token of the port cannot be kept.
    """
    folders = engine_folders(settings)
    servers = servers_of(settings.nats)
    with _bound(settings) as bound:
        token = _token(settings)
        engine = await asyncio.to_thread(
            open_apart, settings, settings.asr.engine, folders, threads=settings.asr.threads
        )
        label, model = named(settings, engine, folders)
        name = f"{settings.node[:50]}-{secrets.token_hex(3)}"
        node = Node(engine, servers, name=name, label=label, model=model)
        server = _Server(_config(settings, asr_app(node, engine, token, stopping)))
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        log.info("asr_node_ready", node=name, engine=label, model=model, port=_port(bound))
        try:
            await node.run(stopping)
        finally:
            server.should_exit = True
            await serving


def named(settings: Settings, engine: Recognizer, folders: EngineFolders) -> tuple[str, str]:
    """The engine's name in hypotheses and the name of its weights: an operator's own are told
    from the packaged ones in both."""
    folder: Path | None = getattr(folders, engine.name, None)
    model = folder.name[:MOST_MODEL] if folder is not None else ""
    own = {"whisper": settings.asr.whisper_model, "vosk": settings.asr.vosk_model}
    return (f"{engine.name}:{model}" if own.get(engine.name) else engine.name), model


def asr_app(node: Node, engine: Recognizer, token: str, stopping: asyncio.Event) -> Starlette:
    """``GET /health`` and ``GET /ready``, for whoever shows the token."""
    began = time.monotonic()

    async def health(request: Request) -> Response:
        return JSONResponse(
            {
                "status": "ok" if node.connected else "degraded",
                "nats": node.why_away or "connected",
                "asr": asdict(node.status),
                "recognition": asdict(node.figures),
                "requests": asdict(node.counts),
                "transcriber": dict(getattr(engine, "counts", {})),
                "uptime_s": round(time.monotonic() - began, 1),
            }
        )

    async def ready(request: Request) -> Response:
        why = "stopping" if stopping.is_set() else "" if node.connected else "nats_away"
        return JSONResponse({"ready": not why, "why": why}, 503 if why else 200)

    def guarded(answers: Any) -> Any:
        async def answer(request: Request) -> Response:
            shown = bearer_token(request.headers.get("authorization")) or ""
            if not hmac.compare_digest(shown.encode(), token.encode()):
                return JSONResponse(WRONG_TOKEN, 401, {"WWW-Authenticate": "Bearer"})
            response: Response = await answers(request)
            return response

        return answer

    return Starlette(routes=[Route("/health", guarded(health)), Route("/ready", guarded(ready))])


class _Server(uvicorn.Server):
    """uvicorn without its own signals: it would end the process with the first one."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(settings: Settings, app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        lifespan="off",
        ssl_certfile=settings.server.tls_certificate or None,
        ssl_keyfile=settings.server.tls_key or None,
        timeout_graceful_shutdown=2,
    )


def _token(settings: Settings) -> str:
    """The token of the port; made, kept and shown once where there is none."""
    kept = local_token(settings, KEPT_AS)
    if kept is None:
        kept = new_token()
        keep_token(settings, KEPT_AS, kept)
        print(f"{KEPT_AS} token (shown once): {kept}", flush=True)
    return kept


@contextlib.contextmanager
def _bound(settings: Settings) -> Iterator[socket.socket]:
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.create_server((host, port), family=family)
    except OSError as error:
        raise AsrNodeError(
            f"Port {port} on {host} cannot be opened ({error.strerror}); stop the other program "
            "or set server.port."
        ) from None
    with bound:
        yield bound


def _port(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])
