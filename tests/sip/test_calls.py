"""Calls from telephones: sound both ways by content, keys, numbers, refusals."""

from __future__ import annotations

import asyncio
import shutil
import subprocess

import numpy as np
import pytest
import soundfile

from telephony.call_control import Rejection, Trunk
from telephony.errors import CallError
from tests.sip.bot import BOT_HZ, running
from tests.sip.telephones import has_tone, telephone

CALLER = "sip:13800138000@127.0.0.1"


@pytest.mark.parametrize(
    ("codec", "rate"), [("PCMA/8000", 8000), ("PCMU/8000", 8000), ("G722/16000", 16000)]
)
async def test_both_sides_hear_each_other(tmp_path, codec, rate):
    # In G.722 the caller's tone is one that 8 kHz could not carry.
    hertz = 440 if rate == 8000 else 5000
    async with (
        running() as bot,
        telephone(
            tmp_path, "caller", call=bot.uri(), local=CALLER, tone=hertz, codecs=[codec]
        ) as caller,
    ):
        call = await bot.call()
        assert (call.info.caller, call.info.did, call.info.rate) == ("13800138000", "12345", rate)
        assert call.info.trunk is Trunk.PUBLIC
        await call.hears(0.8)
        await caller.hang_up()
        await asyncio.wait_for(call.gone.wait(), 60)
        assert await asyncio.wait_for(bot.over.get(), 60) == call.info.call_id
        assert has_tone(call.heard, rate, hertz)
        assert not has_tone(call.heard, rate, BOT_HZ)  # the caller alone
        assert all(len(frame) == rate // 50 for frame in call.frames)
        await caller.end()
        assert caller.hears(BOT_HZ)
        assert (await caller.wait("media"))["codec"] == codec.partition("/")[0]


async def test_the_bot_hangs_up(tmp_path):
    async with running() as bot, telephone(tmp_path, "caller", call=bot.uri()) as caller:
        call = await bot.call()
        await call.line.hang_up()
        await call.line.hang_up()
        await caller.end()
        await asyncio.wait_for(bot.over.get(), 60)


async def test_keys_both_ways(tmp_path):
    async with (
        running() as bot,
        telephone(tmp_path, "caller", call=bot.uri(), keys="12*#0") as caller,
    ):
        call = await bot.call()
        await caller.wait("media")
        await call.line.send_keys("9#")
        await caller.wait("key", key="9")
        await caller.wait("key", key="#")
        async with asyncio.timeout(60):
            assert [await call.keys.get() for _ in range(5)] == list("12*#0")
        with pytest.raises(ValueError, match="keys are"):
            await call.line.send_keys("1x")


async def test_what_is_cleared_is_not_heard(tmp_path):
    async with running() as bot, telephone(tmp_path, "caller", call=bot.uri()) as caller:
        call = await bot.call()
        call.speaking.cancel()
        await caller.wait("media")
        await asyncio.sleep(0.3)
        tone = (8000 * np.sin(2 * np.pi * 1500 * np.arange(160) / 8000)).astype(np.int16)
        for _ in range(90):
            await call.line.send_audio(tone)
        await call.line.clear()
        await asyncio.sleep(1.0)
        await caller.hang_up()
        await caller.end()
        assert not caller.hears(1500)
        pcm, rate = caller.heard
        assert np.mean(pcm[-rate // 2 :].astype(float) ** 2) > 1, "a quiet line, not a dead one"


@pytest.mark.parametrize("hertz", [523, 1500])
async def test_a_caller_on_hold_hears_music(tmp_path, hertz):
    """Our soft tones, or a file."""
    music = tmp_path / "music.wav"
    wave = 8000 * np.sin(2 * np.pi * 1500 * np.arange(8000) / 8000)
    soundfile.write(music, wave.astype(np.int16), 8000)
    async with (
        running(music=str(music) if hertz == 1500 else "") as bot,
        telephone(tmp_path, "caller", call=bot.uri(), tone=440) as caller,
    ):
        call = await bot.call()
        call.speaking.cancel()
        await caller.wait("media")
        await call.line.hold(True)
        await call.hears(1.0)  # the application hears a caller who waits
        await call.line.hold(False)
        await asyncio.sleep(1.0)
        await caller.hang_up()
        await caller.end()
        assert caller.hears(hertz, share=0.05)
        assert not caller.hears(hertz, last_s=0.8, share=0.05)


async def test_the_number_comes_from_the_network_before_from(tmp_path):
    headers = {
        "P-Asserted-Identity": '"x" <sip:+8613900139000@carrier.example;user=phone>',
        "User-to-User": b"JQ-2026-1".hex() + ";encoding=hex",
    }
    async with (
        running() as bot,
        telephone(tmp_path, "caller", call=bot.uri("96110"), local=CALLER, headers=headers),
    ):
        info = (await bot.call()).info
        assert (info.caller, info.did) == ("+8613900139000", "96110")
        assert (info.trunk, info.order) == (Trunk.PUBLIC, ""), "the public brings no order"


async def test_a_call_from_110_brings_its_order(tmp_path):
    headers = {"User-to-User": b"JQ-2026-1".hex() + ";encoding=hex"}
    async with (
        running(police_peers=("127.0.0.1",)) as bot,
        telephone(tmp_path, "caller", call=bot.uri(), headers=headers, local=CALLER),
    ):
        info = (await bot.call()).info
        assert (info.trunk, info.order, info.caller) == (Trunk.POLICE, "JQ-2026-1", "13800138000")


@pytest.mark.parametrize(
    ("why", "code", "retry_after"),
    [
        (Rejection.FULL, 503, 7),
        (Rejection.STOPPING, 503, 0),
        (Rejection.TOO_MANY, 480, 7),
        (Rejection.NOT_OURS, 404, 0),
        (Rejection.DUPLICATE, 482, 0),
    ],
)
async def test_refusals(tmp_path, why, code, retry_after):
    async def refuse(call):
        await call.reject(why, retry_after)
        await call.closed()
        return True

    async with running() as bot:
        bot.decide = refuse
        async with telephone(tmp_path, "caller", call=bot.uri()) as caller:
            over = await caller.wait("over")
            assert (over["code"], over["retry_after"]) == (code, str(retry_after or ""))
            await caller.end()
            assert not caller.all("media")


async def test_a_caller_who_hangs_up_before_the_answer(tmp_path):
    outcome = asyncio.get_running_loop().create_future()

    async def late(call):
        await phone.hang_up()
        await call.closed()
        try:
            await call.answer()
        except CallError as error:
            outcome.set_result(error.code)
        return True

    async with running() as bot:
        bot.decide = late
        async with telephone(tmp_path, "caller", call=bot.uri()) as phone:
            assert await asyncio.wait_for(outcome, 60) == "gone"


async def test_strangers_are_refused(tmp_path):
    async with (
        running(peers=("192.0.2.7",)) as bot,
        telephone(tmp_path, "caller", call=bot.uri()) as caller,
    ):
        assert (await caller.wait("over"))["code"] == 403
        assert bot.offers.empty()


async def test_a_call_that_does_not_come_through_the_front_is_refused(tmp_path):
    async with running() as bot:
        port = bot.endpoint.processes[0].port
        headers = {"X-Voicebot-Peer": "127.0.0.1:1"}
        uri = f"sip:12345@127.0.0.1:{port}"
        async with telephone(tmp_path, "caller", call=uri, headers=headers) as caller:
            assert (await caller.wait("over"))["code"] == 403


async def test_more_calls_than_there_is_room_for(tmp_path):
    async with running(processes=2, callers_per_process=1) as bot:
        spec = {"call": bot.uri(), "tone": 440}
        async with telephone(tmp_path, "a", **spec), telephone(tmp_path, "b", **spec):
            first, second = await bot.call(), await bot.call()
            assert bot.endpoint.room == 0
            async with telephone(tmp_path, "c", **spec) as third:
                over = await third.wait("over")
                assert (over["code"], over["retry_after"]) == (503, "5")
            await first.line.hang_up()
            await asyncio.wait_for(bot.over.get(), 60)
            await bot.has_room()
            async with telephone(tmp_path, "d", **spec):
                await bot.call()
            assert not second.gone.is_set()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate and its key."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    files = (str(folder / "certificate.pem"), str(folder / "key.pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


@pytest.mark.parametrize(
    ("transport", "srtp"),
    [("tcp", "off"), ("tls", "off"), ("tls", "required"), ("udp", "optional")],
)
async def test_encrypted_and_other_transports(tmp_path, transport, srtp, certificate):
    tls = dict(zip(("tls_certificate", "tls_key"), certificate, strict=True))
    async with running(
        transport=transport, srtp=srtp, **(tls if transport == "tls" else {})
    ) as bot:
        process = bot.endpoint.processes[0]
        uri = bot.uri() if transport == "udp" else f"sip:12345@127.0.0.1:{process.port}"
        async with telephone(
            tmp_path,
            "caller",
            call=f"{uri};transport={transport}",
            transport=transport,
            srtp={"off": 0, "optional": 1, "required": 2}[srtp],
            tone=440,
        ) as caller:
            call = await bot.call()
            await call.hears(2.0)
            await caller.hang_up()
            await asyncio.wait_for(bot.over.get(), 60)
            assert has_tone(call.heard, 8000, 440)
            await caller.end()
            assert caller.hears(BOT_HZ, share=0.05)


async def test_required_srtp_is_required(tmp_path):
    async with (
        running(srtp="required") as bot,
        telephone(tmp_path, "caller", call=bot.uri()) as caller,
    ):
        assert (await caller.wait("over"))["code"] in (406, 415, 488)
