"""Decodes of many turns on one engine: what runs, in what order, and what is told about it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from asr.pool import QUIET_S, DecodePool, open_pool
from asr.urgency import Urgency

FINAL, SENTINEL, PARTIAL, SPARE = Urgency


@dataclass
class Work:
    """A pool whose first job, already asked for, holds the engine until `release`."""

    pool: DecodePool
    held: threading.Event = field(default_factory=threading.Event)
    done: list[str] = field(default_factory=list)
    asked: list[asyncio.Task[str | None]] = field(default_factory=list)

    def job(self, name: str, wait: threading.Event | None = None) -> Callable[[], str]:
        def run() -> str:
            if wait is not None:
                assert wait.wait(20)
            self.done.append(name)
            return name

        return run

    async def ask(self, owner: object, name: str, urgency: Urgency) -> asyncio.Task[str | None]:
        task = asyncio.create_task(self.pool.decode(owner, self.job(name), urgency))
        self.asked.append(task)
        await asyncio.sleep(0)
        return task

    async def release(self) -> None:
        self.held.set()
        async with asyncio.timeout(20):
            await asyncio.gather(*self.asked, return_exceptions=True)


@asynccontextmanager
async def working(workers: int = 1, most_partials: int = 32) -> AsyncIterator[Work]:
    with ThreadPoolExecutor(workers) as executor:
        work = Work(DecodePool(executor, workers=workers, most_partials=most_partials))
        running = asyncio.create_task(work.pool.run())
        work.asked += [
            asyncio.create_task(work.pool.decode(object(), work.job("held", work.held), PARTIAL))
            for _ in range(workers)
        ]
        async with asyncio.timeout(20):
            while work.pool.figures(1.0, 1.0).at_work < workers:  # noqa: ASYNC110
                await asyncio.sleep(0)
        try:
            yield work
        finally:
            await work.release()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_finals_go_before_sentinels_and_sentinels_before_other_partials() -> None:
    async with working() as work:
        await work.ask("a", "partial", PARTIAL)
        await work.ask("b", "sentinel", SENTINEL)
        await work.ask("c", "final", FINAL)
        await work.release()
        assert work.done == ["held", "final", "sentinel", "partial"]


async def test_a_newer_job_of_a_turn_replaces_the_one_that_still_waits() -> None:
    async with working() as work:
        stale = await work.ask("a", "stale", PARTIAL)
        fresh = await work.ask("a", "fresh", FINAL)
        await work.release()
        assert (stale.result(), fresh.result()) == (None, "fresh")
        assert "stale" not in work.done


async def test_what_waits_can_be_hastened_and_withdrawn() -> None:
    async with working() as work:
        await work.ask("a", "first", PARTIAL)
        await work.ask("b", "hastened", PARTIAL)
        needless = await work.ask("c", "needless", FINAL)
        assert work.pool.hasten("b")
        assert work.pool.withdraw("c")
        assert not work.pool.hasten("nobody's")
        assert not work.pool.withdraw("nobody's")
        await work.release()
        assert needless.result() is None
        assert work.done == ["held", "hastened", "first"]


async def test_beyond_its_bound_the_stalest_partial_has_no_result_and_is_counted() -> None:
    async with working(most_partials=2) as work:
        tasks = [await work.ask(name, name, PARTIAL) for name in "abc"]
        await work.ask("d", "d", FINAL)
        assert work.pool.figures(1.0, 1.0).dropped_partials == 1
        await work.release()
        assert [task.result() for task in tasks] == [None, "b", "c"]
        assert work.done == ["held", "d", "b", "c"]


async def test_a_call_that_is_gone_leaves_nothing_in_the_queue() -> None:
    async with working() as work:
        gone = await work.ask("a", "gone", FINAL)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert work.pool.figures(1.0, 1.0).final.waiting == 0
        await work.release()
        assert work.done == ["held"]


async def test_a_spare_partial_is_taken_where_a_worker_stays_free_for_callers() -> None:
    async with working(workers=3) as work:
        work.held.set()
        await asyncio.gather(*work.asked)
        first = await work.ask("a", "first", SPARE)
        assert await first == "first"
        work.held.clear()
        holding = [
            asyncio.create_task(work.pool.decode(name, work.job(name, work.held), FINAL))
            for name in "bc"
        ]
        await asyncio.sleep(0)
        refused = await work.ask("a", "refused", SPARE)
        assert await refused is None
        await work.release()
        assert await asyncio.gather(*holding) == ["b", "c"]
        assert "refused" not in work.done


async def test_the_only_worker_has_spare_time_once_no_caller_speaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = [1000.0]
    monkeypatch.setattr("asr.pool.time.monotonic", lambda: at[0])
    async with working() as work:
        busy = await work.ask("a", "busy", SPARE)
        assert await busy is None, "the worker is at work"
        await work.release()
        spoken = await work.ask("caller", "spoken", PARTIAL)
        await spoken
        early = await work.ask("a", "early", SPARE)
        assert await early is None, "the caller may end his turn at any moment"
        at[0] += QUIET_S + 0.1
        late = await work.ask("a", "late", SPARE)
        assert await late == "late"


async def test_an_engine_fault_reaches_the_call_that_asked_and_no_other() -> None:
    def broken() -> str:
        raise RuntimeError("engine")

    async with working() as work:
        await work.release()
        with pytest.raises(RuntimeError):
            await work.pool.decode("a", broken, FINAL)
        assert await work.pool.decode("b", work.job("fine"), FINAL) == "fine"


async def test_a_slow_answer_of_a_server_holds_up_nobody_else_but_its_own_turn() -> None:
    async with working(workers=2) as work:
        await work.release()
        slow = threading.Event()
        first = asyncio.create_task(work.pool.decode("a", work.job("slow", slow), PARTIAL))
        await asyncio.sleep(0)
        own = await work.ask("a", "own", FINAL)
        assert await work.pool.decode("b", work.job("other"), FINAL) == "other"
        assert not own.done()
        slow.set()
        assert [await first, await own] == ["slow", "own"]


async def test_the_figures_say_what_waits_and_how_long_things_took() -> None:
    async with working() as work:
        work.pool.serving(3)
        await work.ask("a", "final", FINAL)
        await work.ask("b", "partial", PARTIAL)
        before = work.pool.figures(0.9, 1.0)
        assert (before.workers, before.at_work, before.calls, before.room) == (1, 1, 3, None)
        assert (before.final.waiting, before.partial.waiting) == (1, 1)
        await work.release()
        after = work.pool.figures(0.9, 1.0)
        assert (after.final.waiting, after.final.done, after.partial.done) == (0, 1, 2)
        assert after.final.wait_ms_p95 > 0
        assert after.partial.decode_ms > 0


async def test_an_engine_has_as_many_workers_as_it_says_and_one_if_it_says_nothing() -> None:
    class Server:
        workers = 5

    with ThreadPoolExecutor(1) as executor:
        assert open_pool(Server(), executor).figures(1.0, 1.0).workers == 5
        assert open_pool(object(), executor).figures(1.0, 1.0).workers == 1
        assert open_pool(None, executor).figures(1.0, 1.0).workers == 1
