"""FreeSWITCH's fork: what it may say, and a whole call over a real WebSocket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from fastapi import FastAPI, WebSocket
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect

from telephony.audio_fork import ForkCall, ForkLine, decode, parse_key, parse_metadata
from telephony.call_control import NotCapable, Rejection
from telephony.dialing import DutyNumber
from telephony.errors import MediaStreamError
from telephony.loopback_server import LoopbackServer
from telephony.plain_line import MAX_WAITING

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["uuid", "callSid", "from", "to", "did", "caller", "token", "sampleRate", "mixType"]
    ),
    JSON,
)


class Ear:
    """The application's side of a call."""

    def __init__(self) -> None:
        self.pcm: list[np.ndarray] = []
        self.keys: list[str] = []
        self.gone = asyncio.Event()
        self.pressed = asyncio.Event()

    async def hear(self, pcm: np.ndarray) -> None:
        self.pcm.append(pcm)

    def press(self, key: str) -> None:
        self.keys.append(key)
        self.pressed.set()

    def caller_hung_up(self) -> None:
        assert not self.gone.is_set()  # said once
        self.gone.set()


# ── what is said ──────────────────────────────────────────────────────────────────────


def test_metadata_is_read_under_the_names_of_either_module() -> None:
    plain = parse_metadata('{"uuid": "F1", "from": "138", "to": "12345", "token": "t"}')
    assert (plain.call_sid, plain.caller, plain.did) == ("F1", "138", "12345")
    assert (plain.sample_rate, plain.encoding, plain.token) == (8000, "audio/l16", "t")
    jambonz = parse_metadata('{"callSid": "F2", "sampleRate": 16000, "mixType": "mono"}')
    assert (jambonz.call_sid, jambonz.sample_rate, jambonz.token) == ("F2", 16000, None)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{}", "bad_start"),
        ("", "bad_metadata"),
        ("[" * 100_000, "bad_metadata"),
        (b"\x00\x01", "bad_metadata"),
        ('{"uuid": "F", "mixType": "mixed"}', "bad_metadata"),
        ('{"uuid": "F", "sampleRate": 48000}', "unknown_sample_rate"),
        ('{"uuid": "F", "from": 138}', "bad_start"),
    ],
)
def test_metadata_that_cannot_be_used_is_refused(message: str | bytes, code: str) -> None:
    with pytest.raises(MediaStreamError) as refused:
        parse_metadata(message)
    assert refused.value.code == code


@given(FIELDS.map(json.dumps) | JSON.map(json.dumps) | st.text() | st.binary())
def test_no_metadata_is_worse_than_refused(message: str | bytes) -> None:
    try:
        start = parse_metadata(message)
    except MediaStreamError:
        return
    assert start.call_sid
    assert start.sample_rate in (8000, 16000)


@given(JSON.map(json.dumps) | st.text())
def test_no_later_message_is_worse_than_ignored(message: str) -> None:
    assert isinstance(parse_key(message), str)


@pytest.mark.parametrize(
    ("message", "key"),
    [
        ('{"event": "dtmf", "dtmf": "5", "duration": "1600"}', "5"),
        ('{"type": "dtmf", "digit": "#"}', "#"),
        ('{"event": "dtmf", "dtmf": 5}', ""),
        ('{"event": "stop"}', ""),
    ],
)
def test_keys_are_read(message: str, key: str) -> None:
    assert parse_key(message) == key


@given(st.lists(st.integers(-32768, 32767)), st.binary(max_size=1))
def test_audio_is_little_endian_and_half_a_sample_is_dropped(pcm: list[int], half: bytes) -> None:
    samples = np.array(pcm, np.int16)
    line = ForkLine(8000)
    assert (decode(line.encode(samples) + half) == samples).all()
    assert line.encode(np.array([1], np.int16)) == b"\x01\x00"


# ── a call ────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def forked(calls: asyncio.Queue[ForkCall]) -> AsyncIterator[ClientConnection]:
    app = FastAPI()

    @app.websocket("/media/fork")
    async def fork(websocket: WebSocket) -> None:
        await websocket.accept()
        call = ForkCall(websocket, parse_metadata(await websocket.receive_text()))
        calls.put_nowait(call)
        await done.wait()
        await call.closed()

    done = asyncio.Event()
    async with LoopbackServer(app) as server, connect(f"{server.url}/media/fork") as socket:
        await socket.send('{"uuid": "F1", "from": "13800138000", "to": "12345"}')
        try:
            yield socket
        finally:
            done.set()


async def test_a_call_is_heard_answered_interrupted_and_ended() -> None:
    calls: asyncio.Queue[ForkCall] = asyncio.Queue()
    async with forked(calls) as socket:
        call = await calls.get()
        line, ear = await call.answer(), Ear()
        line.listen(ear)
        await socket.send(np.arange(160, dtype="<i2").tobytes())
        await socket.send('{"event": "dtmf", "dtmf": "1"}')
        await asyncio.wait_for(ear.pressed.wait(), 60)
        assert ear.keys == ["1"]
        assert (np.concatenate(ear.pcm) == np.arange(160)).all()
        await line.send_audio(np.arange(160, dtype=np.int16))
        assert await socket.recv() == np.arange(160, dtype="<i2").tobytes()
        await line.clear()
        assert json.loads(await socket.recv()) == {"type": "killAudio"}
        await line.hang_up()
        assert json.loads(await socket.recv()) == {"type": "disconnect"}
        await socket.wait_closed()
        assert socket.close_code == 1000
        assert not ear.gone.is_set()  # we hung up, not the caller


async def test_a_fork_that_closes_is_a_caller_who_hung_up() -> None:
    calls: asyncio.Queue[ForkCall] = asyncio.Queue()
    async with forked(calls) as socket:
        call = await calls.get()
        line, ear = await call.answer(), Ear()
        line.listen(ear)
        await socket.close()
        await asyncio.wait_for(ear.gone.wait(), 60)
        await asyncio.wait_for(call.closed(), 60)
        late = Ear()
        line.listen(late)
        assert late.gone.is_set()


async def test_a_call_turned_away_is_told_why() -> None:
    calls: asyncio.Queue[ForkCall] = asyncio.Queue()
    async with forked(calls) as socket:
        await (await calls.get()).reject(Rejection.FULL, 5)
        assert json.loads(await socket.recv())["data"] == {"reason": "full", "retry_after_s": 5}
        assert json.loads(await socket.recv()) == {"type": "disconnect"}
        await socket.wait_closed()
        assert socket.close_code == 1013


async def test_a_stalled_socket_holds_up_nobody_and_keeps_the_newest_second() -> None:
    line = ForkLine(8000)
    for number in range(MAX_WAITING + 10):
        await line.send_audio(np.full(160, number, np.int16))
    await line.send_mark("end")
    assert line.dropped_frames == 10
    sent: list[bytes | str] = []
    enough = asyncio.Event()

    async def write(item: bytes | str) -> None:
        sent.append(item)
        if len(sent) == MAX_WAITING:
            enough.set()

    carrying = asyncio.create_task(line.carry(asyncio.Event().wait(), write))  # type: ignore[arg-type]
    await asyncio.wait_for(enough.wait(), 60)
    await line.hang_up()
    await carrying
    assert [decode(item)[0] for item in sent if isinstance(item, bytes)] == list(range(10, 60))


async def test_what_a_fork_cannot_do_it_says() -> None:
    line = ForkLine(8000)
    with pytest.raises(NotCapable):
        line.new_leg(DutyNumber("110", "110", "", "trunk:police/110", "110"), answer_timeout_s=1)
    for impossible in (line.hold(True), line.send_keys("1"), line.release()):
        with pytest.raises(NotCapable):
            await impossible
