"""Calls whose transcriber is shared over NATS: they go on whatever becomes of its nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asr.nodes.address import NatsServers
from asr.nodes.asking import Limits
from asr.nodes.transcriber import NodesTranscriber
from asr.pool import open_pool
from asr.whisper import WhisperTranscriber
from flows.events import Ear
from telephony.call_control import Rejection
from telephony.scripted import ScriptedLine
from tests.asr.nodes_doubles import NodeThread
from tests.asr.supervised_doubles import until
from tests.nats_server import NatsServer, nats_server  # noqa: F401 - fixture
from tests.voicebot.sentences import sentences
from tests.voicebot.test_session import (
    called,
    offered,
    scripted_engines,
    service,  # noqa: F401 - fixture
)
from voicebot.app import Service
from voicebot.call.engines import Engines
from voicebot.config import Settings
from voicebot.records.store import Records

SENTENCES = 5
PATIENT = Limits(100.0, 100.0, 100.0)


@pytest.fixture
def servers(nats_server: NatsServer) -> NatsServers:  # noqa: F811
    return NatsServers((nats_server.url,))


@pytest.fixture
def begin(servers: NatsServers, models_dir: Path) -> Iterator[Callable[[], NodeThread]]:
    """Begins a node, and ends it after the test."""
    whisper = WhisperTranscriber(models_dir / "whisper-base", threads=1)
    nodes: list[NodeThread] = []

    def start() -> NodeThread:
        nodes.append(node := NodeThread(whisper, servers, f"n{len(nodes)}"))
        return node

    yield start
    for node in nodes:
        node.leave()


@pytest.fixture
def shared(servers: NatsServers) -> Iterator[NodesTranscriber]:
    engine = NodesTranscriber(servers, limits=PATIENT, first_s=0.1)
    yield engine
    engine.close()


@pytest.fixture
def engines(shared: NodesTranscriber, tmp_path: Path) -> Engines:
    return scripted_engines(tmp_path, transcriber=shared)


def turns(record: dict[str, Any]) -> list[str]:
    return [turn["text"] for turn in record["turns"] if turn["side"] == "caller"]


@pytest.mark.leaping_time
async def test_a_call_goes_on_without_nodes_and_has_its_words_again_when_one_is_there(
    service: Service,  # noqa: F811
    shared: NodesTranscriber,
    begin: Callable[[], NodeThread],
    shared_dir: Path,
) -> None:
    async def heard(call_id: str, *, away: bool) -> dict[str, Any]:
        line = ScriptedLine(offered(call_id))
        call = await called(service, line)
        for number, pcm in enumerate(sentences(shared_dir, SENTENCES)):
            if away and number == 1:
                node.leave()
            if away and number == SENTENCES - 1:
                begin()
                until(lambda: shared.workers)
            await line.say(pcm)
        return await call.hung_up()

    node = begin()
    until(lambda: shared.workers)
    undisturbed = turns(await heard("c-1", away=False))
    assert len(undisturbed) >= SENTENCES
    assert all(undisturbed)
    assert shared.counts["failed"] == 0
    record = await heard("c-2", away=True)
    assert shared.counts["failed"] > 0
    failed = [each["why"] for each in record["decisions"] if each["what"] == "engine_failed"]
    assert not [why for why in failed if why.startswith(Ear.TRANSCRIBER)], "those turns alone"
    assert turns(record)[0] == undisturbed[0]
    assert turns(record)[-1] == undisturbed[-1]


async def test_calls_beyond_the_least_are_refused_while_no_node_is_there(
    settings: Settings,
    records: Records,
    engines: Engines,
    shared: NodesTranscriber,
    begin: Callable[[], NodeThread],
) -> None:
    engines = replace(engines, pool=open_pool(shared, engines.work_executor))
    refusing = Service(settings, engines, records, await records.duty_directory(), None)
    least = settings.admission.calls_at_least
    admission = refusing._admission
    for number in range(least):
        assert admission.reserve(offered(f"c-{number}", caller=f"1380000000{number}")) is None
    assert admission.reserve(offered("one-more")) is Rejection.FULL
    await asyncio.to_thread(begin)
    await asyncio.to_thread(until, lambda: shared.workers)
    assert admission.reserve(offered("one-more")) is None
    assert refusing.recognition.workers == 1
