"""/v1/stream: sides, order, limits, and ends of every kind, with an engine that reads tones."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any, cast

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from asr.service.connection import Connection
from asr.service.server import ServiceLimits
from asr.service.wire import Int16
from telephony.codecs import WireFormat
from tests.asr.service_doubles import LevelVoice, PitchEngine, Service, serving, silence, tone

RATE = 8000


def payload(*channels: Int16) -> bytes:
    return np.stack(channels, axis=1).astype("<i2").tobytes()


def said(pitch: float, seconds: float = 1.0) -> Int16:
    return np.concatenate([silence(0.5, RATE), tone(pitch, seconds, RATE), silence(1.0, RATE)])


async def opened(client: ClientConnection, **keys: Any) -> dict[str, Any]:
    await client.send(json.dumps({"type": "start", **keys}))
    answer: dict[str, Any] = json.loads(await client.recv())
    return answer


async def rest(client: ClientConnection) -> list[dict[str, Any]]:
    """All messages until the connection is closed, for whatever reason."""
    messages = []
    with suppress(ConnectionClosed):
        while True:
            messages.append(json.loads(await client.recv()))
    return messages


async def send_in_frames(client: ClientConnection, data: bytes, size: int = 320) -> None:
    for begin in range(0, len(data), size):
        await client.send(data[begin : begin + size])


def streams(service: Service) -> str:
    return f"{service.url}/v1/stream"


async def test_an_utterance_comes_as_partials_and_one_final_with_its_times() -> None:
    async with serving(PitchEngine()) as service, connect(streams(service)) as client:
        assert await opened(client, alternatives=1) == {
            "type": "started", "engine": "pitch", "sides": ["caller"],
        }  # fmt: skip
        data = payload(said(440, 2.0))
        await send_in_frames(client, data[: 2 * 2 * RATE])
        first = json.loads(await client.recv())
        await send_in_frames(client, data[2 * 2 * RATE :])
        await client.send('{"type": "end"}')
        *more, final, end = await rest(client)
        partials = [first, *more]
        assert end == {"type": "end"}
        assert client.close_code == 1000
        assert {p["type"] for p in partials} == {"partial"}
        assert final["type"] == "final"
        assert final["text"] == "440Hz"
        assert final["alternatives"] == ["other"]
        assert final["start"] == pytest.approx(0.5, abs=0.05)
        assert final["end"] == pytest.approx(2.5, abs=0.05)
        assert {m["utterance"] for m in [*partials, final]} == {1}


async def test_without_partials_only_finals_come() -> None:
    engine = PitchEngine()
    async with serving(engine) as service, connect(streams(service)) as client:
        await opened(client, partials=False)
        await client.send(
            payload(
                said(440),
            )
        )
        await client.send('{"type": "end"}')
        assert [m["type"] for m in await rest(client)] == ["final", "end"]
        assert engine.partials == 0


async def test_two_channels_are_told_apart() -> None:
    async with serving(PitchEngine()) as service, connect(streams(service)) as client:
        await opened(client, sides=["agent", "caller"], partials=False)
        await client.send(payload(said(300), said(700)))
        await client.send('{"type": "end"}')
        finals = [m for m in await rest(client) if m["type"] == "final"]
        assert {m["side"]: m["text"] for m in finals} == {"agent": "300Hz", "caller": "700Hz"}


@pytest.mark.parametrize("encoding", ["alaw", "mulaw"])
async def test_telephone_encodings_are_heard(encoding: str) -> None:
    async with serving(PitchEngine()) as service, connect(streams(service)) as client:
        await opened(client, encoding=encoding, partials=False)
        await client.send(WireFormat.named(encoding).encode(said(440)))
        await client.send('{"type": "end"}')
        assert (await rest(client))[0]["text"] == "440Hz"


async def test_the_finals_of_a_side_come_in_order() -> None:
    pitches = [300, 400, 500, 600, 700]
    async with serving(PitchEngine()) as service, connect(streams(service)) as client:
        await opened(client)
        await client.send(payload(np.concatenate([said(pitch) for pitch in pitches])))
        await client.send('{"type": "end"}')
        finals = [m for m in await rest(client) if m["type"] == "final"]
        assert [m["text"] for m in finals] == [f"{pitch}Hz" for pitch in pitches]
        assert [m["utterance"] for m in finals] == [1, 2, 3, 4, 5]


async def test_partials_become_fewer_while_the_recogniser_is_behind() -> None:
    engine, voice = PitchEngine(), LevelVoice()
    engine.hold.clear()
    async with (
        serving(engine, new_voice=lambda: voice) as service,
        connect(streams(service)) as client,
    ):
        await opened(client)
        await send_in_frames(client, payload(tone(440, 6, RATE)))
        await heard(voice, 6.0)
        engine.hold.set()
        await client.send('{"type": "end"}')
        types = [m["type"] for m in await rest(client)]
        assert types[-2:] == ["final", "end"]
        assert engine.partials <= 2  # of eleven: the held one, and one of the last frame


async def test_what_was_said_is_answered_when_a_message_makes_no_sense() -> None:
    for wrong, code, close_code in (
        ("nonsense", "bad_json", 1007),
        ('{"type": "start"}', "unknown_message", 1008),
    ):
        async with serving(PitchEngine()) as service, connect(streams(service)) as client:
            await opened(client, partials=False)
            await client.send(payload(tone(440, 1, RATE)))
            await client.send(wrong)
            final, error = await rest(client)
            assert final["text"] == "440Hz"
            assert error["type"] == "error"
            assert error["code"] == code
            assert client.close_code == close_code


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (b"\0\0", "audio_before_start"),
        ("[]", "bad_json"),
        ('{"type": "start", "rate": 1}', "bad_start"),
    ],
)
async def test_a_wrong_beginning_is_refused_with_a_code(first: str | bytes, code: str) -> None:
    async with serving(PitchEngine()) as service, connect(streams(service)) as client:
        await client.send(first)
        (error,) = await rest(client)
        assert error["code"] == code
        assert client.close_reason == error["message"][:120]


async def test_a_failed_utterance_costs_only_itself() -> None:
    engine = PitchEngine()
    async with serving(engine) as service, connect(streams(service)) as client:
        await opened(client, partials=False)
        engine.broken = True
        await client.send(payload(said(300)))
        lost = json.loads(await client.recv())
        engine.broken = False
        await client.send(payload(said(700)))
        await client.send('{"type": "end"}')
        assert lost["code"] == "engine_failed"
        assert lost["side"] == "caller"
        assert "own words" not in json.dumps(lost)
        assert (await rest(client))[0]["text"] == "700Hz"


async def test_a_client_that_is_faster_than_the_recogniser_is_not_read() -> None:
    engine = PitchEngine()
    engine.hold.clear()
    message = payload(np.concatenate([said(440), silence(5, RATE)]))
    async with (
        serving(engine, waiting_s=3.0) as service,
        connect(streams(service), write_limit=2**12) as client,
    ):
        await opened(client, partials=False)
        sending = asyncio.create_task(send_often(client, message, 150))
        await until(lambda: engine.finals == 1)
        _, still_sending = await asyncio.wait({sending}, timeout=1)
        assert still_sending
        engine.hold.set()
        finals = [m for m in await rest(client) if m["type"] == "final"]
        assert len(finals) == 150


async def test_the_connection_after_the_last_free_one_is_told_when_to_come_again() -> None:
    limits = ServiceLimits(connections=1, retry_after_s=7)
    async with serving(PitchEngine(), limits=limits) as service:
        async with connect(streams(service)):
            with pytest.raises(InvalidStatus) as refused:
                await connect(streams(service))
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"] == "7"
        async with connect(streams(service)) as client:
            assert (await opened(client))["type"] == "started"


async def test_a_silent_client_is_let_go_with_what_it_said() -> None:
    limits = ServiceLimits(idle_s=0.3)
    async with (
        serving(PitchEngine(), limits=limits) as service,
        connect(streams(service)) as client,
    ):
        await opened(client, partials=False)
        await client.send(payload(tone(440, 1, RATE)))
        final, error = await rest(client)
        assert final["text"] == "440Hz"
        assert error["code"] == "idle"


async def test_a_client_that_vanishes_leaves_room_for_another() -> None:
    limits = ServiceLimits(connections=1)
    engine = PitchEngine()
    async with serving(engine, limits=limits) as service:
        client = await connect(streams(service))
        await opened(client)
        await client.send(payload(tone(440, 2, RATE)))
        client.transport.abort()
        await until(lambda: not service.server.connections)
        async with connect(streams(service)) as other:
            assert (await opened(other))["type"] == "started"


async def test_a_message_beyond_the_limit_is_refused_as_websockets_do() -> None:
    limits = ServiceLimits(message_bytes=1000)
    async with (
        serving(PitchEngine(), limits=limits) as service,
        connect(streams(service)) as client,
    ):
        await opened(client)
        await client.send(b"\0" * 1001)
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1009


async def test_when_the_service_stops_the_last_finals_are_sent_and_nobody_new_comes_in() -> None:
    voice = LevelVoice()
    async with (
        serving(PitchEngine(), new_voice=lambda: voice) as service,
        connect(streams(service)) as client,
    ):
        await opened(client, partials=False)
        await client.send(payload(said(300)))
        assert json.loads(await client.recv())["text"] == "300Hz"
        await send_in_frames(client, payload(tone(700, 1, RATE)))
        await heard(voice, 2.5 + 1.0)
        service.stop()
        (final,) = await rest(client)
        assert final["type"] == "final"
        assert final["text"] == "700Hz"
        assert client.close_code == 1001
        with pytest.raises((OSError, InvalidStatus, ConnectionClosed)):
            await connect(streams(service))


async def test_a_stop_does_not_wait_for_ever_for_a_stuck_engine() -> None:
    engine = PitchEngine()
    engine.hold.clear()
    limits = ServiceLimits(drain_s=0.3)
    async with serving(engine, limits=limits) as service, connect(streams(service)) as client:
        await opened(client, partials=False)
        await client.send(payload(said(300)))
        await until(lambda: engine.finals == 1)
        service.stop()
        with pytest.raises(ConnectionClosed):
            await client.recv()
        engine.hold.set()


class FullPipe:
    """A client whose network takes nothing more."""

    def __init__(self) -> None:
        self.aborted = False
        self.transport = self
        self.remote_address = ("127.0.0.1", 1)

    async def send(self, _: str) -> None:
        await asyncio.Event().wait()

    def abort(self) -> None:
        self.aborted = True


async def test_a_client_that_takes_nothing_is_let_go() -> None:
    pipe = FullPipe()
    connection = Connection(cast(ServerConnection, pipe), asyncio.Event(), idle_s=0.05)
    await connection.send("{}")
    assert pipe.aborted
    connection.release()


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/stream", {}, 401),
        ("/v1/stream", {"Authorization": "Bearer wrong"}, 401),
        ("/v1/stream?token=wrong", {}, 401),
        ("/", {}, 401),
        ("/v1/strem", {"Authorization": "Bearer right"}, 404),
        ("/", {"Authorization": "Bearer right", "Origin": "https://elsewhere.example"}, 403),
        ("/v1/stream", {"Authorization": "bearer right"}, 101),
        ("/v1/stream?token=right", {}, 101),
        ("/?token=right", {}, 101),
    ],
)
async def test_only_a_token_opens_a_connection(
    path: str, headers: dict[str, str], status: int
) -> None:
    async def right(token: str | None) -> bool:
        return token == "right"

    async with serving(PitchEngine(), admit=right) as service:
        opening = connect(service.url + path, additional_headers=headers)
        if status == 101:
            async with opening:
                return
        with pytest.raises(InvalidStatus) as refused:
            await opening
        assert refused.value.response.status_code == status
        assert refused.value.response.body is not None
        assert set(json.loads(refused.value.response.body)) == {"code", "message"}


async def send_often(client: ClientConnection, message: bytes, count: int) -> None:
    for _ in range(count):
        await client.send(message)
    await client.send('{"type": "end"}')


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what others do sets no event
            await asyncio.sleep(0.01)


async def heard(voice: LevelVoice, seconds: float) -> None:
    """So much audio has come to the detector: websockets may still hold what is only sent."""
    await until(lambda: voice.heard_s >= seconds)
