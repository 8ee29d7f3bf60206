"""/v1/stream over a node that is lost: its words in flight come all the same, or the client knows.

With a real nats-server, and nodes in processes that are killed.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from asr.hypothesis import Hypothesis, Pcm
from tests.asr.lost_node import Stage, nats_server, stage  # noqa: F401 - fixtures
from tests.asr.service_doubles import serving, silence
from tests.asr.supervised_doubles import Letters, second, until
from tests.asr.test_service_stream import opened, payload, rest, streams

RATE = 16_000


class HearsSyllables(Letters):
    """A listener that hears the same two syllables in everything."""

    name = "syllables"

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        return replace(
            Hypothesis(self.name, final=True), syllables=("ni3", "hao3"), end=pcm.size / RATE
        )


async def says_b(client: ClientConnection) -> None:
    b = np.round(np.tile(second("b"), 3) * 32767).astype(np.int16)
    await client.send(payload(np.concatenate([silence(0.5, RATE), b, silence(1.0, RATE)])))
    await client.send('{"type": "end"}')


async def test_words_in_flight_are_decoded_again_when_a_node_is_there_again(
    stage: Stage,  # noqa: F811
) -> None:
    async with serving(stage.engine) as service, connect(streams(service)) as client:
        await opened(client, rate=RATE, partials=False)
        await says_b(client)
        await asyncio.to_thread(stage.kill_at_work)
        await asyncio.to_thread(lambda: until(lambda: stage.engine.counts["failed"]))
        again = stage.another()
        try:
            final, end = await rest(client)
        finally:
            again.kill()
    assert set(final["text"]) == {"b"}
    assert end == {"type": "end"}


async def test_without_a_node_the_listener_writes_them(
    stage: Stage,  # noqa: F811
) -> None:
    async with (
        serving(stage.engine, listener=HearsSyllables(), again_s=2.0) as service,
        connect(streams(service)) as client,
    ):
        await opened(client, rate=RATE, partials=False)
        await says_b(client)
        await asyncio.to_thread(stage.kill_at_work)
        final, _ = await rest(client)
    assert final["type"] == "final"
    assert len(final["text"]) == 2


async def test_where_nobody_hears_them_the_client_is_told(
    stage: Stage,  # noqa: F811
) -> None:
    async with serving(stage.engine, again_s=2.0) as service, connect(streams(service)) as client:
        await opened(client, rate=RATE, partials=False)
        await says_b(client)
        await asyncio.to_thread(stage.kill_at_work)
        error, _ = await rest(client)
    assert error["code"] == "engine_failed", json.dumps(error)
