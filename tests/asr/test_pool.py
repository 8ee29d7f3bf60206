import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest

from asr.hypothesis import Hypothesis
from asr.pool import DecodePool


@asynccontextmanager
async def working() -> AsyncIterator[tuple[DecodePool, threading.Event, list[str]]]:
    """A pool whose first job holds the engine until the event is set."""
    with ThreadPoolExecutor(1) as executor:
        pool = DecodePool(executor)
        task = asyncio.create_task(pool.run())
        release = threading.Event()
        try:
            yield pool, release, []
        finally:
            release.set()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def job(name: str, done: list[str], wait: threading.Event | None = None):  # type: ignore[no-untyped-def]
    def run() -> Hypothesis:
        if wait is not None:
            wait.wait(5)
        done.append(name)
        return Hypothesis("test", name)

    return run


async def test_finals_go_before_partials() -> None:
    async with working() as (pool, release, done):
        first = asyncio.create_task(pool.decode("a", job("first", done, release), final=False))
        await asyncio.sleep(0.01)
        partial = asyncio.create_task(pool.decode("b", job("partial", done), final=False))
        final = asyncio.create_task(pool.decode("c", job("final", done), final=True))
        await asyncio.sleep(0.01)
        release.set()
        await asyncio.gather(first, partial, final)
        assert done == ["first", "final", "partial"]


async def test_a_newer_job_replaces_one_that_still_waits() -> None:
    async with working() as (pool, release, done):
        first = asyncio.create_task(pool.decode("a", job("first", done, release), final=False))
        await asyncio.sleep(0.01)
        stale = asyncio.create_task(pool.decode("b", job("stale", done), final=False))
        await asyncio.sleep(0.01)
        fresh = asyncio.create_task(pool.decode("b", job("fresh", done), final=True))
        release.set()
        assert await stale is None
        assert (await fresh).text == "fresh"  # type: ignore[union-attr]
        await first
        assert "stale" not in done


async def test_an_engine_fault_reaches_the_call_that_asked_and_no_other() -> None:
    def broken() -> Hypothesis:
        raise RuntimeError("engine")

    async with working() as (pool, release, done):
        release.set()
        with pytest.raises(RuntimeError):
            await pool.decode("a", broken, final=True)
        assert (await pool.decode("b", job("fine", done), final=True)).text == "fine"  # type: ignore[union-attr]
