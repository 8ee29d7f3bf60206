"""The main process or a media process dies: nobody is dropped who need not be."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import numpy as np
import pytest

from telephony.sip.endpoint import AT_ONCE
from tests.sip.bot import BOT_HZ, running, story, until
from tests.sip.telephones import desk, has_tone, service, telephone

CALLER_HZ, DESK_HZ, QUEUE_HZ = 440, 1000, 1300
FALLBACK_S = 6.0
"""How soon a caller must be on their way to the fallback: 3 s, twice that on a shared machine."""


@contextlib.asynccontextmanager
async def served(tmp_path, *, fallback: bool = True, **spec):
    """A main process with one caller; gives it, the telephones and what it told of itself."""
    async with contextlib.AsyncExitStack() as stack:
        police, to_police = await desk(stack, tmp_path, "desk", tone=DESK_HZ)
        queue, to_queue = await desk(stack, tmp_path, "queue", tone=QUEUE_HZ, answer_s=0.5)
        trunks = {"police": to_police, "seats": to_queue}
        settings = {"port": 0, "trunks": trunks, "fallback": "seats/600" if fallback else ""}
        main = await stack.enter_async_context(service(settings=settings, **spec))
        started = await main.wait("started")
        caller = await stack.enter_async_context(
            telephone(
                tmp_path,
                "caller",
                call=f"sip:12345@127.0.0.1:{started['port']}",
                local="sip:13800138000@127.0.0.1",
                tone=CALLER_HZ,
            )
        )
        await main.wait("joined" if spec.get("dial") else "answered")
        await caller.wait("media")
        yield main, caller, police, queue, started


def longest_silence_s(pcm: np.ndarray, rate: int) -> float:
    """The longest stretch without sound, by windows of 0.1 s."""
    size = rate // 10
    windows = pcm[: len(pcm) // size * size].reshape(-1, size).astype(float)
    longest = run = 0
    for loud in np.sqrt((windows**2).mean(axis=1)) > 50:
        run = 0 if loud else run + 1
        longest = max(longest, run)
    return longest * 0.1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_an_unbridged_caller_reaches_the_fallback(tmp_path, how):
    async with served(tmp_path) as (main, caller, _, queue, _started):
        clock = asyncio.get_running_loop().time
        main.signal(how)
        died = clock()
        invite = await queue.wait("invite")
        assert clock() - died < FALLBACK_S
        assert "sip:13800138000@" in invite["text"]
        await queue.wait("media")
        await asyncio.sleep(1.5)
        await caller.hang_up()
        await caller.end()
        await queue.end()
        assert caller.hears(QUEUE_HZ, last_s=1.0)
        assert queue.hears(CALLER_HZ)
        assert longest_silence_s(*caller.heard) < 4


async def test_a_bridged_caller_stays_until_somebody_hangs_up(tmp_path):
    async with served(tmp_path, dial="trunk:police/110") as (main, caller, police, queue, _):
        main.signal(signal.SIGKILL)
        await asyncio.sleep(1.5)
        assert not caller.all("over")
        assert not police.all("over")
        assert not queue.all("invite")
        await police.hang_up()
        await caller.end()
        assert caller.hears(DESK_HZ, last_s=1.0)
        assert not caller.hears(BOT_HZ, last_s=1.0)
        await police.end()
        assert police.hears(CALLER_HZ, last_s=1.0)


async def test_an_orphaned_caller_whose_110_dies_too_reaches_the_fallback(tmp_path):
    async with served(tmp_path, dial="trunk:police/110") as (main, caller, police, queue, _):
        await police.wait("media")
        main.signal(signal.SIGKILL)
        await asyncio.sleep(0.5)
        police.signal(signal.SIGKILL)
        await queue.wait("media")
        await asyncio.sleep(1.0)
        await caller.hang_up()
        await caller.end()
        assert caller.hears(QUEUE_HZ, last_s=0.8)
        assert longest_silence_s(*caller.heard) < 4


async def test_without_a_fallback_there_is_a_busy_tone_and_the_end(tmp_path):
    async with served(tmp_path, fallback=False) as (main, caller, *_):
        main.signal(signal.SIGKILL)
        await caller.end()
        assert caller.hears(450, last_s=2.0)
        assert longest_silence_s(*caller.heard) < 4


async def test_a_worker_that_dies_takes_only_its_calls(tmp_path):
    async with (
        running(processes=2, callers_per_process=1) as bot,
        telephone(tmp_path, "a", call=bot.uri(), tone=CALLER_HZ),
        telephone(tmp_path, "b", call=bot.uri(), tone=CALLER_HZ),
    ):
        first, second = await bot.call(), await bot.call()
        clock = asyncio.get_running_loop().time
        victim, other = bot.endpoint.processes
        bot.endpoint.started.clear()
        os.kill(victim.pid, signal.SIGKILL)
        died = clock()
        gone = [asyncio.create_task(call.gone.wait()) for call in (first, second)]
        await asyncio.wait(gone, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        await bot.over.get()
        await asyncio.wait_for(bot.endpoint.started.wait(), 60)
        assert clock() - died < 6.0  # 1 s on a machine that is not shared
        assert bot.endpoint.processes[0].pid != victim.pid
        assert bot.endpoint.processes[1] is other
        assert [each.done() for each in gone].count(True) == 1
        async with telephone(tmp_path, "c", call=bot.uri()):
            await bot.call()


async def test_a_call_that_comes_while_the_worker_is_started_again_is_served(tmp_path):
    async with running() as bot:
        victim = bot.endpoint.processes[0]
        os.kill(victim.pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            while victim.ready:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.001)
        async with telephone(tmp_path, "caller", call=bot.uri()) as caller:
            await bot.call()
            assert not caller.all("over")


async def test_of_many_workers_that_are_lost_at_once_a_few_start_at_a_time(tmp_path):
    """The machine that lost them has calls to serve, and whose turn is first is up first."""

    def starting() -> int:
        return sum(bool(each.pid) and not each.settled.is_set() for each in endpoint.processes)

    async with running(processes=3 * AT_ONCE) as bot:
        endpoint = bot.endpoint
        endpoint.started.clear()
        victims = endpoint.processes
        for victim in victims:
            os.kill(victim.pid, signal.SIGKILL)
        most = 0
        async with asyncio.timeout(60):
            while not endpoint.started.is_set():
                most = max(most, starting())
                await asyncio.sleep(0.001)
        assert most == AT_ONCE
        assert not set(victims) & set(endpoint.processes)
        async with telephone(tmp_path, "c", call=bot.uri()):
            await bot.call()


async def test_a_worker_that_hangs_is_replaced(tmp_path):
    async with running() as bot:
        hanging = bot.endpoint.processes[0]
        bot.endpoint.started.clear()
        os.kill(hanging.pid, signal.SIGSTOP)
        await asyncio.wait_for(bot.endpoint.started.wait(), 60)
        async with telephone(tmp_path, "c", call=bot.uri()):
            await bot.call()


async def test_the_legs_of_a_dead_worker_are_lost(tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        _, address = await desk(stack, tmp_path, "desk", answer=0)
        bot = await stack.enter_async_context(running(trunks={"police": address}))
        await stack.enter_async_context(telephone(tmp_path, "caller", call=bot.uri()))
        leg = (await bot.call()).leg("trunk:police/110")
        await leg.connect({})
        await until(leg, "ringing")
        os.kill(bot.endpoint.processes[0].pid, signal.SIGKILL)
        assert (await asyncio.wait_for(story(leg), 60))[-1] == "ended:lost"


async def test_a_released_caller_goes_to_the_fallback_and_new_calls_are_taken(tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        queue, address = await desk(stack, tmp_path, "queue", tone=QUEUE_HZ)
        bot = await stack.enter_async_context(
            running(trunks={"seats": address}, fallback="seats/600")
        )
        caller = await stack.enter_async_context(
            telephone(tmp_path, "caller", call=bot.uri(), tone=CALLER_HZ)
        )
        call = await bot.call()
        await call.line.release()
        await call.line.hang_up()  # what a session does at its end; the caller is not ours
        await queue.wait("media")
        async with telephone(tmp_path, "second", call=bot.uri(), tone=CALLER_HZ) as second:
            again = await bot.call()
            await again.hears(1.0)
            await second.hang_up()
            await again.gone.wait()
            assert has_tone(again.heard, 8000, CALLER_HZ)
        assert not caller.all("over")
        await caller.hang_up()
        await caller.end()
        assert caller.hears(QUEUE_HZ, last_s=1.0)


async def test_an_application_that_fails_leaves_its_caller_to_the_fallback(tmp_path):
    async def fail(call):
        await call.answer()
        raise RuntimeError("on purpose")

    async with contextlib.AsyncExitStack() as stack:
        queue, address = await desk(stack, tmp_path, "queue", tone=QUEUE_HZ)
        bot = await stack.enter_async_context(
            running(trunks={"seats": address}, fallback="seats/600")
        )
        bot.decide = fail
        caller = await stack.enter_async_context(
            telephone(tmp_path, "caller", call=bot.uri(), tone=CALLER_HZ)
        )
        await queue.wait("media")
        assert not caller.all("over")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_new_main_process_takes_calls_while_the_old_callers_talk(
    tmp_path, transport, unused_udp_port
):
    async with contextlib.AsyncExitStack() as stack:
        police, address = await desk(stack, tmp_path, "desk", tone=DESK_HZ)
        settings = {"port": unused_udp_port, "transport": transport, "trunks": {"police": address}}
        spec = {
            "call": f"sip:12345@127.0.0.1:{unused_udp_port};transport={transport}",
            "transport": transport,
            "tone": CALLER_HZ,
        }
        old = await stack.enter_async_context(service(settings=settings, dial="trunk:police/110"))
        await old.wait("started")
        caller = await stack.enter_async_context(telephone(tmp_path, "caller", **spec))
        await old.wait("joined")
        await old.close()
        async with running(**settings) as bot, telephone(tmp_path, "second", **spec):
            await bot.call()
            await asyncio.sleep(1.0)  # they talk on
            assert not caller.all("over")
            await caller.hang_up()
            await police.wait("over")
            await caller.end()
            assert caller.hears(DESK_HZ, last_s=0.8)
