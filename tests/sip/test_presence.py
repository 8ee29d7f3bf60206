"""Parties that are gone without a word, and parties that are merely quiet."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import numpy as np
import pytest

from telephony.call_control import Leg
from telephony.leg_events import LegAudio, LegKey
from tests.sip.bot import running, story, until
from tests.sip.telephones import desk, telephone

DESK_HZ, CALLER_HZ, SEAT_HZ = 1000, 440, 1300
NOTICED_S = 8.0
"""Two seconds, and what a shared machine makes of them."""


async def test_a_desk_that_dies_is_lost_and_the_next_route_has_the_caller(tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        police, to_police = await desk(stack, tmp_path, "desk", tone=DESK_HZ)
        _, to_seats = await desk(stack, tmp_path, "seat", tone=SEAT_HZ)
        bot = await stack.enter_async_context(
            running(trunks={"police": to_police, "seats": to_seats})
        )
        caller = await stack.enter_async_context(
            telephone(tmp_path, "caller", call=bot.uri(), tone=CALLER_HZ)
        )
        call = await bot.call()
        leg = call.leg("trunk:police/110")
        await leg.connect({})
        await until(leg, "answered")
        await first_audio(leg)
        police.signal(signal.SIGKILL)
        async with asyncio.timeout(NOTICED_S):
            assert await story(leg) == ["ended:lost"]
        following = call.leg("trunk:seats/600")
        await following.connect({})
        await until(following, "answered")
        await asyncio.sleep(0.8)
        await caller.hang_up()
        await caller.end()
        assert caller.hears(SEAT_HZ, last_s=0.6)


async def test_two_callers_whose_trunk_dies_can_both_be_dialled_for_at_once(tmp_path):
    """Goodbyes that nobody answers do not hold the process's four calls."""
    async with contextlib.AsyncExitStack() as stack:
        police, to_police = await desk(stack, tmp_path, "desk", tone=DESK_HZ)
        _, to_seats = await desk(stack, tmp_path, "seat", tone=SEAT_HZ)
        bot = await stack.enter_async_context(
            running(trunks={"police": to_police, "seats": to_seats})
        )
        calls = []
        for name in ("a", "b"):
            await stack.enter_async_context(
                telephone(tmp_path, name, call=bot.uri(), tone=CALLER_HZ)
            )
            calls.append(await bot.call())
        legs = [call.leg("trunk:police/110") for call in calls]
        for leg in legs:
            await leg.connect({})
            await until(leg, "answered")
            await first_audio(leg)
        police.signal(signal.SIGKILL)
        async with asyncio.timeout(NOTICED_S):
            assert [await story(leg) for leg in legs] == [["ended:lost"]] * 2
        seats = [call.leg("trunk:seats/600") for call in calls]
        async with asyncio.timeout(10):
            for seat in seats:
                await seat.connect({})
                await until(seat, "answered")
        assert not any(call.gone.is_set() for call in calls)


async def test_two_callers_whose_trunk_is_dead_can_both_be_dialled_for_again(
    tmp_path, unused_udp_port
):
    """Neither do INVITEs that nothing has answered."""
    async with contextlib.AsyncExitStack() as stack:
        _, to_seats = await desk(stack, tmp_path, "seat", tone=SEAT_HZ)
        dead = f"sip:127.0.0.1:{unused_udp_port}"
        bot = await stack.enter_async_context(running(trunks={"police": dead, "seats": to_seats}))
        calls = []
        for name in ("a", "b"):
            await stack.enter_async_context(
                telephone(tmp_path, name, call=bot.uri(), tone=CALLER_HZ)
            )
            calls.append(await bot.call())
        legs = [call.leg("trunk:police/110") for call in calls]
        for leg in legs:
            await leg.connect({})
        async with asyncio.timeout(NOTICED_S):
            assert [await story(leg) for leg in legs] == [["ended:unreachable"]] * 2
        seats = [call.leg("trunk:seats/600") for call in calls]
        async with asyncio.timeout(10):
            for seat in seats:
                await seat.connect({})
                await until(seat, "answered")


async def test_a_trunk_that_is_late_is_told_that_the_leg_was_given_up(tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        police, to_police = await desk(stack, tmp_path, "desk", answer=0)
        bot = await stack.enter_async_context(running(trunks={"police": to_police}))
        await stack.enter_async_context(telephone(tmp_path, "caller", call=bot.uri()))
        leg = (await bot.call()).leg("trunk:police/110")
        police.signal(signal.SIGSTOP)
        await leg.connect({})
        assert await story(leg) == ["ended:unreachable"]
        police.signal(signal.SIGCONT)
        assert (await police.wait("over"))["code"] == 487


@pytest.mark.parametrize("old_hold", [False, True])
async def test_a_desk_that_holds_the_call_is_not_lost(tmp_path, old_hold):
    async with contextlib.AsyncExitStack() as stack:
        police, to_police = await desk(stack, tmp_path, "desk", tone=DESK_HZ, old_hold=old_hold)
        bot = await stack.enter_async_context(
            running(trunks={"police": to_police}, media_timeout_s=0.5)
        )
        await stack.enter_async_context(
            telephone(tmp_path, "caller", call=bot.uri(), tone=CALLER_HZ)
        )
        leg = (await bot.call()).leg("trunk:police/110")
        await leg.connect({})
        await until(leg, "answered")
        await first_audio(leg)
        await police.do("hold")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.5):
                raise AssertionError(await story(leg))
        await police.do("resume")
        async with asyncio.timeout(60):
            await first_audio(leg)


async def test_a_caller_who_dies_is_gone_and_one_who_is_quiet_is_not(tmp_path):
    async with (
        running(caller_timeout_s=3.5, media_timeout_s=1.0) as bot,
        telephone(tmp_path, "dies", call=bot.uri(), tone=CALLER_HZ) as dies,
        telephone(tmp_path, "quiet", call=bot.uri(), tone=CALLER_HZ) as quiet,
    ):
        first, second = await bot.call(), await bot.call()
        await quiet.wait("media")
        await dies.wait("media")
        await quiet.do("hold")  # it sends nothing, and answers when it is asked
        dies.signal(signal.SIGKILL)
        gone = [asyncio.create_task(call.gone.wait()) for call in (first, second)]
        await asyncio.wait(gone, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        await bot.over.get()
        await asyncio.sleep(1.0)
        assert [each.done() for each in gone].count(True) == 1
        assert not quiet.all("over")


async def test_a_leg_that_is_given_up_while_it_is_dialled_rings_no_longer(tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        police, to_police = await desk(stack, tmp_path, "desk", answer=0)
        bot = await stack.enter_async_context(running(trunks={"police": to_police}))
        await stack.enter_async_context(telephone(tmp_path, "caller", call=bot.uri()))
        leg = (await bot.call()).leg("trunk:police/110")
        await leg.connect({})
        await leg.hangup()
        assert await story(leg) == ["ended:hung_up"]
        assert (await police.wait("over"))["code"] == 487


async def test_keys_of_a_desk_are_told_but_the_one_that_acknowledges(tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        police, to_police = await desk(stack, tmp_path, "desk", keys="9119")
        bot = await stack.enter_async_context(running(trunks={"police": to_police}))
        await stack.enter_async_context(telephone(tmp_path, "caller", call=bot.uri()))
        call = await bot.call()
        leg = call.leg("trunk:police/110")
        await leg.connect({})
        keys = []
        async with asyncio.timeout(60):
            async for event in leg:
                if isinstance(event, LegKey):
                    keys.append(event.key)
                    if len(keys) == 3:
                        break
        assert keys == ["9", "1", "9"], "the first 1 acknowledges"
        assert call.keys.empty(), "a desk's key is none of the caller's"
        await police.wait("media")


async def first_audio(leg: Leg) -> None:
    """Reads a leg until its desk is heard."""
    async for event in leg:
        if isinstance(event, LegAudio) and np.abs(np.frombuffer(event.pcm, np.int16)).max() > 1000:
            return
