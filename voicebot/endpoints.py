"""The telephone endpoints that the settings ask for, kept running beside the service.

An endpoint that fails costs its own calls; it is started again, and the service and the
other endpoints go on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
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

Take = Callable[[IncomingCall], Awaitable[None]]
Run = Callable[[], Coroutine[Any, Any, None]]


def endpoints(settings: Settings, take: Take, announcements: Announcements) -> dict[str, Run]:
    """What is to be run, by name.

    Parameters:
        take: has a call from its offer to its last record.
        announcements: the AudioSocket calls that are to come.

    Raises:
        EndpointError: an endpoint's settings cannot be used.
    """
    found: dict[str, Run] = {}
    if settings.asterisk.url:
        found["asterisk"] = AsteriskEndpoint(asterisk_access(settings.asterisk), take).run
    if settings.sip.enabled:
        try:
            sip = SipSettings(
                **settings.sip.model_dump(exclude={"enabled"}),
                log_file=str(settings.paths.state / "sip.log"),
            )
        except TelephonyError as error:
            raise EndpointError(f"sip: {error.message}") from None
        found["sip"] = SipEndpoint(sip, take).run
    audio = settings.audio_socket
    if audio.port:
        found["audio_socket"] = AudioSocketEndpoint(audio.host, audio.port, take, announcements).run
    return found


@contextlib.asynccontextmanager
async def running(runs: dict[str, Run]) -> AsyncIterator[None]:
    """The endpoints, until the block ends."""
    tasks = [asyncio.create_task(_kept_up(name, run), name=name) for name, run in runs.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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
