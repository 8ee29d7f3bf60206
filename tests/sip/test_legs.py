"""Legs dialled for a caller: every outcome, the numbers they carry, who hears whom."""

from __future__ import annotations

import asyncio
import contextlib

import numpy as np
import pytest

from telephony.errors import LegError, TelephonyError
from telephony.leg_events import LegAudio, LegEnded
from telephony.leg_state import LegEndReason, LegState
from telephony.sip.headers import parse, user_to_user
from tests.sip.bot import BOT_HZ, running, story, until
from tests.sip.telephones import desk, has_tone, telephone

CALLER = "sip:13800138000@127.0.0.1"
CALLER_HZ, DESK_HZ, SECOND_HZ = 440, 1000, 1300
START = {"caller": "13800138000", "handoff": "HO-2026-7", "call": "c1"}


@contextlib.asynccontextmanager
async def called(tmp_path, desk_spec, **settings):
    """A bot, its answered call, the caller's telephone and the desk's."""
    async with contextlib.AsyncExitStack() as stack:
        police, address = await desk(stack, tmp_path, "desk", tone=DESK_HZ, **desk_spec)
        bot = await stack.enter_async_context(running(trunks={"police": address}, **settings))
        caller = await stack.enter_async_context(
            telephone(tmp_path, "caller", call=bot.uri(), local=CALLER, tone=CALLER_HZ)
        )
        call = await bot.call()
        await caller.wait("media")
        yield bot, call, caller, police


async def test_three_hear_each_other(tmp_path):
    async with called(tmp_path, {"answer_s": 0.3}) as (bot, call, caller, police):
        leg = call.leg("trunk:police/110")
        assert leg.bridged
        await leg.connect(START)
        await until(leg, "ringing")
        await until(leg, "answered")
        await asyncio.sleep(1.0)
        await caller.hang_up()
        await asyncio.wait_for(call.gone.wait(), 60)
        assert leg.state is LegState.ANSWERED, "the desk may be told that the caller is gone"
        await leg.hangup()
        await leg.hangup()
        await asyncio.wait_for(bot.over.get(), 60)
        frames = [event async for event in leg]
        assert frames[-1] == LegEnded(LegEndReason.HUNG_UP)
        pcm = np.concatenate([np.frombuffer(e.pcm, np.int16) for e in frames[:-1]])
        assert has_tone(pcm, 8000, DESK_HZ)
        assert not has_tone(pcm, 8000, CALLER_HZ), "the leg alone"
        assert not has_tone(call.heard, 8000, DESK_HZ), "the caller alone"
        await police.end()
        await caller.end()
        assert caller.hears(DESK_HZ)
        assert caller.hears(BOT_HZ)
        assert police.hears(CALLER_HZ)
        assert police.hears(BOT_HZ)

        invite = parse((await police.wait("invite"))["text"])
        assert invite.start.startswith("INVITE sip:110@127.0.0.1")
        assert "sip:13800138000@" in invite.first("from")
        assert "sip:13800138000@" in invite.first("p-asserted-identity")
        assert "sip:12345@" in invite.first("diversion")
        assert user_to_user(invite.first("user-to-user")) == "HO-2026-7"


async def test_further_parties_hear_all(tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        police, address = await desk(stack, tmp_path, "desk", tone=DESK_HZ)
        doctor, second = await desk(stack, tmp_path, "second", tone=SECOND_HZ)
        bot = await stack.enter_async_context(running(trunks={"police": address, "120": second}))
        assert bot.endpoint.settings.uri("120", "120")
        caller = await stack.enter_async_context(
            telephone(tmp_path, "caller", call=bot.uri(), tone=CALLER_HZ)
        )
        call = await bot.call()
        legs = [call.leg("trunk:police/110"), call.leg("trunk:police/110")]
        legs[1]._uri = bot.endpoint.settings.uri("120", "120")
        for leg in legs:
            await leg.connect(START)
            await until(leg, "answered")
        await asyncio.sleep(1.0)
        await caller.hang_up()
        for leg in legs:
            await leg.hangup()
        for phone, heard in (
            (caller, (DESK_HZ, SECOND_HZ)),
            (police, (CALLER_HZ, SECOND_HZ)),
            (doctor, (CALLER_HZ, DESK_HZ)),
        ):
            await phone.end()
            assert all(phone.hears(hertz) for hertz in heard)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"answer": 486}, ["ended:busy"]),
        ({"answer": 486, "answer_s": 0.3}, ["ringing", "ended:busy"]),
        ({"answer": 480, "answer_s": 0.3}, ["ringing", "ended:no_answer"]),
        ({"answer": 0}, ["ringing", "ended:no_answer"]),
        ({"talk_s": 0.3}, ["ringing", "answered", "ended:ended"]),
    ],
)
async def test_outcomes(tmp_path, spec, expected):
    async with called(tmp_path, spec) as (_, call, _caller, _police):
        leg = call.leg(
            "trunk:police/110", answer_timeout_s=3.0 if spec.get("answer") == 0 else 15.0
        )
        await leg.connect(START)
        assert await asyncio.wait_for(story(leg), 60) == expected
        assert leg.state is LegState.ENDED
        with pytest.raises(LegError, match="dialled once"):
            await leg.connect(START)
        assert not call.gone.is_set()


async def test_early_media_of_a_busy_desk(tmp_path):
    spec = {"early": True, "answer": 486, "answer_s": 1.5}
    async with called(tmp_path, spec) as (_, call, caller, _police):
        leg = call.leg("trunk:police/110")
        await leg.connect(START)
        audio, ends = [], []
        async for event in leg:
            (audio if isinstance(event, LegAudio) else ends).append(event)
        assert ends[-1] == LegEnded(LegEndReason.BUSY)
        assert audio
        assert all(event.early for event in audio)
        pcm = np.concatenate([np.frombuffer(e.pcm, np.int16) for e in audio])
        assert has_tone(pcm, 8000, DESK_HZ)
        await caller.hang_up()
        await caller.end()
        assert caller.hears(DESK_HZ)


async def test_a_dead_trunk_is_unreachable_within_two_seconds(tmp_path, unused_udp_port):
    async with (
        running(trunks={"police": f"sip:127.0.0.1:{unused_udp_port}"}) as bot,
        telephone(tmp_path, "caller", call=bot.uri()),
    ):
        call = await bot.call()
        leg = call.leg("trunk:police/110")
        await leg.connect(START)
        assert await asyncio.wait_for(story(leg), 10) == ["ended:unreachable"]


async def test_a_refused_number_is_unreachable(tmp_path):
    async with called(tmp_path, {"answer": 404}) as (_, call, _caller, _police):
        leg = call.leg("trunk:police/110")
        await leg.connect(START)
        assert (await story(leg))[-1] == "ended:ended"


async def test_only_trunks_of_the_settings(tmp_path):
    async with called(tmp_path, {}) as (_, call, _caller, _police):
        for url in ("trunk:elsewhere/110", "wss://desk.example/110"):
            with pytest.raises(TelephonyError) as error:
                call.leg(url)
            assert error.value.code == "no_such_trunk"


async def test_a_caller_who_hangs_up_stops_a_ringing_leg(tmp_path):
    async with called(tmp_path, {"answer": 0}) as (_, call, caller, police):
        leg = call.leg("trunk:police/110")
        await leg.connect(START)
        await until(leg, "ringing")
        await caller.hang_up()
        assert (await story(leg))[-1] == "ended:hung_up"
        assert (await police.wait("over"))["code"] == 487


async def test_transfer_that_the_line_makes(tmp_path):
    """REFER: the caller's side dials 110 itself and reports; we then hang up."""
    async with contextlib.AsyncExitStack() as stack:
        police, address = await desk(stack, tmp_path, "desk", tone=DESK_HZ, answer_s=0.3)
        bot = await stack.enter_async_context(running(trunks={"police": address}))
        caller = await stack.enter_async_context(
            telephone(tmp_path, "caller", call=bot.uri(), tone=CALLER_HZ, refer="accept")
        )
        call = await bot.call()
        leg = call.leg("trunk:police/110?transfer=blind")
        await leg.connect(START)
        assert (await story(leg))[-1] == "ended:transferred"
        await asyncio.wait_for(call.gone.wait(), 60)
        assert (await caller.wait("refer"))["to"].startswith("sip:110@127.0.0.1")
        assert police.all("media")
        await caller.wait("over")


async def test_transfer_that_the_line_refuses(tmp_path):
    async with called(tmp_path, {}) as (_, call, caller, police):
        leg = call.leg("trunk:police/110?transfer=blind")
        await leg.connect(START)
        assert (await story(leg))[-1] in ("ended:ended", "ended:unreachable")
        assert not call.gone.is_set()
        assert not police.all("invite")
        await caller.hang_up()
