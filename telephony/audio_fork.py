"""Calls that FreeSWITCH brings by mod_audio_fork or mod_audio_stream.

    FreeSWITCH ──text: metadata (JSON)──▶   once, first
               ──binary: L16, host order──▶ the caller, at `sampleRate`
               ──text: a pressed key──▶     uuid_audio_fork … send_text
               ◀──binary: L16──             the bot (bidirectional streaming)
               ◀──text: killAudio──         drop what is buffered (barge-in)
               ◀──text: error, disconnect── we turn the call away or hang up

Metadata is what the dialplan hands over: ``{"uuid", "from", "to", "token",
"sampleRate": 8000, "mixType": "mono"}``, also under the names that jambonz uses. The
module leaves the channel alone when we disconnect: the dialplan hangs up.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import WebSocket, WebSocketDisconnect

from telephony.call_control import CallInfo, Rejection
from telephony.codecs import Encoding, Int16
from telephony.errors import MediaStreamError
from telephony.messages import MAX_MESSAGE_BYTES
from telephony.plain_line import PlainLine
from telephony.stream_start import StreamStart, parse_start

_CALL = ("call_id", "callSid", "callId", "callid", "uuid")
_CALLER = ("caller", "from")
_DIALLED = ("did", "to")

CLOSE_CODES = {Rejection.FULL: 1013, Rejection.STOPPING: 1001}
"""RFC 6455 and IANA: try again later, going away; 1008 (policy) for the others."""


def parse_metadata(message: str | bytes) -> StreamStart:
    """The first message of a fork → how the stream was opened.

    Errors: MediaStreamError `bad_metadata` and those of `parse_start`.
    """
    given = _object(message)
    if given is None:
        raise MediaStreamError(
            "bad_metadata",
            "The first message must be JSON metadata: uuid, from, to, sampleRate and token.",
        )
    if given.get("mixType", "mono") != "mono":
        # mixed and stereo hold the bot's own voice, which would be heard as the caller's.
        raise MediaStreamError(
            "bad_metadata", "The audio must be the caller's alone: mix-type mono."
        )
    call = _first(given, _CALL)
    custom = {"caller": _first(given, _CALLER), "did": _first(given, _DIALLED)}
    custom["token"] = given.get("token")
    start = {
        "streamSid": call,
        "callSid": call,
        "mediaFormat": {
            "encoding": Encoding.L16.value,
            "sampleRate": given.get("sampleRate", 8000),
        },
        "customParameters": custom,
    }
    return parse_start([json.dumps({"event": "start", "start": start})])


def parse_key(message: str) -> str:
    """The key that a later text message tells of: ``{"event": "dtmf", "dtmf": "5"}``; or ""."""
    given = _object(message) or {}
    if given.get("event", given.get("type")) != "dtmf":
        return ""
    key = _first(given, ("dtmf", "digit"))
    return key if isinstance(key, str) else ""


def decode(message: bytes) -> Int16:
    """L16 in FreeSWITCH's own order, little-endian; half a sample at the end is dropped."""
    return np.frombuffer(message[: len(message) // 2 * 2], "<i2").astype(np.int16, copy=False)


class ForkLine(PlainLine):
    """The control of a forked call."""

    def encode(self, pcm: Int16) -> bytes:
        return pcm.astype("<i2", copy=False).tobytes()

    async def clear(self) -> None:
        self._waiting.clear()
        self.put(json.dumps({"type": "killAudio"}))


class ForkCall:
    """A call on an accepted WebSocket, its metadata read."""

    def __init__(self, websocket: WebSocket, start: StreamStart) -> None:
        self.info = CallInfo(start.call_sid, start.caller, start.did, start.sample_rate)
        self._websocket = websocket
        self._carrying: asyncio.Task[None] | None = None

    async def answer(self) -> ForkLine:
        line = ForkLine(self.info.rate)
        self._carrying = asyncio.create_task(self._carry(line))
        return line

    async def reject(self, why: Rejection, retry_after_s: int = 0) -> None:
        error = {"type": "error", "data": {"reason": why.value, "retry_after_s": retry_after_s}}
        await goodbye(self._websocket, CLOSE_CODES.get(why, 1008), error)

    async def closed(self) -> None:
        if self._carrying is not None:
            await self._carrying

    async def _carry(self, line: ForkLine) -> None:
        try:
            await line.carry(self._read(line), self._write)
        finally:
            await goodbye(self._websocket, 1000)

    async def _read(self, line: ForkLine) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            audio, text = message.get("bytes"), message.get("text")
            if audio and len(audio) <= MAX_MESSAGE_BYTES:
                await line.hear(decode(audio))
            elif text:
                line.press(parse_key(text))

    async def _write(self, item: bytes | str) -> None:
        try:
            if isinstance(item, bytes):
                await self._websocket.send_bytes(item)
            else:
                await self._websocket.send_text(item)
        except (RuntimeError, WebSocketDisconnect) as error:  # closed meanwhile
            raise ConnectionError from error


async def goodbye(
    websocket: WebSocket, code: int, error: Mapping[str, object] | None = None
) -> None:
    """Tells why, if there is a reason, and to disconnect; then closes. Never raises."""
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        for message in (error, {"type": "disconnect"}):
            if message is not None:
                await websocket.send_text(json.dumps(message))
        await websocket.close(code)


def _object(message: str | bytes) -> dict[str, Any] | None:
    if not isinstance(message, str) or len(message) > MAX_MESSAGE_BYTES:
        return None
    try:
        given = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return given if isinstance(given, dict) else None


def _first(given: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((given[name] for name in names if given.get(name) is not None), None)
