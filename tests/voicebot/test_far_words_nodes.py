"""What 110 says while the node that transcribes it is killed, with real nats-server and node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from asr.pool import open_pool
from asr.service.hearing import Hearing
from telephony.codecs import Int16
from telephony.resampling import StreamResampler
from tests.asr.lost_node import Stage, nats_server, stage  # noqa: F401 - fixtures
from tests.asr.service_doubles import LevelVoice
from tests.asr.supervised_doubles import second, until
from voicebot.call.far_words import UNHEARD, FarWords, Spoken

RATE = 16_000


def sound(letters: str) -> Int16:
    """Three seconds of each letter and the silence that ends it."""
    pause = np.zeros(RATE, np.float32)
    said = np.concatenate([np.concatenate([*[second(each)] * 3, pause]) for each in letters])
    return np.round(said * 32767).astype(np.int16)


@pytest.fixture
async def hearing(stage: Stage) -> AsyncIterator[Hearing]:  # noqa: F811
    with ThreadPoolExecutor(1) as ears:
        pool = open_pool(stage.engine, ears)
        working = asyncio.create_task(pool.run())
        yield Hearing(stage.engine, None, pool, ears, LevelVoice, StreamResampler)
        working.cancel()


def lost_at_work(stage: Stage) -> None:  # noqa: F811
    stage.kill_at_work()
    until(lambda: stage.engine.counts["failed"])


async def test_what_was_said_comes_when_a_node_is_there_again(
    stage: Stage,  # noqa: F811
    hearing: Hearing,
) -> None:
    told: asyncio.Queue[Spoken] = asyncio.Queue()
    finals: list[Spoken] = []
    words = FarWords(hearing, told.put_nowait, asyncio.get_running_loop().time)
    words.start()
    words.push(sound("bc"), RATE)
    await asyncio.to_thread(lost_at_work, stage)
    again = stage.another()
    try:
        async with asyncio.timeout(60):
            while len(finals) < 2:
                finals += [each for each in [await told.get()] if each.final]
        await words.close()
    finally:
        await asyncio.to_thread(again.kill)
    assert [set(each.text) for each in finals] == [{"b"}, {"c"}]


async def test_where_none_comes_before_the_leg_is_over_the_gap_is_on_record(
    stage: Stage,  # noqa: F811
    hearing: Hearing,
) -> None:
    told: list[Spoken] = []
    words = FarWords(hearing, told.append, asyncio.get_running_loop().time)
    words.start()
    words.push(sound("b"), RATE)
    await asyncio.to_thread(lost_at_work, stage)
    await words.close()
    assert [each.text for each in told if each.final] == [UNHEARD]
