"""The telephone endpoints that the settings ask for, kept running beside the service.

An endpoint that fails costs its own calls; it is started again, and the service and the
other endpoints go on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from telephony.asterisk.endpoint import AsteriskEndpoint
from telephony.audio_socket import AudioSocketEndpoint
from telephony.audio_socket_packets import Announcements
from telephony.call_control import IncomingCall
from telephony.errors import TelephonyError
from telephony.sip.endpoint import SipEndpoint
from telephony.sip.settings import SipSettings
from voicebot.asterisk_access import EndpointError, asterisk_access
from voicebot.config import Settings

log = structlog.get_logger()

RETRY_S = 5.0

STARTING_S = 10.0
"""How long the service waits for endpoints that start processes before it says that it is ready."""

Take = Callable[[IncomingCall], Awaitable[None]]
Run = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One telephone endpoint.

    Parameters:
        run: serves until cancelled.
        started: set once calls are answered, where that takes a while by itself; what hangs
            on another server, such as a PBX, is not waited for.
        up: it answers calls now.
    """

    run: Run
    started: asyncio.Event | None = None
    up: Callable[[], bool] = bool


def endpoints(settings: Settings, take: Take, announcements: Announcements) -> dict[str, Endpoint]:
    """What is to be run, by name.

    Parameters:
        take: has a call from its offer to its last record.
        announcements: the AudioSocket calls that are to come.

    Raises:
        EndpointError: an endpoint's settings cannot be used.
    """
    found: dict[str, Endpoint] = {}
    if settings.asterisk.url:
        asterisk = AsteriskEndpoint(asterisk_access(settings.asterisk), take)
        found["asterisk"] = Endpoint(asterisk.run, up=asterisk.connected.is_set)
    if settings.sip.enabled:
        try:
            sip = SipSettings(
                **settings.sip.model_dump(exclude={"enabled"}),
                log_file=str(settings.paths.state / "sip.log"),
            )
        except TelephonyError as error:
            raise EndpointError(f"sip: {error.message}") from None
        direct = SipEndpoint(sip, take)
        found["sip"] = Endpoint(direct.run, direct.started, lambda: direct.up)
    audio = settings.audio_socket
    if audio.port:
        socket = AudioSocketEndpoint(audio.host, audio.port, take, announcements)
        found["audio_socket"] = Endpoint(socket.run, up=socket.started.is_set)
    return found


@contextlib.asynccontextmanager
async def running(found: dict[str, Endpoint]) -> AsyncIterator[None]:
    """The endpoints, until the block ends; it begins when they answer calls."""
    tasks = [
        asyncio.create_task(_kept_up(name, endpoint.run), name=name)
        for name, endpoint in found.items()
    ]
    try:
        for name, endpoint in found.items():
            await _started(name, endpoint)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _started(name: str, endpoint: Endpoint) -> None:
    if endpoint.started is None:
        return
    try:
        async with asyncio.timeout(STARTING_S):
            await endpoint.started.wait()
    except TimeoutError:
        log.error("endpoint_not_started", endpoint=name, seconds=STARTING_S)


async def _kept_up(name: str, run: Run) -> None:
    told = ""
    while True:
        try:
            await run()
        except (OSError, TelephonyError) as error:  # a port in use, most of all
            if str(error) != told:
                log.error("endpoint_not_open", endpoint=name, reason=str(error))
            told = str(error)
        except Exception:
            log.exception("endpoint_failed", endpoint=name)
        await asyncio.sleep(RETRY_S)
