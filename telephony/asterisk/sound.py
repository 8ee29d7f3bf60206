"""Where our audio meets Asterisk's bridges: a voice in one, an ear on one channel.

Both are made again, within a second, when their media socket is lost in mid-call.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator

import structlog

from telephony.asterisk.access import EAR, SNOOP, VOICE
from telephony.asterisk.ari import Ari, AriError
from telephony.asterisk.media import MediaSocket, open_media_socket
from telephony.codecs import Int16
from telephony.comfort_noise import NoiseFiller
from telephony.errors import CallError, TelephonyError

log = structlog.get_logger()

JOIN_S = 1.5
"""How long a new channel may take until it can be put into a bridge."""

_JOIN_STEPS_S = (0.004, 0.04)
"""Pause before it is tried again: at first, and at most."""
_AGAIN_S = 0.1
"""Pause before a lost socket is made again."""

_NOT_YET = frozenset({0, 400, 409, 422})
"""What Asterisk answers while a channel is not in our application yet; 0 is no answer."""


async def join(ari: Ari, bridge: str, channel: str) -> None:
    """Puts a channel into a bridge as soon as it is in our application. Errors: AriError."""
    deadline = asyncio.get_running_loop().time() + JOIN_S
    pause, longest = _JOIN_STEPS_S
    while True:
        try:
            await ari.post(f"bridges/{bridge}/addChannel", channel=channel)
            return
        except AriError as error:
            late = asyncio.get_running_loop().time() > deadline
            if late or error.status not in _NOT_YET:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, longest)


async def make_bridge(ari: Ari, bridge: str) -> None:
    """A mixing bridge in which Asterisk always handles the media. Errors: AriError."""
    # proxy_media: one-way audio without it (dograh#314), and nothing for a snoop to hear.
    await ari.post(f"bridges/{bridge}", type="mixing,proxy_media,dtmf_events")


async def _open_channel(ari: Ari, channel: str, rate: int, direction: str) -> MediaSocket:
    """A chan_websocket channel and its socket. `direction` is the application's.

    Errors: TelephonyError.
    """
    try:
        made = await ari.post(
            "channels/externalMedia",
            app=ari.access.app,
            channelId=channel,
            external_host="INCOMING",
            transport="websocket",
            encapsulation="none",
            connection_type="server",
            format="slin16" if rate == 16000 else "slin",
            direction=direction,
            transport_data="f(json)",
        )
        connection = made.get("channelvars", {}).get("MEDIA_WEBSOCKET_CONNECTION_ID", "")
        if not connection:
            raise CallError("no_media", "Asterisk gave no media connection.")
        return await open_media_socket(ari.access.media_url(connection), tls=ari.tls)
    except BaseException:
        # It may be there, even when the answer did not arrive: without a socket it waits
        # for one for ever.
        await ari.delete(f"channels/{channel}")
        raise


class Voice:
    """The bot's voice in a call's bridge.

    Parameters:
        owner: id of the caller's channel.
        bridge: where it is heard.
        rate: Hz.
    """

    def __init__(self, ari: Ari, owner: str, bridge: str, rate: int) -> None:
        self._ari, self._owner, self._bridge, self._rate = ari, owner, bridge, rate
        self._socket: MediaSocket | None = None
        self._filler = NoiseFiller(rate, self._put, asyncio.get_running_loop().time)
        self._tasks: list[asyncio.Task[None]] = []
        self.lost = 0
        """How often its socket was lost and made again."""

    @property
    def problems(self) -> Counter[str]:
        return self._socket.problems if self._socket is not None else Counter()

    async def open(self) -> None:
        """Errors: TelephonyError."""
        await self._open()
        self._tasks = [
            asyncio.create_task(self._keep(), name="voice"),
            asyncio.create_task(self._filler.run(), name="comfort-noise"),
        ]

    def send(self, pcm: Int16) -> None:
        """Queues audio; it is dropped while the socket is being made again."""
        self._filler.sent(len(pcm))
        self._put(pcm)

    def flush(self) -> None:
        self._filler.cleared()
        if self._socket is not None:
            self._socket.flush()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()

    def _put(self, pcm: Int16) -> None:
        if self._socket is not None:
            self._socket.send(pcm)

    async def _open(self) -> None:
        channel = f"{VOICE}{secrets.token_hex(4)}-{self._owner}"
        socket = await _open_channel(self._ari, channel, self._rate, "out")
        try:
            await join(self._ari, self._bridge, channel)
        except BaseException:
            await socket.close()
            raise
        self._socket = socket

    async def _keep(self) -> None:
        while True:
            if self._socket is not None:
                await self._socket.closed.wait()
                self.lost += 1
                log.warning("voice_lost", lost=self.lost)
                socket, self._socket = self._socket, None
                await socket.close()
            await asyncio.sleep(_AGAIN_S)
            with contextlib.suppress(TelephonyError):
                await self._open()


class Ear:
    """Hears one channel alone, whatever bridge it is in.

    Parameters:
        owner: id of the caller's channel.
        channel: the one to hear: what comes from it, not what goes to it.
        rate: Hz.
    """

    def __init__(self, ari: Ari, owner: str, channel: str, rate: int) -> None:
        self._ari, self._owner, self._channel, self._rate = ari, owner, channel, rate
        self._socket: MediaSocket | None = None
        self._name = ""
        self.lost = 0
        """How often its socket was lost and made again."""

    async def open(self) -> None:
        """Errors: TelephonyError."""
        name = self._name = f"{secrets.token_hex(4)}-{self._owner}"
        self._socket = await _open_channel(self._ari, EAR + name, self._rate, "in")
        await make_bridge(self._ari, EAR + name)
        await self._ari.post(
            f"channels/{self._channel}/snoop/{SNOOP}{name}", app=self._ari.access.app, spy="in"
        )
        await join(self._ari, EAR + name, SNOOP + name)
        await join(self._ari, EAR + name, EAR + name)

    async def frames(self) -> AsyncIterator[Int16]:
        """Audio as it comes, until cancelled; a lost socket is made again."""
        while True:
            socket = self._socket
            while socket is not None and (pcm := await socket.receive()) is not None:
                yield pcm
            if socket is not None:
                self.lost += 1
                log.warning("ear_lost", lost=self.lost)
                await self.close()
            await asyncio.sleep(_AGAIN_S)
            try:
                await self.open()
            except TelephonyError:
                await self.close()

    async def close(self) -> None:
        """Harmless when it is closed already."""
        socket, self._socket = self._socket, None
        name, self._name = self._name, ""
        if socket is not None:
            await socket.close()
        if name:
            with contextlib.suppress(AriError):
                await self._ari.delete(f"channels/{SNOOP}{name}")
            with contextlib.suppress(AriError):
                await self._ari.delete(f"bridges/{EAR}{name}")
