"""A uvicorn server on this machine alone, with its port known before it starts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from types import TracebackType

import uvicorn
from fastapi import FastAPI

from telephony.access import is_loopback
from telephony.errors import DeskError

MAX_MESSAGE_BYTES = 2**20


class _QuietServer(uvicorn.Server):
    """Leaves signals to whoever owns the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind_loopback(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Errors: DeskError `not_loopback`, `port_in_use`."""
    if not is_loopback(host):
        raise DeskError("not_loopback", "This server listens on this machine only; use 127.0.0.1.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(128)
    except (OSError, OverflowError) as error:
        bound.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise DeskError(
            "port_in_use",
            f"Port {port} on {host} cannot be opened ({reason}); "
            "stop the other program or give another port.",
        ) from None
    return bound


def free_port() -> int:
    """A TCP port of 127.0.0.1 at which nobody listens now, for a program that is told its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=5.0,
        ws_ping_timeout=10.0,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
    )


class LoopbackServer:
    """``async with LoopbackServer(app) as server``: serves until the block ends.

    Parameters:
        app: ASGI application.
        host: a loopback address.
        port: 0 takes a free one.
    """

    def __init__(self, app: FastAPI, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._app, self._host, self._port = app, host, port
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        """`ws://host:port`, without a path."""
        return f"ws://{self._host}:{self._port}"

    @property
    def http_url(self) -> str:
        return f"http://{self._host}:{self._port}"

    async def __aenter__(self) -> LoopbackServer:
        bound = bind_loopback(self._host, self._port)
        self._port = bound.getsockname()[1]
        self._server = _QuietServer(_config(self._app))
        # The socket listens already, so a client may connect before uvicorn accepts.
        self._task = asyncio.create_task(self._server.serve(sockets=[bound]))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task


def serve_until_stopped(
    make_app: Callable[[], FastAPI],
    *,
    host: str,
    port: int,
    on_listening: Callable[[str], None],
) -> None:
    """Serves in the foreground until SIGINT or SIGTERM. Errors: those of `bind_loopback`."""
    bound = bind_loopback(host, port)
    try:
        server = uvicorn.Server(_config(make_app()))
        on_listening(f"ws://{host}:{bound.getsockname()[1]}")
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[bound])
    finally:
        bound.close()
