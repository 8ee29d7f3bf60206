"""What 110 says while the node that transcribes it is killed, with real nats-server and node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from asr.nodes.address import NatsServers
from asr.nodes.transcriber import NodesTranscriber
from asr.pool import open_pool
from asr.service.hearing import Hearing
from telephony.codecs import Int16
from telephony.resampling import StreamResampler
from tests.asr.nodes_doubles import NodeProcess
from tests.asr.service_doubles import LevelVoice
from tests.asr.supervised_doubles import second, until
from tests.nats_server import NatsServer, nats_server  # noqa: F401 - fixture
from voicebot.call.far_words import UNHEARD, FarWords, Spoken

RATE = 16_000


def sound(letters: str) -> Int16:
    """Three seconds of each letter and the silence that ends it."""
    pause = np.zeros(RATE, np.float32)
    said = np.concatenate([np.concatenate([*[second(each)] * 3, pause]) for each in letters])
    return np.round(said * 32767).astype(np.int16)


@pytest.fixture
def servers(nats_server: NatsServer) -> NatsServers:  # noqa: F811
    return NatsServers((nats_server.url,))


@pytest.fixture
def engine(servers: NatsServers) -> Iterator[NodesTranscriber]:
    made = NodesTranscriber(servers, first_s=0.1)
    yield made
    made.close()


@pytest.fixture
async def hearing(engine: NodesTranscriber) -> AsyncIterator[Hearing]:
    with ThreadPoolExecutor(1) as ears:
        pool = open_pool(engine, ears)
        working = asyncio.create_task(pool.run())
        yield Hearing(engine, None, pool, ears, LevelVoice, StreamResampler)
        working.cancel()


@pytest.fixture
def node(servers: NatsServers, engine: NodesTranscriber, tmp_path: Path) -> Iterator[NodeProcess]:
    (tmp_path / "held").touch()
    process = NodeProcess(servers, "first", tmp_path)
    until(lambda: engine.workers)
    yield process
    process.kill()


def killed_at_work(node: NodeProcess, engine: NodesTranscriber, folder: Path) -> None:
    until((folder / f"{node.name}.at-work").exists)
    node.kill()
    (folder / "held").unlink()
    until(lambda: engine.counts["failed"])


async def test_what_was_said_comes_when_a_node_is_there_again(
    servers: NatsServers,
    engine: NodesTranscriber,
    hearing: Hearing,
    node: NodeProcess,
    tmp_path: Path,
) -> None:
    told: asyncio.Queue[Spoken] = asyncio.Queue()
    finals: list[Spoken] = []
    words = FarWords(hearing, told.put_nowait, asyncio.get_running_loop().time)
    words.start()
    words.push(sound("bc"), RATE)
    await asyncio.to_thread(killed_at_work, node, engine, tmp_path)
    again = NodeProcess(servers, "second", tmp_path)
    try:
        async with asyncio.timeout(60):
            while len(finals) < 2:
                finals += [each for each in [await told.get()] if each.final]
        await words.close()
    finally:
        await asyncio.to_thread(again.kill)
    assert [set(each.text) for each in finals] == [{"b"}, {"c"}]


async def test_where_none_comes_before_the_leg_is_over_the_gap_is_on_record(
    engine: NodesTranscriber, hearing: Hearing, node: NodeProcess, tmp_path: Path
) -> None:
    told: list[Spoken] = []
    words = FarWords(hearing, told.append, asyncio.get_running_loop().time)
    words.start()
    words.push(sound("b"), RATE)
    await asyncio.to_thread(killed_at_work, node, engine, tmp_path)
    await words.close()
    assert [each.text for each in told if each.final] == [UNHEARD]
