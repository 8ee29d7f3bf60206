"""/v1/stream over a node that is lost: its words in flight come all the same, or the client knows.

With a real nats-server, and nodes in processes that are killed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from asr.hypothesis import Hypothesis, Pcm
from asr.nodes.address import NatsServers
from asr.nodes.transcriber import NodesTranscriber
from tests.asr.nodes_doubles import NodeProcess
from tests.asr.service_doubles import serving, silence
from tests.asr.supervised_doubles import Letters, second, until
from tests.asr.test_service_stream import opened, payload, rest, streams
from tests.nats_server import NatsServer, nats_server  # noqa: F401 - fixture

RATE = 16_000


class HearsSyllables(Letters):
    """A listener that hears the same two syllables in everything."""

    name = "syllables"

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        return replace(
            Hypothesis(self.name, final=True), syllables=("ni3", "hao3"), end=pcm.size / RATE
        )


@pytest.fixture
def servers(nats_server: NatsServer) -> NatsServers:  # noqa: F811
    return NatsServers((nats_server.url,))


@pytest.fixture
def engine(servers: NatsServers) -> Iterator[NodesTranscriber]:
    made = NodesTranscriber(servers, first_s=0.1)
    yield made
    made.close()


@pytest.fixture
def node(servers: NatsServers, engine: NodesTranscriber, tmp_path: Path) -> Iterator[NodeProcess]:
    (tmp_path / "held").touch()
    process = NodeProcess(servers, "first", tmp_path)
    until(lambda: engine.workers)
    yield process
    process.kill()


async def says_b(client: ClientConnection) -> None:
    b = np.round(np.tile(second("b"), 3) * 32767).astype(np.int16)
    await client.send(payload(np.concatenate([silence(0.5, RATE), b, silence(1.0, RATE)])))
    await client.send('{"type": "end"}')


def killed_at_work(node: NodeProcess, folder: Path) -> None:
    until((folder / f"{node.name}.at-work").exists)
    node.kill()
    (folder / "held").unlink()


async def test_words_in_flight_are_decoded_again_when_a_node_is_there_again(
    servers: NatsServers, engine: NodesTranscriber, node: NodeProcess, tmp_path: Path
) -> None:
    async with serving(engine) as service, connect(streams(service)) as client:
        await opened(client, rate=RATE, partials=False)
        await says_b(client)
        await asyncio.to_thread(lambda: killed_at_work(node, tmp_path))
        await asyncio.to_thread(lambda: until(lambda: engine.counts["failed"]))
        again = NodeProcess(servers, "second", tmp_path)
        try:
            final, end = await rest(client)
        finally:
            again.kill()
    assert set(final["text"]) == {"b"}
    assert end == {"type": "end"}


async def test_without_a_node_the_listener_writes_them(
    engine: NodesTranscriber, node: NodeProcess, tmp_path: Path
) -> None:
    async with (
        serving(engine, listener=HearsSyllables(), again_s=2.0) as service,
        connect(streams(service)) as client,
    ):
        await opened(client, rate=RATE, partials=False)
        await says_b(client)
        await asyncio.to_thread(lambda: killed_at_work(node, tmp_path))
        final, _ = await rest(client)
    assert final["type"] == "final"
    assert len(final["text"]) == 2


async def test_where_nobody_hears_them_the_client_is_told(
    engine: NodesTranscriber, node: NodeProcess, tmp_path: Path
) -> None:
    async with serving(engine, again_s=2.0) as service, connect(streams(service)) as client:
        await opened(client, rate=RATE, partials=False)
        await says_b(client)
        await asyncio.to_thread(lambda: killed_at_work(node, tmp_path))
        error, _ = await rest(client)
    assert error["code"] == "engine_failed", json.dumps(error)
