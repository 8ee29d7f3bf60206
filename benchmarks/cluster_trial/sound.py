"""Both directions of one call's audio: G.711 A-law over RTP, 20 ms a packet."""

from __future__ import annotations

import asyncio
import struct
import time
from collections import deque
from itertools import count
from typing import cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.cluster_trial.sip_messages import PCMA, Address
from telephony.codecs import Int16, WireFormat
from telephony.speech_level import THRESHOLD_AMPLITUDE

STEP_S = 0.02
FRAME = 160
_WIRE = WireFormat.named("alaw")
_SILENCE = _WIRE.encode(np.zeros(FRAME, np.int16))
_POWER = _WIRE.decode(bytes(range(256))).astype(np.float64) ** 2
_numbers = count(1)


def frames_of(pcm: Int16) -> list[bytes]:
    """8 kHz PCM as what packets carry."""
    whole = np.concatenate([pcm, np.zeros(-len(pcm) % FRAME, np.int16)])
    return [_WIRE.encode(part) for part in whole.reshape(-1, FRAME)]


def is_loud(payload: bytes) -> bool:
    """Above the level at which silence ends (telephony.speech_level)."""
    power = _POWER[np.frombuffer(payload, np.uint8)]
    return bool(power.mean() > THRESHOLD_AMPLITUDE**2)


class Sound(asyncio.DatagramProtocol):
    """Sends a packet at each `tick`, silence too; keeps what it says and hears with the time."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._far: Address | None = None
        self._queue: deque[bytes] = deque()
        self._loop: list[bytes] = []
        self._source, self._sent = next(_numbers), 0
        self.began = 0.0
        """Of the first packet that was sent, monotonic seconds."""
        self.said: list[bool] = []
        """For each packet since then, whether it was loud."""
        self.came: list[float] = []
        self.heard: list[bytes] = []
        self.loud_frames = 0
        self.last_loud = self.last_came = 0.0
        self.said_until = 0.0

    @classmethod
    async def open(cls, host: str) -> tuple[Sound, Address]:
        """A sound, and the address that it listens at."""
        transport, sound = await asyncio.get_running_loop().create_datagram_endpoint(
            cls, local_addr=(host, 0)
        )
        return sound, cast(Address, transport.get_extra_info("sockname")[:2])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def start(self, far: Address) -> None:
        """From now on packets go to that address, and are taken from it alone."""
        self._far = far
        if not self.began:
            self.began = self.last_loud = self.last_came = time.monotonic()

    def say(self, frames: list[bytes], *, for_ever: bool = False) -> None:
        self._queue = deque(frames)
        self._loop = frames if for_ever else []

    @property
    def speaking(self) -> bool:
        return bool(self._queue)

    def silent_for(self, now: float) -> float:
        """Seconds since something was heard or said."""
        return now - max(self.last_loud, self.said_until)

    def tick(self) -> None:
        """The next packet is due."""
        if self._far is None or self._transport is None or self._transport.is_closing():
            return
        if not self._queue and self._loop:
            self._queue.extend(self._loop)
        payload = self._queue.popleft() if self._queue else _SILENCE
        loud = payload is not _SILENCE and is_loud(payload)
        if loud:
            self.said_until = time.monotonic()
        self.said.append(loud)
        head = struct.pack(
            "!BBHII", 0x80, PCMA, self._sent & 0xFFFF, self._sent * FRAME, self._source
        )
        self._transport.sendto(head + payload, self._far)
        self._sent += 1

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if len(data) <= 12 or data[0] != 0x80 or data[1] & 0x7F != PCMA or addr != self._far:
            return
        payload, now = data[12:], time.monotonic()
        self.came.append(now)
        self.heard.append(payload)
        self.last_came = now
        if is_loud(payload):
            self.loud_frames += 1
            self.last_loud = now

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def heard_pcm(self) -> Int16:
        """What came, each packet at its time since `began`; what did not come is silence."""
        size = FRAME * (len(self.said) + 50)
        pcm = np.zeros(size, np.int16)
        last = -1
        for came, payload in zip(self.came, self.heard, strict=True):
            last = max(last + 1, int((came - self.began) / STEP_S))
            part = _WIRE.decode(payload)[:FRAME]
            if (last + 1) * FRAME > size:
                break
            pcm[last * FRAME : last * FRAME + len(part)] = part
        return pcm[: FRAME * len(self.said)]

    def said_windows(self) -> NDArray[np.bool_]:
        return np.array(self.said, bool)
