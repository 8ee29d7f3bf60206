"""The opening of a media stream: who calls, whom, and in what encoding.

Pure: fed with the first messages of a WebSocket, gives a StreamStart or says
plainly why there is none. `receive_start` is the thin skin over a live socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from telephony.codecs import WireFormat
from telephony.errors import MediaStreamError
from telephony.messages import Connected, Start, Stop, parse_message

MAX_MESSAGES_BEFORE_START = 5
"""Carriers send `connected`, then `start`; audio before it cannot be decoded."""

START_TIMEOUT_S = 5.0

MAX_SID = 128
MAX_NUMBER = 64
MAX_PARAMETER = 4096


@dataclass(frozen=True, slots=True)
class StreamStart:
    """What the far side said when it opened the stream.

    Parameters:
        stream_sid, call_sid: the carrier's ids; call_sid is stream_sid where none was sent.
        caller, did: calling and dialled number, "" if unknown; personal data.
        encoding: `audio/x-alaw`, `audio/x-mulaw` or `audio/l16`.
        sample_rate: Hz.
        token: bearer token sent in customParameters, if any.
        custom: the other customParameters.
    """

    stream_sid: str
    call_sid: str
    caller: str = field(repr=False)
    did: str = field(repr=False)
    encoding: str
    sample_rate: int
    token: str | None = field(default=None, repr=False)
    custom: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def wire(self) -> WireFormat:
        return WireFormat.named(self.encoding, self.sample_rate)


class StartReader:
    """Takes messages until the stream has started.

    Parameters:
        query: the address's query parameters, which give `caller` and `did` where
            the client sends no customParameters.
        limit: messages allowed before `start`.
    """

    def __init__(
        self, query: Mapping[str, str] | None = None, *, limit: int = MAX_MESSAGES_BEFORE_START
    ) -> None:
        self._query = query or {}
        self._left = limit

    def feed(self, message: str | bytes) -> StreamStart | None:
        """The start, once it is there. Errors: MediaStreamError."""
        parsed = parse_message(message)
        match parsed:
            case Start():
                return _read_start(parsed, self._query)
            case Stop():
                raise MediaStreamError("no_start", "The media stream stopped before it started.")
            case Connected():
                pass
            case _:
                self._left -= 1
                if self._left < 0:
                    raise MediaStreamError(
                        "late_start",
                        "Audio or other messages came before the start message; "
                        "send connected, then start, then media.",
                    )
        return None


def parse_start(
    messages: Iterable[str | bytes], query: Mapping[str, str] | None = None
) -> StreamStart:
    """The StreamStart within the first messages of a stream; later ones are not touched.

    Errors: MediaStreamError with code `no_start`, `late_start`, `bad_start`,
    `unknown_encoding`, `unknown_sample_rate`, or one of `parse_message`.
    """
    reader = StartReader(query)
    for message in messages:
        start = reader.feed(message)
        if start is not None:
            return start
    raise MediaStreamError("no_start", "The media stream ended without a start message.")


async def receive_start(
    receive: Callable[[], Awaitable[str | bytes]],
    query: Mapping[str, str] | None = None,
    *,
    timeout_s: float = START_TIMEOUT_S,
) -> StreamStart:
    """`parse_start` over a live socket: `receive` waits for the next message.

    Errors: MediaStreamError as in `parse_start`, or `late_start` after `timeout_s`;
    whatever `receive` raises when the socket closes passes through.
    """
    reader = StartReader(query)
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                start = reader.feed(await receive())
                if start is not None:
                    return start
    except TimeoutError:
        raise MediaStreamError(
            "late_start", f"No start message came within {timeout_s:g} seconds."
        ) from None


def _read_start(message: Start, query: Mapping[str, str]) -> StreamStart:
    body = message.body
    if not isinstance(body, dict):
        raise _bad("The start message has no start object.")
    stream_sid = _short(body.get("streamSid", message.stream_sid), "streamSid", MAX_SID)
    if not stream_sid:
        raise _bad("The start message has no streamSid.")
    call_sid = _short(body.get("callSid"), "callSid", MAX_SID) or stream_sid
    form = body.get("mediaFormat")
    if not isinstance(form, dict) or not isinstance(form.get("encoding"), str):
        raise _bad("The start message has no mediaFormat with an encoding.")
    if _number(form.get("channels", 1), "channels") != 1:
        raise _bad("The media stream has more than one channel; send one channel a stream.")
    rate = form.get("sampleRate")
    wire = WireFormat.named(form["encoding"], None if rate is None else _number(rate, "sampleRate"))
    given = body.get("customParameters")
    if given is not None and not isinstance(given, dict):
        raise _bad("customParameters of the start message is not an object.")
    custom = {
        str(name): _short(value, "customParameters", MAX_PARAMETER)
        for name, value in (given or {}).items()
    }
    caller = custom.pop("caller", "") or query.get("caller", "")
    did = custom.pop("did", "") or query.get("did", "")
    return StreamStart(
        stream_sid=stream_sid,
        call_sid=call_sid,
        caller=_short(caller, "caller", MAX_NUMBER),
        did=_short(did, "did", MAX_NUMBER),
        encoding=wire.encoding.value,
        sample_rate=wire.sample_rate,
        token=custom.pop("token", None) or None,
        custom=custom,
    )


def _bad(message: str) -> MediaStreamError:
    return MediaStreamError("bad_start", message)


def _short(value: object, name: str, limit: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > limit or not _printable(value):
        raise _bad(f"{name} of the start message is no text of at most {limit} characters.")
    return value


def _printable(text: str) -> bool:
    """No control characters or lone surrogates: they would end up in logs and file names."""
    return all(char.isprintable() or char in "\n\t" for char in text)


def _number(value: object, name: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 8:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**7:
        return value
    raise _bad(f"{name} of the start message is no number.")
