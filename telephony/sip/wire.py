"""What the main process and a media process say to each other.

One message is one datagram of a `SOCK_SEQPACKET` Unix socket pair: the kernel keeps the
message boundaries and the order, several threads may send without a lock, and the death
of either side is seen as the end of the stream.

    byte 0   what it is: control, audio or clear
    control  JSON, an object whose member `op` names it
    audio    call (u32), leg (u16), PCM: 16-bit mono in host order
    clear    call (u32), leg (u16): drop what is queued for that party

Leg 0 is the caller. Numbers are big-endian.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from telephony.errors import TelephonyError

MAX_MESSAGE = 65536
"""Bytes; the longest message that is sent or read."""

CALLER = 0
"""The leg index of the caller."""

_CONTROL, _AUDIO, _CLEAR = b"J", b"A", b"C"
_PARTY = struct.Struct(">IH")
_HEAD = 1 + _PARTY.size


class WireError(TelephonyError):
    """A message between the processes is not what it should be: a fault of ours."""

    def __init__(self, message: str) -> None:
        super().__init__("bad_wire_message", message)


@dataclass(frozen=True, slots=True)
class Control:
    """A request or a report; `op` is its name, `call` and `leg` say whom it is about."""

    op: str
    call: int = 0
    leg: int = CALLER
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Audio:
    """PCM of, or for, one party: 16-bit mono in host order at the call's rate."""

    call: int
    leg: int
    pcm: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Clear:
    """Drop what is queued for one party and not yet played (barge-in)."""

    call: int
    leg: int


Message = Control | Audio | Clear


def encode(message: Message) -> bytes:
    """The datagram of a message. Errors: WireError when it is too long or out of range."""
    try:
        match message:
            case Control(op, call, leg, values):
                named = {"op": op, "call": call, "leg": leg, "values": dict(values)}
                data = _CONTROL + json.dumps(named).encode()  # ASCII: any text can be written
            case Audio(call, leg, pcm):
                data = _AUDIO + _PARTY.pack(call, leg) + pcm
            case Clear(call, leg):
                data = _CLEAR + _PARTY.pack(call, leg)
    except (struct.error, TypeError, ValueError) as error:
        raise WireError(f"A message cannot be written: {error}.") from None
    if len(data) > MAX_MESSAGE:
        raise WireError(f"A message of {len(data)} bytes is longer than {MAX_MESSAGE}.")
    return data


def decode(data: bytes) -> Message:
    """The message of a datagram. Errors: WireError."""
    kind = data[:1]
    if kind == _AUDIO and len(data) >= _HEAD:
        call, leg = _PARTY.unpack_from(data, 1)
        return Audio(call, leg, data[_HEAD:])
    if kind == _CLEAR and len(data) == _HEAD:
        call, leg = _PARTY.unpack_from(data, 1)
        return Clear(call, leg)
    if kind == _CONTROL:
        return _control(data[1:])
    raise WireError("A message is of no known kind.")


def _control(data: bytes) -> Control:
    try:
        named = json.loads(data)
    except (ValueError, RecursionError):
        raise WireError("A control message is not JSON.") from None
    match named:
        case {"op": str(op), "call": int(call), "leg": int(leg), "values": dict(values)}:
            return Control(op, call, leg, values)
    raise WireError("A control message lacks a member.")
