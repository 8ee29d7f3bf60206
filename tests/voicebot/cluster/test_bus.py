"""The bus with a real NATS server: what is told arrives, and nobody waits for one that is away."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import nats
import pytest
import structlog

from tests.nats_server import NatsServer, nats_server  # noqa: F401 - a fixture
from voicebot.cluster.bus import Bus, open_bus
from voicebot.cluster.errors import (
    BusAway,
    BusMessageTooLarge,
    BusSettingsError,
    NobodyAnswers,
    Refused,
)
from voicebot.cluster.outbox import PENDING
from voicebot.config_nats import Nats


async def until(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)


@asynccontextmanager
async def two(server: NatsServer) -> AsyncIterator[tuple[Bus, Bus]]:
    found = Nats(servers=(server.url,))
    async with open_bus(found, "one") as one, open_bus(found, "two") as other:
        await until(lambda: one.connected and other.connected)
        yield one, other


async def test_messages_arrive_in_their_order(nats_server: NatsServer) -> None:  # noqa: F811
    got: list[Any] = []
    async with two(nats_server) as (one, other):
        other.subscribe("live", got.append)
        await other.flush()
        for number in range(500):
            one.publish("live", {"number": number, "text": "着火了"})
        await until(lambda: len(got) == 500)
    assert got == [{"number": number, "text": "着火了"} for number in range(500)]


async def test_of_a_queue_one_gets_each_message(nats_server: NatsServer) -> None:  # noqa: F811
    got: list[int] = []
    async with two(nats_server) as (one, other):
        for each in (one, other):
            each.subscribe("jobs", lambda message: got.append(message["n"]), queue="workers")
            await each.flush()
        for number in range(50):
            one.publish("jobs", {"n": number})
        await until(lambda: len(got) >= 50)
        await asyncio.sleep(0.1)
    assert sorted(got) == list(range(50))


async def test_a_request_is_answered_refused_or_told_that_nobody_answers(
    nats_server: NatsServer,  # noqa: F811
) -> None:
    async def answer(message: dict[str, Any]) -> dict[str, Any]:
        if message["wanted"] == "no":
            raise PermissionError
        return {"given": object() if message["wanted"] == "no JSON" else message["wanted"]}

    async def silent(_: dict[str, Any]) -> None:
        return None

    async with two(nats_server) as (one, other):
        other.answer("ask", answer)
        other.answer("silent", silent)
        await other.flush()
        assert await one.request("ask", {"wanted": "yes"}, 5.0) == {"given": "yes"}
        with pytest.raises(Refused, match="PermissionError"):
            await one.request("ask", {"wanted": "no"}, 5.0)
        with pytest.raises(Refused, match="TypeError"):
            await one.request("ask", {"wanted": "no JSON"}, 5.0)
        with pytest.raises(NobodyAnswers):
            await one.request("nobody", {}, 5.0)
        with pytest.raises(NobodyAnswers):
            await one.request("silent", {}, 0.2)


async def test_what_is_larger_than_the_server_takes_is_refused_or_counted_and_never_silent(
    nats_server: NatsServer,  # noqa: F811
) -> None:
    got: list[Any] = []
    large = {"text": "火" * 500_000}

    async def answer(_: dict[str, Any]) -> dict[str, Any]:
        return large

    async with two(nats_server) as (one, other):
        other.answer("ask", answer)
        other.subscribe("live", got.append)
        await other.flush()
        with pytest.raises(Refused) as refused:
            await one.request("ask", {}, 60.0)
        assert refused.value.code == BusMessageTooLarge.code
        with pytest.raises(BusMessageTooLarge):
            await one.request("ask", large, 60.0)
        with structlog.testing.capture_logs() as lines:
            one.publish("live", large)
            one.publish("live", {"n": 1})
            await until(lambda: got == [{"n": 1}])
        assert one.figures.lost == 1
        assert [line["event"] for line in lines] == ["bus_message_too_large"]
        assert one.connected
        assert other.connected


async def test_an_answer_goes_to_an_inbox_alone(nats_server: NatsServer) -> None:  # noqa: F811
    """Whoever is let in to ask cannot have a node speak on a subject that others read."""
    got: list[Any] = []
    asked: list[Any] = []

    async def answer(message: dict[str, Any]) -> dict[str, Any]:
        asked.append(message)
        return {"name": "x"}

    settings = Nats(servers=(nats_server.url,))
    async with two(nats_server) as (one, other):
        other.answer("ask", answer)
        one.subscribe("nodes", got.append)
        await one.flush()
        await other.flush()
        client = await nats.connect(nats_server.url)
        await client.publish(f"{settings.subject}.ask", b"{}", reply=f"{settings.subject}.nodes")
        await client.flush()
        assert await one.request("ask", {"n": 2}, 5.0) == {"name": "x"}
        await client.close()
    assert asked == [{"n": 2}]
    assert got == []


async def test_without_a_server_nobody_waits_and_what_is_told_is_kept_for_a_while(
    nats_server: NatsServer,  # noqa: F811
) -> None:
    got: list[Any] = []
    settings = Nats(servers=(nats_server.url,))
    async with open_bus(settings, "other") as other:
        other.subscribe("live", got.append)
        await until(lambda: other.connected)
        await other.flush()
        late = Bus(settings, "late")
        began = time.monotonic()
        for number in range(PENDING + 5):
            late.publish("live", {"n": number})
        with pytest.raises(BusAway):
            await late.request("ask", {}, 5.0)
        assert time.monotonic() - began < 1.0
        assert late.figures.lost == 5
        running = asyncio.create_task(late.run())
        await until(lambda: len(got) == PENDING)
        running.cancel()
        await asyncio.wait({running})
    assert [each["n"] for each in got] == list(range(5, PENDING + 5))


async def test_after_an_hour_without_a_server_the_newest_heartbeat_alone_is_told(
    nats_server: NatsServer,  # noqa: F811
) -> None:
    got: list[Any] = []
    settings = Nats(servers=(nats_server.url,))
    async with open_bus(settings, "other") as other:
        other.subscribe("nodes", got.append)
        await until(lambda: other.connected)
        await other.flush()
        late = Bus(settings, "late")
        for number in range(3600):
            late.publish("nodes", {"seq": number}, newest_only=True)
        late.publish("nodes", {"last": True})
        running = asyncio.create_task(late.run())
        await until(lambda: {"last": True} in got)
        running.cancel()
        await asyncio.wait({running})
    assert got == [{"seq": 3599}, {"last": True}]
    assert late.figures.lost == 0


async def test_a_server_that_comes_back_finds_every_subscription(
    nats_server: NatsServer,  # noqa: F811
) -> None:
    got: list[Any] = []

    async def answer(_: dict[str, Any]) -> dict[str, Any]:
        return {"n": 1}

    async with two(nats_server) as (one, other):
        other.subscribe("live", got.append)
        other.answer("ask", answer)
        nats_server.kill()
        await until(lambda: not one.connected and not other.connected)
        nats_server.start()
        await until(lambda: one.connected and other.connected)
        one.publish("live", {"n": 1})
        await until(lambda: got == [{"n": 1}])
        assert await one.request("ask", {}, 5.0) == {"n": 1}
        assert other.figures.disconnected == 1


async def test_a_server_that_takes_nothing_any_more_is_left_for_another() -> None:
    """It keeps its connection and reads no byte: the library would wait for what is unsent."""
    info = {"server_id": "x", "version": "2.10.0", "max_payload": 1 << 20, "headers": True}
    connections: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        writer.write(b"INFO " + json.dumps(info).encode() + b"\r\n")
        while line := await reader.readline():
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
                break
        cast(asyncio.ReadTransport, writer.transport).pause_reading()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with open_bus(Nats(servers=(f"nats://127.0.0.1:{port}",)), "one") as bus:
        await until(lambda: bus.connected)
        for _ in range(100):
            bus.publish("live", {"text": "x" * 200_000})
        await until(lambda: len(connections) > 1)
        assert bus.figures.disconnected >= 1
    server.close()


async def test_a_server_that_talks_nonsense_is_tried_again() -> None:
    connections: list[int] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        writer.write(b"INFO [1]\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with open_bus(Nats(servers=(f"nats://127.0.0.1:{port}",)), "one"):
        await until(lambda: len(connections) > 1)
    server.close()


async def test_a_frozen_server_holds_up_nobody(nats_server: NatsServer) -> None:  # noqa: F811
    async with two(nats_server) as (one, _):
        nats_server.signal(signal.SIGSTOP)
        began = time.monotonic()
        for number in range(20_000):
            one.publish("live", {"n": number, "text": "x" * 1000})
        assert time.monotonic() - began < 5.0
        await until(lambda: not one.connected)
        nats_server.signal(signal.SIGCONT)
        await until(lambda: one.connected)


async def test_a_server_that_comes_late_is_found(nats_server: NatsServer) -> None:  # noqa: F811
    got: list[Any] = []
    nats_server.kill()
    async with open_bus(Nats(servers=(nats_server.url,)), "one") as one:
        one.subscribe("live", got.append)
        one.publish("live", {"n": 1})
        nats_server.start()
        await until(lambda: got == [{"n": 1}])


async def test_what_cannot_be_read_or_handled_is_counted_and_the_rest_goes_on(
    nats_server: NatsServer,  # noqa: F811
) -> None:
    got: list[int] = []
    async with two(nats_server) as (one, other):
        other.subscribe("live", lambda message: got.append(1 // message["n"]))
        await other.flush()
        one.publish("live", {"n": 0})
        one.publish("live", {"n": object()})
        one.publish("live", {"n": 1})
        await until(lambda: got == [1])
    assert (one.figures.unreadable, other.figures.unreadable) == (1, 1)


async def test_what_cannot_be_handled_does_not_fill_the_log(
    nats_server: NatsServer,  # noqa: F811
) -> None:
    async with two(nats_server) as (one, other):
        other.subscribe("live", lambda message: message["missing"])
        await other.flush()
        with structlog.testing.capture_logs() as lines:
            began = time.monotonic()
            for number in range(500):
                one.publish("live", {"n": number})
            await until(lambda: other.figures.unreadable == 500)
            took = time.monotonic() - began
    told = [line for line in lines if line["event"] == "bus_message_not_handled"]
    assert 1 <= len(told) <= 1 + took


async def test_a_server_that_would_have_it_in_plain_text_is_told_nothing(tmp_path: Path) -> None:
    """tls:// and a server that says that it wants no TLS: not even the token goes out."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = {"server_id": "x", "version": "2.10.0", "max_payload": 1_000_000, "headers": True}
        writer.write(b"INFO " + json.dumps(info).encode() + b"\r\n")
        heard.append(await reader.read(1000))
        writer.close()

    token = tmp_path / "token"
    token.write_text("geheim\n")
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = Nats(servers=(f"tls://127.0.0.1:{port}",), token_file=str(token))
    async with server, open_bus(settings, "one") as bus:
        await until(lambda: bool(heard))
        assert not bus.connected
    assert set(heard) == {b""}


async def test_a_token_that_cannot_be_read_is_said_at_the_start(tmp_path: Path) -> None:
    settings = Nats(servers=("nats://127.0.0.1:4222",), token_file=str(tmp_path / "none"))
    with pytest.raises(BusSettingsError, match=r"nats\.token_file"):
        Bus(settings, "one")
