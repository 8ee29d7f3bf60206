"""The vocabulary of the media WebSocket: Twilio's media-stream messages, plus a desk's.

One JSON text message each way, parsed into frozen values here and nowhere
else. `progress` and `dossier` are ours, for the line to a duty desk. A message
that cannot be read is a MediaStreamError with a code; no other exception leaves
`parse_message`, whatever the other side sends.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from telephony.codecs import WireFormat
from telephony.errors import MediaStreamError

MAX_MESSAGE_BYTES = 64 * 1024
"""A 20 ms frame is below 1 KiB and a dossier below 30 KiB; more is a fault or an attack."""

MAX_NAME = 256
"""Longest mark name, state or event name that is looked at."""

DTMF_DIGITS = frozenset("0123456789*#ABCD")


@dataclass(frozen=True, slots=True)
class Connected:
    protocol: str


@dataclass(frozen=True, slots=True)
class Start:
    """`body` is the `start` object, unread; it holds personal data."""

    stream_sid: object
    body: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class Media:
    payload: bytes = field(repr=False)
    track: str = "inbound"


@dataclass(frozen=True, slots=True)
class Dtmf:
    digit: str


@dataclass(frozen=True, slots=True)
class Mark:
    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    pass


@dataclass(frozen=True, slots=True)
class Stop:
    pass


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a desk's line: ringing, answered, busy, acknowledged, ended."""

    state: str


@dataclass(frozen=True, slots=True)
class DossierUpdate:
    dossier: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of an event that we do not speak; carriers add new ones at will."""

    event: str


Message = (
    Connected | Start | Media | Dtmf | Mark | Clear | Stop | Progress | DossierUpdate | Unknown
)


def parse_message(data: str | bytes) -> Message:
    """One WebSocket message → its meaning.

    Errors: MediaStreamError `too_large`, `bad_json`, `bad_message`, `bad_base64`.
    """
    # A character is at least one byte, so an oversized text is refused before it is encoded.
    if len(data) > MAX_MESSAGE_BYTES or (
        isinstance(data, str) and len(data.encode("utf-8", "replace")) > MAX_MESSAGE_BYTES
    ):
        raise MediaStreamError(
            "too_large", f"A media message is larger than {MAX_MESSAGE_BYTES // 1024} KiB."
        )
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        raise MediaStreamError("bad_json", "A media message is not JSON.") from None
    event = message.get("event") if isinstance(message, dict) else None
    if not isinstance(event, str):
        raise MediaStreamError("bad_message", "A media message has no event name.")
    match event:
        case "media":
            media = _part(message, "media")
            track = media.get("track", "inbound")
            return Media(_payload(media), track if isinstance(track, str) else "inbound")
        case "mark":
            return Mark(_text(_part(message, "mark"), "name"))
        case "dtmf":
            digit = _text(_part(message, "dtmf"), "digit")
            if digit not in DTMF_DIGITS:
                raise MediaStreamError("bad_message", "A dtmf message holds no telephone key.")
            return Dtmf(digit)
        case "connected":
            protocol = message.get("protocol")
            return Connected(protocol[:MAX_NAME] if isinstance(protocol, str) else "")
        case "start":
            return Start(message.get("streamSid"), message.get("start"))
        case "clear":
            return Clear()
        case "stop":
            return Stop()
        case "progress":
            return Progress(_text(message, "state"))
        case "dossier":
            return DossierUpdate(_part(message, "dossier"))
        case _:
            return Unknown(event[:MAX_NAME])


def _part(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = message.get(name)
    if not isinstance(part, dict):
        raise MediaStreamError("bad_message", f"A {name} message has no {name} object.")
    return part


def _text(part: Mapping[str, Any], name: str) -> str:
    text = part.get(name)
    if not isinstance(text, str) or not 0 < len(text) <= MAX_NAME or not text.isprintable():
        raise MediaStreamError("bad_message", f"The field {name} of a message is no short text.")
    return text


def _payload(media: Mapping[str, Any]) -> bytes:
    payload = media.get("payload")
    if not isinstance(payload, str):
        raise MediaStreamError("bad_message", "A media message has no payload text.")
    try:
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        raise MediaStreamError(
            "bad_base64", "The payload of a media message is not base64."
        ) from None


def _json(message: Mapping[str, object]) -> str:
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    # Half a surrogate pair, as broken recognisers and JSON escapes make them, cannot be sent.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def tagged(stream_sid: str, message: Mapping[str, object]) -> str:
    """Any message of ours with the stream's id put in."""
    return _json({"streamSid": stream_sid, **message})


def connected() -> str:
    return _json({"event": "connected", "protocol": "Call", "version": "1.0.0"})


def start(stream_sid: str, call_sid: str, wire: WireFormat, parameters: Mapping[str, str]) -> str:
    """The message that opens a stream; `parameters` become customParameters."""
    return _json(
        {
            "event": "start",
            "sequenceNumber": "1",
            "streamSid": stream_sid,
            "start": {
                "streamSid": stream_sid,
                "callSid": call_sid,
                "accountSid": "AC" + "0" * 32,
                "tracks": ["inbound"],
                "mediaFormat": {
                    "encoding": wire.encoding.value,
                    "sampleRate": wire.sample_rate,
                    "channels": 1,
                },
                "customParameters": dict(parameters),
            },
        }
    )


def media(stream_sid: str, payload: bytes, *, chunk: int = 0, timestamp_ms: int = 0) -> str:
    """Audio; with `chunk` (from 1) as a carrier numbers it, without as a service sends it."""
    body = {"payload": base64.b64encode(payload).decode("ascii")}
    if chunk:
        body |= {"track": "inbound", "chunk": str(chunk), "timestamp": str(timestamp_ms)}
    return _json({"event": "media", "streamSid": stream_sid, "media": body})


def mark(stream_sid: str, name: str) -> str:
    return _json({"event": "mark", "streamSid": stream_sid, "mark": {"name": name}})


def clear(stream_sid: str) -> str:
    return _json({"event": "clear", "streamSid": stream_sid})


def dtmf(stream_sid: str, digit: str) -> str:
    body = {"track": "inbound_track", "digit": digit}
    return _json({"event": "dtmf", "streamSid": stream_sid, "dtmf": body})


def stop(stream_sid: str) -> str:
    return _json({"event": "stop", "streamSid": stream_sid})


def progress(state: str) -> str:
    return _json({"event": "progress", "state": state})


def dossier(contents: Mapping[str, Any]) -> str:
    """A dossier's newest state. Errors: MediaStreamError `too_large`, `bad_message`."""
    try:
        text = _json({"event": "dossier", "dossier": dict(contents)})
    except (TypeError, ValueError):
        raise MediaStreamError("bad_message", "The dossier cannot be written as JSON.") from None
    if len(text.encode("utf-8", "replace")) > MAX_MESSAGE_BYTES:
        raise MediaStreamError(
            "too_large",
            f"The dossier is larger than {MAX_MESSAGE_BYTES // 1024} KiB; "
            "send the newest part of the transcript and post the whole over HTTP.",
        )
    return text
