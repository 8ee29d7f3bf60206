"""The pool of an engine whose workers come and go, and are shared with other processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from threading import Event

import pytest

from asr.fallback import Breaker, FallbackTranscriber
from asr.hypothesis import Hypothesis, Pcm
from asr.pool import DecodePool, open_pool
from asr.pool_load import PoolLoad
from asr.urgency import Urgency, current
from tests.asr.supervised_doubles import Letters


@dataclass
class Elsewhere(Letters):
    """An engine of other machines."""

    workers: int = 2
    share: float = 2.0
    most_workers: int = 4

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        raise RuntimeError("nobody is there")


@asynccontextmanager
async def working(engine: object) -> AsyncIterator[DecodePool]:
    pool = open_pool(engine, ThreadPoolExecutor(1))
    running = asyncio.create_task(pool.run())
    yield pool
    running.cancel()


@pytest.mark.parametrize("workers", [3, 1, 0])
async def test_so_many_decodes_are_at_work_as_there_are_workers_now(workers: int) -> None:
    engine, held = Elsewhere(), Event()
    async with working(engine) as pool:
        engine.workers = workers
        asked = [
            asyncio.create_task(pool.decode(name, held.wait, Urgency.FINAL)) for name in "abcd"
        ]
        await asyncio.sleep(0)
        while pool.figures(0.9, 0.75).at_work < max(1, workers):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.001)
        figures = pool.figures(0.9, 0.75)
        assert figures.workers == workers
        assert figures.at_work == max(1, workers), "without workers one finds out"
        held.set()
        assert await asyncio.gather(*asked) == [True] * 4


async def test_without_workers_there_is_no_room_and_nothing_in_use() -> None:
    engine = Elsewhere(workers=0, share=0.0)
    pool = open_pool(engine, ThreadPoolExecutor(1))
    assert pool.figures(0.9, 0.75).room == 0
    assert pool.figures(0.9, 0.75).utilisation == 0.0
    assert not pool.takes_another(0.75)
    engine.workers, engine.share = 2, 2.0
    assert pool.takes_another(0.75)


def test_what_other_processes_take_is_no_room_of_ours() -> None:
    load = PoolLoad(4)
    load.serving(0.0, 2)
    for number in range(1, 101):
        load.done(5.0 * number, Urgency.FINAL, 0.4, 4.0)
    rooms = []
    for share in (4.0, 2.0, 0.5, 0.0):
        load.workers = share
        rooms.append(load.room(0.75))
    assert rooms == sorted(rooms, key=lambda room: -(room or 0))
    assert rooms[0] != rooms[1]
    assert rooms[-1] == 0


async def test_a_decode_knows_how_urgent_it_is() -> None:
    async with working(Letters()) as pool:
        for urgency in Urgency:
            if urgency is not Urgency.SPARE:
                assert await pool.decode("a", lambda: current(final=True), urgency) is urgency
        ahead = await pool.decode("a", lambda: current(final=True), Urgency.FINAL, ahead=True)
        assert ahead is Urgency.SENTINEL, "those that are due go first elsewhere too"
    assert current(final=True) is Urgency.FINAL
    assert current(final=False) is Urgency.PARTIAL


def test_the_workers_of_two_engines_are_those_of_the_one_in_use() -> None:
    clock = [0.0]
    first = Elsewhere(workers=8, share=3.0)
    engines = FallbackTranscriber(first, Letters(), breaker=Breaker(), clock=lambda: clock[0])
    assert (engines.workers, engines.share, engines.most_workers) == (8, 3.0, 4)
    first.workers = 0
    assert (engines.workers, engines.share) == (1, 1.0)
    first.workers = 8
    engines.failed(RuntimeError())
    assert engines.workers == 1, "the first rests"
