"""AudioSocket's packets, and the calls that may come; pure.

Asterisk's protocol: a type byte, the payload's length in 16 bits (big-endian), the payload.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from telephony.call_control import CallInfo
from telephony.errors import TelephonyError

HANGUP, IDENTITY, KEY, ERROR = 0x00, 0x01, 0x03, 0xFF
RATES = {0x10: 8000, 0x11: 12000, 0x12: 16000, 0x13: 24000, 0x14: 32000, 0x16: 48000}
"""Hz by packet type: signed linear 16 bit, mono, little-endian."""
AUDIO = {rate: kind for kind, rate in RATES.items()}

ANNOUNCED_S = 30.0
MAX_ANNOUNCED = 1000


@dataclass(frozen=True, slots=True)
class Packet:
    kind: int
    payload: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        return bytes((self.kind, *len(self.payload).to_bytes(2, "big"))) + self.payload


class PacketReader:
    """Bytes as they come → whole packets; holds back at most one packet, 64 KiB."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Packet]:
        stream, at, packets = self._rest + data, 0, []
        while len(stream) - at >= 3:
            end = at + 3 + int.from_bytes(stream[at + 1 : at + 3], "big")
            if end > len(stream):
                break
            packets.append(Packet(stream[at], stream[at + 3 : end]))
            at = end
        self._rest = stream[at:]
        return packets


class Announcements:
    """The calls that may come, each once and within `ANNOUNCED_S`.

    Parameters:
        now: monotonic clock, seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._calls: dict[uuid.UUID, tuple[float, CallInfo]] = {}

    def announce(self, identity: uuid.UUID, caller: str, did: str, rate: int = 8000) -> None:
        """A call is about to come. Errors: TelephonyError `announced_already`, `too_many`."""
        due = self._now() - ANNOUNCED_S
        self._calls = {known: call for known, call in self._calls.items() if call[0] > due}
        if identity in self._calls:
            raise TelephonyError("announced_already", "This UUID is announced already.")
        if len(self._calls) >= MAX_ANNOUNCED:
            raise TelephonyError("too_many", "Too many announced calls have not come yet.")
        self._calls[identity] = (self._now(), CallInfo(str(identity), caller, did, rate))

    def take(self, identity: uuid.UUID) -> CallInfo | None:
        """The call of a UUID, which is worth nothing any more."""
        at, info = self._calls.pop(identity, (0.0, None))
        return info if info is not None and self._now() - at < ANNOUNCED_S else None
