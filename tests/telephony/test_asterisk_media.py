"""The media socket against a WebSocket server that does what Asterisk may do, and worse."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve

from telephony.asterisk.media import BACKLOG_FRAMES, MediaSocket, open_media_socket
from telephony.asterisk.media_messages import Flow, Other, Started, Status, parse
from telephony.errors import CallError, MediaStreamError

FRAME = np.arange(160, dtype=np.int16)


def event(name: str, **more: object) -> str:
    return json.dumps({"event": name, "channel_id": "c"} | more)


@asynccontextmanager
async def connected(
    asterisk: Callable[[ServerConnection], Awaitable[None]],
) -> AsyncIterator[MediaSocket]:
    async with serve(asterisk, "127.0.0.1", 0, subprotocols=["media"]) as server:  # type: ignore[list-item]
        port = server.sockets[0].getsockname()[1]
        socket = await open_media_socket(f"ws://127.0.0.1:{port}/media/x")
        try:
            yield socket
        finally:
            await socket.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def test_audio_before_media_start_is_heard_and_nonsense_is_counted() -> None:
    async def asterisk(socket: ServerConnection) -> None:
        await socket.send(FRAME.tobytes())
        await socket.send(event("MEDIA_START", format="slin"))
        for nonsense in ("", "{", "[]", '{"event": 1}', event("STATUS"), b"\1"):
            await socket.send(nonsense)
        await socket.send((FRAME + 1).astype("<i2").tobytes())
        await socket.wait_closed()

    async with connected(asterisk) as media:
        heard = [await media.receive(), await media.receive()]
        assert [int(pcm[0]) for pcm in heard if pcm is not None] == [0, 1]
        assert media.problems == {"bad_message": 5, "bad_audio": 1, "dropped_in": 0}
        assert not media.closed.is_set()


async def test_flush_comes_after_what_was_sent_and_instead_of_what_was_not() -> None:
    got: list[str | bytes] = []

    async def asterisk(socket: ServerConnection) -> None:
        async for message in socket:
            got.append(message)

    async with connected(asterisk) as media:
        media.send(FRAME)
        await until(lambda: len(got) == 1)
        media.send(FRAME)
        media.send(FRAME)
        media.flush()
        media.send(FRAME + 1)
        await until(lambda: len(got) == 3)
    assert [isinstance(each, bytes) for each in got] == [True, False, True]
    assert json.loads(got[1]) == {"command": "FLUSH_MEDIA"}


async def test_a_backlog_in_asterisk_is_dropped() -> None:
    got: list[str | bytes] = []

    async def asterisk(socket: ServerConnection) -> None:
        await socket.send(event("STATUS", queue_length=BACKLOG_FRAMES + 1))
        async for message in socket:
            got.append(message)

    async with connected(asterisk) as media:
        await until(lambda: bool(got))
        assert json.loads(got[0]) == {"command": "FLUSH_MEDIA"}
        assert media.problems["dropped_backlog"] == 1
        assert media.queued_frames == BACKLOG_FRAMES + 1


async def test_nothing_is_sent_against_xoff() -> None:
    release = asyncio.Event()

    async def asterisk(socket: ServerConnection) -> None:
        await socket.send(event("MEDIA_XOFF"))
        await socket.send(FRAME.tobytes())
        await release.wait()
        await socket.send(event("MEDIA_XON"))
        await socket.send(FRAME.tobytes())
        await socket.wait_closed()

    async with connected(asterisk) as media:
        await media.receive()
        media.send(FRAME)
        assert media.problems["dropped_out"] == 1
        release.set()
        await media.receive()
        media.send(FRAME)
        assert media.problems["dropped_out"] == 1


async def test_queues_are_bounded_both_ways() -> None:
    async def asterisk(socket: ServerConnection) -> None:
        for _ in range(100):
            await socket.send(FRAME.tobytes())
        await socket.wait_closed()

    async with connected(asterisk) as media:
        await until(lambda: media.problems["dropped_in"] == 50)
        for _ in range(60):  # the sender has no turn meanwhile
            media.send(FRAME)
        assert media.problems["dropped_out"] == 10


async def test_the_end_of_the_socket_is_told() -> None:
    async def asterisk(socket: ServerConnection) -> None:
        await socket.send(FRAME.tobytes())

    async with connected(asterisk) as media:
        assert await media.receive() is not None
        assert await media.receive() is None
        media.send(FRAME)
        media.flush()


async def test_no_asterisk_is_no_media() -> None:
    with pytest.raises(CallError) as failed:
        await open_media_socket("ws://127.0.0.1:9/media/x")
    assert failed.value.code == "no_media"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.text() | _JSON.map(json.dumps))
def test_any_text_is_an_event_or_refused(text: str) -> None:
    with contextlib.suppress(MediaStreamError):
        assert parse(text)


@given(
    st.sampled_from(["MEDIA_START", "MEDIA_XOFF", "MEDIA_XON", "STATUS", "DTMF_END", "NEW"]),
    st.dictionaries(st.text(), _JSON),
)
def test_any_event_of_any_content(name: str, more: dict[str, object]) -> None:
    try:
        assert isinstance(
            parse(event(name) if not more else json.dumps(more | {"event": name})),
            Started | Flow | Status | Other,
        )
    except MediaStreamError:
        assert name == "STATUS"


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(MediaStreamError):
        parse("[" * 60000)
