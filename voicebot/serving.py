"""`voicebot serve`: the service on its port, from the first signal to the last record."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterator

import structlog
import uvicorn
from fastapi import FastAPI

from telephony.audio_socket_packets import Announcements
from voicebot.app import CALLS_END_S, Service, open_service
from voicebot.cluster.desks import exchanged
from voicebot.cluster.live_events import RunningCalls
from voicebot.cluster.member import open_member
from voicebot.config import Settings
from voicebot.config_roles import EMBEDDED
from voicebot.endpoints import endpoints, running
from voicebot.errors import VoicebotError
from voicebot.records.errors import RecordsUnavailable
from voicebot.reloading import OnHangUp
from voicebot.security import SecurityError, prepare
from voicebot.state_folder import only_service
from voicebot.web.api import create_app
from voicebot.web.console.board import Board
from voicebot.web.service import Service as WebService
from voicebot.web_role import CallFreeService, open_call_free

log = structlog.get_logger()

KEEP_ALIVE_S = 75
"""A connection is left open longer than clients leave theirs (httpx 5 s, nginx 60 s): the side that
sends requests is to close it, or one meets a connection that ends."""


class ServiceError(VoicebotError):
    """The service cannot be started."""

    code = "voicebot.service"


def serve(settings: Settings) -> int:
    """Runs the service until SIGTERM (0) or SIGINT (130), and gives the exit code.

    Raises:
        VoicebotError: the port or the state folder is in use, or a model is missing.
    """
    return asyncio.run(
        _serve_asr(settings) if settings.server.roles == ("asr",) else _serve(settings)
    )


async def _serve_asr(settings: Settings) -> int:
    """Recognition alone: no port, no records, no calls of its own."""
    from voicebot.asr_node import run_asr

    numbers: list[int] = []
    stopping, task = asyncio.Event(), asyncio.current_task()
    assert task is not None

    def stop(number: int) -> None:
        if numbers:
            task.cancel()
        numbers.append(number)
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, log.info, "nothing_to_reload")
    try:
        await run_asr(settings, stopping)
    except asyncio.CancelledError:
        if not numbers:
            raise
    return 130 if numbers[:1] == [signal.SIGINT] else 0


async def _serve(settings: Settings) -> int:
    host, port = settings.server.host, settings.server.port
    stopping, hang_up = Stopping(), OnHangUp()
    try:
        with _bind(host, port) as bound, only_service(settings.paths.state):
            await asyncio.to_thread(_prepare, settings)
            announcements = Announcements()
            async with opened(settings) as service:
                announced = announcements if isinstance(service, Service) else None
                server = _Server(server_config(service, announced))
                stopping.server = server
                hang_up.service = service
                draining = asyncio.create_task(_drain(stopping, service, server))
                async with _endpoints(service, announcements):
                    _say_ready(settings, f"{host}:{bound.getsockname()[1]}")
                    await server.serve(sockets=[bound])
                    draining.cancel()
                    await service.ended()
    except asyncio.CancelledError:
        if not stopping.number:
            raise
    return 130 if stopping.number == signal.SIGINT else 0


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Service | CallFreeService]:
    """The service of the settings' roles, among the others of its installation.

    Raises:
        VoicebotError: a model is missing, or what [nats] names cannot be read.
    """
    async with open_member(settings, RunningCalls(Board())) as member:
        if "media" in settings.server.roles:
            async with open_service(settings, member) as service, exchanged(service):
                yield service
        else:
            async with open_call_free(settings, member) as call_free, exchanged(call_free):
                yield call_free


@contextlib.asynccontextmanager
async def _endpoints(
    service: Service | CallFreeService, announcements: Announcements
) -> AsyncIterator[None]:
    if isinstance(service, Service):
        service.endpoints = endpoints(service.settings, service.take, announcements)
        async with running(service.endpoints):
            yield
    else:
        yield


def _say_ready(settings: Settings, address: str) -> None:
    secure, roles = "s" if settings.server.tls_certificate else "", settings.server.roles
    pages = {
        "page": f"http{secure}://{address}/call",
        "console": f"http{secure}://{address}/console/",
    }
    log.info(
        "ready",
        **({"media": f"ws{secure}://{address}/media"} if "media" in roles else {}),
        **(pages if "web" in roles else {}),
        **(
            {} if set(EMBEDDED) <= set(roles) else {"node": settings.node, "roles": ",".join(roles)}
        ),
    )


def server_config(service: WebService, announcements: Announcements | None) -> uvicorn.Config:
    """The web application as uvicorn is to serve it."""
    server = service.settings.server
    return uvicorn.Config(
        create_app(service, announcements),
        log_config=None,
        access_log=False,
        # Whoever reaches this port is who is in the audit, or who reached a proxy of ours.
        proxy_headers=bool(server.trusted_proxies),
        forwarded_allow_ips=[str(each) for each in server.trusted_proxies],
        ws_max_size=2**20,
        ws_per_message_deflate=False,
        ssl_certfile=server.tls_certificate or None,
        ssl_keyfile=server.tls_key or None,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=CALLS_END_S,
    )


async def _drain(
    stopping: Stopping, service: Service | CallFreeService, server: uvicorn.Server
) -> None:
    """At the first signal: no new calls, and the running ones may finish."""
    await stopping.requested.wait()
    log.info("stopping", calls=service.calls_in_progress)
    try:
        await service.drain()
    finally:
        server.should_exit = True


def _prepare(settings: Settings) -> None:
    """Tables and first tokens; without a database the calls go on from the spool."""
    try:
        made = prepare(settings)
    except (RecordsUnavailable, SecurityError) as error:
        log.error("database_unavailable_at_start", reason=str(error))
        return
    for role, token in made.items():
        print(f"{role} token (shown once): {token}", flush=True)


class Stopping:
    """SIGINT and SIGTERM, from before the models are loaded until all is closed.

    The first lets the running calls finish; a second does not wait for them.
    """

    def __init__(self) -> None:
        self.number = 0
        self.server: uvicorn.Server | None = None
        self.requested = asyncio.Event()
        self._task = asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._stop, number)

    def _stop(self, number: int) -> None:
        again, self.number = self.number != 0, self.number or number
        self.requested.set()
        if self.server is not None:
            self.server.should_exit = self.server.force_exit = again
        elif self._task is not None and not again:
            self._task.cancel()


class _Server(uvicorn.Server):
    """uvicorn without its own signals: it would end the process with the first one."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Live pages let go first: their streams have no end that it could wait for."""
        app = self.config.app
        assert isinstance(app, FastAPI)
        app.state.console_live.end()
        await super().shutdown(sockets)


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
