"""Calls over Asterisk's AudioSocket: TCP, a type byte, a 16-bit length, a payload.

The protocol knows neither token nor number, only a UUID that the dialplan makes up. So a
call is announced beforehand by someone who has a token (`Announcements`, behind
POST /api/audiosocket), once and for a few seconds; a UUID nobody announced is hung up.

Asterisk plays what it is sent without a way to take it back: a barge-in is exact to the
60 ms that the application sends ahead.

What the caller meets at the end is Asterisk's, and was tried with 22.10: after a goodbye
(0x00), or when the connection breaks because we are dead, the dialplan goes on behind
AudioSocket(), which should be a queue with humans; an error (0xff) hangs the caller up.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable

import numpy as np

from telephony.access import is_loopback
from telephony.audio_socket_packets import (
    AUDIO,
    ERROR,
    HANGUP,
    IDENTITY,
    KEY,
    RATES,
    Announcements,
    Packet,
    PacketReader,
)
from telephony.call_control import CallInfo, Capability, IncomingCall, Rejection
from telephony.codecs import Int16
from telephony.comfort_noise import NoiseFiller
from telephony.errors import TelephonyError
from telephony.plain_line import PlainLine
from telephony.resampling import StreamResampler

IDENTITY_TIMEOUT_S = 2.0
MAX_UNIDENTIFIED = 64
"""Connections that have not yet said who they are."""


class AudioSocketLine(PlainLine):
    """The control of an AudioSocket call."""

    capabilities = frozenset({Capability.OUTLIVES_US})

    def __init__(self, rate: int) -> None:
        super().__init__(rate)
        self.farewell = Packet(HANGUP)
        self.filler = NoiseFiller(rate, self.queue, asyncio.get_running_loop().time)
        self._inward: StreamResampler | None = None

    async def send_audio(self, pcm: Int16) -> None:
        self.filler.sent(len(pcm))
        await super().send_audio(pcm)

    async def clear(self) -> None:
        self.filler.cleared()
        await super().clear()

    async def hang_up(self) -> None:
        if not self.gone.is_set():
            self.farewell = Packet(ERROR)
            self.gone.set()

    async def release(self) -> None:
        self.gone.set()

    def encode(self, pcm: Int16) -> bytes:
        return Packet(AUDIO[self.rate], pcm.astype("<i2", copy=False).tobytes()).encode()

    async def take(self, packet: Packet) -> bool:
        """Hands on what one packet says; False for goodbye. Unknown types mean nothing."""
        if packet.kind == KEY:
            self.press(packet.payload[:1].decode("ascii", "replace"))
        elif packet.kind in RATES:
            await self.hear(self._heard(packet.payload, RATES[packet.kind]))
        return packet.kind not in (HANGUP, ERROR)

    def _heard(self, payload: bytes, rate: int) -> Int16:
        pcm = np.frombuffer(payload[: len(payload) // 2 * 2], "<i2").astype(np.int16, copy=False)
        if rate == self.rate:
            return pcm
        if self._inward is None or self._inward.rate_in != rate:
            self._inward = StreamResampler(rate, self.rate)
        return self._inward.push(pcm)


class AudioSocketCall:
    """An announced call that has come, its UUID read; `early` is what came right behind it."""

    def __init__(
        self,
        info: CallInfo,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        packets: PacketReader,
        early: list[Packet],
    ) -> None:
        self.info = info
        self._reader, self._writer, self._packets = reader, writer, packets
        self._early = early
        self._carrying: asyncio.Task[None] | None = None

    async def answer(self) -> AudioSocketLine:
        line = AudioSocketLine(self.info.rate)
        self._carrying = asyncio.create_task(self._carry(line))
        return line

    async def reject(self, why: Rejection, retry_after_s: int = 0) -> None:
        """The dialplan goes on with the caller: the endpoint's goodbye is all that it takes."""

    async def closed(self) -> None:
        if self._carrying is not None:
            await self._carrying

    async def _carry(self, line: AudioSocketLine) -> None:
        noise = asyncio.create_task(line.filler.run(), name="comfort-noise")
        try:
            await line.carry(self._read(line), self._write)
        finally:
            noise.cancel()
            self._writer.write(line.farewell.encode())

    async def _read(self, line: AudioSocketLine) -> None:
        packets = self._early
        with contextlib.suppress(OSError):
            while True:
                for packet in packets:
                    if not await line.take(packet):
                        return
                data = await self._reader.read(4096)
                if not data:
                    return
                packets = self._packets.feed(data)

    async def _write(self, item: bytes | str) -> None:
        assert isinstance(item, bytes)
        self._writer.write(item)
        await self._writer.drain()


class AudioSocketEndpoint:
    """The TCP server. `run` serves until it is cancelled.

    Parameters:
        host: a loopback address: the protocol has no encryption.
        port: 0 takes a free one; see `port` once `started` is set.
        take: one offered call, to its end.
        announcements: the calls that may come.
    """

    def __init__(
        self,
        host: str,
        port: int,
        take: Callable[[IncomingCall], Awaitable[None]],
        announcements: Announcements,
    ) -> None:
        self.port = port
        self.started = asyncio.Event()
        self._host, self._take, self._announcements = host, take, announcements
        self._unidentified = 0

    async def run(self) -> None:
        """Errors: TelephonyError `not_loopback`, `port_in_use`."""
        if not is_loopback(self._host):
            raise TelephonyError(
                "not_loopback", "AudioSocket is neither encrypted nor signed in; use 127.0.0.1."
            )
        try:
            server = await asyncio.start_server(self._connected, self._host, self.port)
        except OSError as error:
            raise TelephonyError(
                "port_in_use",
                f"AudioSocket's port {self.port} cannot be opened ({error.strerror}); "
                "stop the other program or set another port.",
            ) from None
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            self.started.set()
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=4096)
        packets = PacketReader()
        try:
            announced = await self._identified(reader, packets)
            if announced is not None:
                info, early = announced
                await self._take(AudioSocketCall(info, reader, writer, packets, early))
        finally:
            with contextlib.suppress(OSError):
                writer.write(Packet(HANGUP).encode())
                writer.close()
                async with asyncio.timeout(IDENTITY_TIMEOUT_S):
                    await writer.wait_closed()

    async def _identified(
        self, reader: asyncio.StreamReader, packets: PacketReader
    ) -> tuple[CallInfo, list[Packet]] | None:
        if self._unidentified >= MAX_UNIDENTIFIED:
            return None
        self._unidentified += 1
        try:
            async with asyncio.timeout(IDENTITY_TIMEOUT_S):
                while data := await reader.read(4096):
                    match packets.feed(data):
                        case [Packet(kind, name), *early] if (kind, len(name)) == (IDENTITY, 16):
                            info = self._announcements.take(uuid.UUID(bytes=name))
                            return (info, early) if info is not None else None
                        case [_, *_]:
                            return None
        except OSError:  # a TimeoutError is one too
            pass
        finally:
            self._unidentified -= 1
        return None
