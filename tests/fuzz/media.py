"""What carriers and the call page send over their sockets."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import numpy as np
from hypothesis import strategies as st

from telephony import audio_fork
from telephony.asterisk import media_messages
from telephony.audio_socket import AudioSocketLine
from telephony.audio_socket_packets import AUDIO, IDENTITY, KEY, Packet, PacketReader
from telephony.codecs import Int16
from telephony.errors import MediaStreamError
from telephony.media_stream import MediaStreamSerializer, StreamStart
from telephony.messages import parse_message
from telephony.plain_line import KEYS
from telephony.stream_start import parse_start
from tests.fuzz.mutation import json_text, mutated
from tests.fuzz.target import Target, tells

_FORMAT = {"encoding": "audio/x-alaw", "sampleRate": 8000, "channels": 1}
START = {
    "event": "start",
    "sequenceNumber": "1",
    "streamSid": "MZ1",
    "start": {
        "streamSid": "MZ1",
        "callSid": "CA1",
        "accountSid": "AC0",
        "tracks": ["inbound"],
        "mediaFormat": _FORMAT,
        "customParameters": {"caller": "13800000000", "did": "12345", "token": "vb_x"},
    },
}
PAGE_START = {
    "event": "start",
    "start": {
        "streamSid": "page-1",
        "mediaFormat": {"encoding": "audio/l16", "sampleRate": 16000},
        "customParameters": {"did": "12333", "page": "1"},
    },
}
MESSAGES: list[Any] = [
    {"event": "connected", "protocol": "Call", "version": "1.0.0"},
    START,
    PAGE_START,
    {
        "event": "media",
        "streamSid": "MZ1",
        "media": {"track": "inbound", "chunk": "1", "timestamp": "20", "payload": "1dXV1Q=="},
    },
    {"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "1"}},
    {"event": "mark", "mark": {"name": "end:prompt:greeting"}},
    {"event": "clear"},
    {"event": "progress", "state": "answered"},
    {"event": "dossier", "dossier": {"handoff": "h1", "transcript": [{"text": "救命"}]}},
    {"event": "stop", "stop": {"callSid": "CA1"}},
]
STARTED = parse_start([json.dumps(START)])


def _as_received(data: bytes) -> str | bytes:
    """A WebSocket gives text, whose UTF-8 is whole, or bytes."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _message(data: bytes) -> None:
    try:
        parse_message(_as_received(data))
    except MediaStreamError as error:
        tells(error)


def _start(stream: list[bytes]) -> None:
    try:
        start = parse_start([_as_received(each) for each in stream], {"did": "12345"})
    except MediaStreamError:
        return
    _started(start)


def _started(start: StreamStart) -> None:
    texts = (start.stream_sid, start.call_sid, start.caller, start.did)
    assert start.stream_sid
    for text in texts:
        assert len(text) <= 128
        text.encode()  # no lone surrogate reaches a log or a file's name
    assert start.wire.sample_rate in (8000, 16000)


def _stream(messages: list[bytes]) -> None:
    """What the far side sends never raises."""
    serializer = MediaStreamSerializer(STARTED)

    async def take() -> None:
        for data in messages:
            frame = await serializer.deserialize(_as_received(data))
            if frame is not None and getattr(frame, "audio", None):
                assert len(frame.audio) % 2 == 0

    asyncio.run(take())


_METADATA: list[Any] = [
    {"uuid": "u1", "from": "13800000000", "to": "12345", "token": "vb_x", "sampleRate": 8000,
     "mixType": "mono"},
    {"callSid": "c", "caller": "1", "did": "12345", "sampleRate": 16000},
    {"event": "dtmf", "dtmf": "5"},
]  # fmt: skip


def _fork(data: bytes) -> None:
    text = _as_received(data)
    try:
        _started(audio_fork.parse_metadata(text))
    except MediaStreamError as error:
        tells(error)
    if isinstance(text, str):
        audio_fork.parse_key(text)
    assert audio_fork.decode(data).dtype == np.int16


class _Heard:
    def __init__(self) -> None:
        self.samples, self.keys = 0, ""

    async def hear(self, pcm: Int16) -> None:
        assert pcm.dtype == np.int16
        self.samples += len(pcm)

    def press(self, key: str) -> None:
        assert key in KEYS
        self.keys += key

    def caller_hung_up(self) -> None:
        """Nothing follows."""


def _audio_socket(case: tuple[bytes, list[int]]) -> None:
    """However the stream is cut, the same packets come out."""
    data, cuts = case
    whole = PacketReader().feed(data)
    reader, packets, at = PacketReader(), [], 0
    for cut in cuts:
        packets += reader.feed(data[at : at + cut])
        at += cut
    packets += reader.feed(data[at:])
    assert packets == whole

    async def take() -> None:
        line, heard = AudioSocketLine(8000), _Heard()
        line.listen(heard)
        for packet in packets:
            if not await line.take(packet):
                break

    asyncio.run(take())


def _asterisk(data: bytes) -> None:
    try:
        media_messages.parse(data.decode("utf-8", "surrogateescape"))
    except MediaStreamError as error:
        tells(error)


_SOCKET = b"".join(
    packet.encode()
    for packet in (
        Packet(IDENTITY, uuid.UUID(int=7).bytes),
        Packet(AUDIO[8000], bytes(320)),
        Packet(KEY, b"5"),
        Packet(AUDIO[48000], bytes(1920)),
        Packet(AUDIO[16000], b"\x01\x02" * 320),
    )
)
_EVENTS: list[Any] = [
    {"event": "MEDIA_START", "connection_id": "x", "format": "slin16", "optimal_frame_size": 640},
    {"event": "STATUS", "queue_length": 3, "xon_level": 800},
    {"event": "MEDIA_XOFF"},
    {"event": "DTMF_END", "digit": "1"},
]
ANY = json_text(MESSAGES)

TARGETS = (
    Target("media_messages", ANY, _message),
    Target(
        "media_start", st.lists(json_text([MESSAGES[0], START, PAGE_START]), max_size=8), _start
    ),
    Target("media_stream", st.lists(ANY, max_size=12), _stream),
    Target("audio_fork", json_text(_METADATA), _fork),
    Target(
        "audio_socket",
        st.tuples(mutated([_SOCKET, _SOCKET * 5]), st.lists(st.integers(0, 700), max_size=12)),
        _audio_socket,
    ),
    Target("asterisk_media", json_text(_EVENTS), _asterisk),
)
