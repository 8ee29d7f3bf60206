"""AudioSocket: packets, announcements, and a whole call over TCP."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony import audio_socket
from telephony.audio_socket import AudioSocketEndpoint, AudioSocketLine
from telephony.audio_socket_packets import (
    ANNOUNCED_S,
    ERROR,
    HANGUP,
    IDENTITY,
    KEY,
    MAX_ANNOUNCED,
    RATES,
    Announcements,
    Packet,
    PacketReader,
)
from telephony.call_control import Capability, IncomingCall, Rejection
from telephony.errors import TelephonyError

from .test_audio_fork import Ear

NAME = uuid.UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
HELLO = Packet(IDENTITY, NAME.bytes).encode()
GOODBYE = b"\x00\x00\x00"

PACKETS = st.lists(st.builds(Packet, st.integers(0, 255), st.binary(max_size=700)), max_size=8)


# ── packets ───────────────────────────────────────────────────────────────────────────


def test_a_packet_is_a_type_a_length_and_a_payload() -> None:
    assert Packet(KEY, b"5").encode() == b"\x03\x00\x015"
    assert Packet(HANGUP).encode() == GOODBYE
    assert HELLO[:3] == b"\x01\x00\x10"


@given(PACKETS, st.integers(1, 900))
def test_packets_come_out_as_they_went_in_however_the_stream_is_cut(
    packets: list[Packet], cut: int
) -> None:
    stream = b"".join(packet.encode() for packet in packets)
    reader = PacketReader()
    found = [
        packet for at in range(0, len(stream), cut) for packet in reader.feed(stream[at : at + cut])
    ]
    assert found == packets


@given(st.lists(st.binary(max_size=2000)))
def test_any_bytes_can_be_read_and_at_most_a_packet_is_held_back(chunks: list[bytes]) -> None:
    reader = PacketReader()
    for chunk in chunks:
        for packet in reader.feed(chunk):
            assert packet.encode()
        assert len(reader._rest) < 3 + 2**16


@given(PACKETS)
def test_any_packet_is_understood_or_means_nothing(packets: list[Packet]) -> None:
    async def taken() -> None:
        line, ear = AudioSocketLine(8000), Ear()
        line.listen(ear)
        for packet in packets:
            assert await line.take(packet) == (packet.kind not in (HANGUP, ERROR))
        assert set(ear.keys) <= set("0123456789*#")

    asyncio.run(taken())


@pytest.mark.parametrize("kind", RATES)
async def test_audio_of_any_rate_is_heard_at_the_calls_rate(kind: int) -> None:
    line, ear = AudioSocketLine(16000), Ear()
    line.listen(ear)
    frame = np.zeros(RATES[kind] // 50, "<i2").tobytes()
    for _ in range(10):
        assert await line.take(Packet(kind, frame + b"\x01"))
    assert len(np.concatenate(ear.pcm)) == pytest.approx(3200, abs=10)


# ── announcements ─────────────────────────────────────────────────────────────────────


def test_an_announced_call_comes_once() -> None:
    announcements = Announcements()
    announcements.announce(NAME, "13800138000", "12345")
    info = announcements.take(NAME)
    assert info is not None
    assert (info.call_id, info.caller, info.did) == (str(NAME), "13800138000", "12345")
    assert announcements.take(NAME) is None


def test_an_announcement_is_worth_nothing_after_its_time() -> None:
    clock = [0.0]
    announcements = Announcements(lambda: clock[0])
    announcements.announce(NAME, "", "12345")
    clock[0] = ANNOUNCED_S
    assert announcements.take(NAME) is None


def test_announcements_are_bounded_and_the_old_make_room() -> None:
    clock = [0.0]
    announcements = Announcements(lambda: clock[0])
    for number in range(MAX_ANNOUNCED):
        announcements.announce(uuid.UUID(int=number), "", "12345")
    with pytest.raises(TelephonyError, match="Too many"):
        announcements.announce(NAME, "", "12345")
    clock[0] = ANNOUNCED_S
    announcements.announce(NAME, "", "12345")
    assert announcements.take(NAME) is not None


# ── calls ─────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def endpoint(
    take: Callable[[IncomingCall], Awaitable[None]], announcements: Announcements
) -> AsyncIterator[AudioSocketEndpoint]:
    server = AudioSocketEndpoint("127.0.0.1", 0, take, announcements)
    running = asyncio.create_task(server.run())
    await asyncio.wait_for(server.started.wait(), 60)
    try:
        yield server
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def everything(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.read(), 60)


async def packets_until(reader: asyncio.StreamReader, wanted: Packet) -> None:
    """Reads up to a packet; comfort noise may come before it."""
    async with asyncio.timeout(60):
        while True:
            header = await reader.readexactly(3)
            payload = await reader.readexactly(int.from_bytes(header[1:], "big"))
            if Packet(header[0], payload) == wanted:
                return


async def farewell(reader: asyncio.StreamReader) -> bytes:
    """The rest without its comfort noise."""
    packets = PacketReader().feed(await everything(reader))
    return b"".join(packet.encode() for packet in packets if packet.kind not in RATES)


async def test_a_call_is_heard_answered_and_hung_up() -> None:
    announcements, ear = Announcements(), Ear()
    announcements.announce(NAME, "13800138000", "12345")

    async def take(call: IncomingCall) -> None:
        line = await call.answer()
        line.listen(ear)
        await ear.pressed.wait()
        await line.send_audio(np.arange(160, dtype=np.int16))
        await answered.wait()
        await line.hang_up()
        await call.closed()

    answered = asyncio.Event()
    async with endpoint(take, announcements) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        heard = np.arange(160, dtype="<i2").tobytes()
        # Audio right behind the UUID, in one segment, as Asterisk sends it.
        writer.write(HELLO + Packet(0x10, heard).encode())
        writer.write(Packet(KEY, b"0").encode())
        await packets_until(reader, Packet(0x10, heard))
        answered.set()
        # An error first: on a mere goodbye Asterisk would go on with the caller.
        assert await farewell(reader) == Packet(ERROR).encode() + GOODBYE
        assert (ear.keys, len(np.concatenate(ear.pcm))) == (["0"], 160)
        assert not ear.gone.is_set()
        writer.close()


async def test_a_call_that_is_released_is_left_to_the_dialplan() -> None:
    announcements = Announcements()
    announcements.announce(NAME, "", "12345")

    async def take(call: IncomingCall) -> None:
        line = await call.answer()
        assert Capability.OUTLIVES_US in line.capabilities
        await line.release()
        await line.hang_up()  # as the application does at the end of every call
        await call.closed()

    async with endpoint(take, announcements) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HELLO)
        assert await farewell(reader) == GOODBYE + GOODBYE
        writer.close()


@pytest.mark.parametrize("goodbye", [GOODBYE, b"", Packet(ERROR, b"\x01").encode()])
async def test_a_caller_who_hangs_up_is_gone(goodbye: bytes) -> None:
    announcements, ear = Announcements(), Ear()
    announcements.announce(NAME, "", "12345")

    async def take(call: IncomingCall) -> None:
        (await call.answer()).listen(ear)
        await call.closed()

    async with endpoint(take, announcements) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HELLO + goodbye)
        writer.write_eof()
        await asyncio.wait_for(ear.gone.wait(), 60)
        writer.close()


@pytest.mark.parametrize(
    "first", [HELLO, GOODBYE, Packet(IDENTITY, b"short").encode(), b"GET / HTTP/1.1\r\n\r\n", b""]
)
async def test_a_call_nobody_announced_is_hung_up(first: bytes) -> None:
    taken: list[IncomingCall] = []

    async def take(call: IncomingCall) -> None:
        taken.append(call)

    async with endpoint(take, Announcements()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(first)
        writer.write_eof()
        assert await everything(reader) == GOODBYE
        writer.close()
    assert taken == []


async def test_a_connection_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_socket, "IDENTITY_TIMEOUT_S", 0.05)

    async def take(call: IncomingCall) -> None:
        raise AssertionError

    async with endpoint(take, Announcements()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert await everything(reader) == GOODBYE
        writer.close()


async def test_a_call_turned_away_is_hung_up() -> None:
    announcements = Announcements()
    announcements.announce(NAME, "", "12345")

    async def take(call: IncomingCall) -> None:
        await call.reject(Rejection.FULL, 5)

    async with endpoint(take, announcements) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HELLO)
        assert await everything(reader) == GOODBYE
        writer.close()


@pytest.mark.parametrize(("host", "code"), [("0.0.0.0", "not_loopback"), ("::", "not_loopback")])
async def test_it_listens_on_this_machine_alone(host: str, code: str) -> None:
    async def take(call: IncomingCall) -> None:
        raise AssertionError

    with pytest.raises(TelephonyError) as refused:
        await AudioSocketEndpoint(host, 0, take, Announcements()).run()
    assert refused.value.code == code


async def test_a_port_in_use_is_told() -> None:
    async def take(call: IncomingCall) -> None:
        raise AssertionError

    async with endpoint(take, Announcements()) as server:
        with pytest.raises(TelephonyError) as refused:
            await AudioSocketEndpoint("127.0.0.1", server.port, take, Announcements()).run()
    assert refused.value.code == "port_in_use"
