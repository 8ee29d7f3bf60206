"""The running SIP front and the media processes behind it, under malformed SIP and RTP.

One call is up all the time; it must go on hearing. Others are made, spoilt within their own dialog
and hung up. A process that ends, a front that no longer answers and a call that is lost are
crashes; the datagrams sent since the last look are in the report.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import socket
import time
from collections.abc import Callable, Sequence

from telephony.call_control import IncomingCall, Rejection
from tests.fuzz.mutation import edited
from tests.fuzz.raw_caller import (
    NUMBER,
    NotAnswered,
    RawCaller,
    call,
    desk_says,
    open_socket,
    rtp_packet,
)
from tests.fuzz.running import Outcome
from tests.fuzz.sip import REQUESTS, RESPONSES, SDP, WORDS, request
from tests.sip.bot import Bot, Served, running

BATCH = 200
"""Datagrams between two looks."""
PATIENCE_S = 30.0
LEG_S = 0.5
"""How long a desk is spoken to."""

_OFFER = b"Content-Type: application/sdp\r\n"
_WITHIN = (
    ("INVITE", _OFFER, SDP),
    ("UPDATE", _OFFER, SDP),
    ("INFO", b"Content-Type: application/dtmf-relay\r\n", b"Signal=5\r\nDuration=160\r\n"),
    ("NOTIFY", b"Event: refer\r\nContent-Type: message/sipfrag\r\n", b"SIP/2.0 200 OK\r\n"),
    ("PRACK", b"RAck: 1 1 INVITE\r\n", b""),
    ("OPTIONS", b"", b""),
    ("REFER", b"Refer-To: <sip:110@127.0.0.1>\r\n", b""),
    ("ACK", _OFFER, SDP),
)
_RTP = (
    rtp_packet(7),
    rtp_packet(8, b"\x05\x8a\x03\xc0", 101),
    rtp_packet(9, b"\x00" * 1200, 96),
    rtp_packet(10, b"", 13),
    b"\x90" + rtp_packet(11)[1:12] + b"\xbe\xde\x00\x01\x10\xff\x00\x00" + b"\xd5" * 160,
    # RTCP: sender report with one block, bye, application-defined, a whole of two
    b"\x81\xc8\x00\x0cfuzz" + bytes(48), b"\x81\xcb\x00\x01fuzz", b"\x80\xcc\x00\x02fuzzNAME",
    b"\x81\xc9\x00\x07fuzz" + bytes(24) + b"\x81\xca\x00\x02fuzz\x01\x02ab",
    # STUN binding request, DTLS client hello
    b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), b"\x16\xfe\xff" + bytes(40),
)  # fmt: skip
_RTP_WORDS = (b"\x80\x08", b"\xff\xff", b"\x81\xc8", b"\xbf", b"\xa0\x08", b"\x80\x65")


async def fuzz_live(
    *, seconds: float, seed: int, told: Callable[[int], None] = lambda _: None
) -> Outcome:
    """As `tests.fuzz.running.fuzz`."""
    began = time.monotonic()
    noise = random.Random(seed)
    sent: list[bytes] = []
    count = 0
    crash = ""
    trunk = open_socket()
    trunks = {"fuzz": f"sip:127.0.0.1:{trunk.getsockname()[1]}"}
    async with running(processes=2, trunks=trunks) as bot:
        bot.decide = _answers_ours
        processes = [(each.pid, each.port) for each in bot.endpoint.processes]
        try:
            up = await call(bot.endpoint.port)
            served = await bot.call()
            speaking = asyncio.create_task(up.speak())
            began = time.monotonic()
            while time.monotonic() - began < seconds:
                sent.clear()
                for ports in (_ports(bot), up.media):
                    sent += await _spoil(noise, ports)
                sent += await _spoilt_call(noise, bot, trunk)
                count += len(sent)
                told(count)
                await _look(bot, served, processes)
            speaking.cancel()
            up.hang_up()
            bot.decide = None
            await _others_are_answered(bot)
        except (AssertionError, TimeoutError) as error:
            datagrams = "\n".join(map(repr, sent))
            crash = f"seed {seed}\n{error!r}\n{datagrams}"
    return Outcome(time.monotonic() - began, count, crash)


async def _answers_ours(offered: IncomingCall) -> bool:
    """A call that noise has made is refused, so that it takes no room."""
    if offered.info.caller == NUMBER:
        return False
    await offered.reject(Rejection.FULL)
    return True


def _ports(bot: Bot) -> list[tuple[str, int]]:
    ports = [bot.endpoint.port, *(each.port for each in bot.endpoint.processes)]
    return [("127.0.0.1", port) for port in ports]


def _piece(noise: random.Random, words: Sequence[bytes]) -> bytes:
    return noise.choice(words) if noise.random() < 0.6 else noise.randbytes(noise.randrange(12))


def spoilt(noise: random.Random, samples: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """One of `samples` after one to six edits."""
    edits = [
        (noise.randrange(7), noise.randrange(65536), noise.randrange(65536), _piece(noise, words))
        for _ in range(noise.randrange(1, 7))
    ]
    return edited(noise.choice(samples), noise.choice(samples), edits)[:9000]


async def _spoil(
    noise: random.Random, where: list[tuple[str, int]] | tuple[str, int]
) -> list[bytes]:
    """SIP to the front and the processes, or RTP and RTCP to a call's own ports."""
    media = isinstance(where, tuple)
    sent = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        for number in range(BATCH):
            if isinstance(where, tuple):
                data = spoilt(noise, _RTP, _RTP_WORDS)
                target = (where[0], where[1] + (noise.random() < 0.3))
            else:
                own = f"fuzz-{noise.getrandbits(48):x}".encode()
                data = spoilt(noise, (*REQUESTS, *RESPONSES), WORDS)
                data = data.replace(b"fuzz-1@", own + b"@") if number % 2 else data
                target = where[0] if noise.random() < 0.7 else noise.choice(where)
            with contextlib.suppress(OSError):
                sock.sendto(data, target)
            sent.append(data)
            if not number % 20:
                await asyncio.sleep(0.005 if media else 0.01)
    return sent


async def _spoilt_call(noise: random.Random, bot: Bot, trunk: socket.socket) -> list[bytes]:
    """A call of ours whose own requests and audio, and a leg's, are spoilt, until it is hung up or
    lost.
    """
    caller = await _called(bot)
    served = await bot.call()
    sent = []
    for _ in range(BATCH // 4):
        whole = caller.request(*noise.choice(_WITHIN))
        data = spoilt(noise, (whole, whole, request("BYE")), WORDS)[:3900]
        caller.send(data)
        with contextlib.suppress(OSError):
            packet = spoilt(noise, _RTP, _RTP_WORDS)
            caller.rtp.sendto(packet, caller.media)
            sent.append(packet)
        sent.append(data)
        await asyncio.sleep(0.002)
    sent += await _spoilt_leg(noise, served, trunk)
    caller.hang_up()
    await asyncio.wait_for(served.gone.wait(), PATIENCE_S)
    return sent


async def _spoilt_leg(noise: random.Random, served: Served, trunk: socket.socket) -> list[bytes]:
    """A desk that is dialled for the caller, and whose answers and requests are spoilt."""
    leg = served.leg("trunk:fuzz/110", answer_timeout_s=LEG_S)
    await leg.connect({"caller": NUMBER, "handoff": "h"})
    loop, sent = asyncio.get_running_loop(), list[bytes]()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LEG_S):
            while len(sent) < BATCH // 4:
                data, source = await loop.sock_recvfrom(trunk, 65536)
                answers, asks = desk_says(data, trunk)
                for _ in range(4 * bool(answers)):
                    whole = answers if noise.random() < 0.6 else asks
                    as_it_is = noise.random() < 0.3
                    said = noise.choice(whole[-2:]) if as_it_is else spoilt(noise, whole, WORDS)
                    sent.append(said[:3900])
                    trunk.sendto(sent[-1], source)
                    await asyncio.sleep(0.005)
    await leg.hangup()
    return sent


async def _called(bot: Bot) -> RawCaller:
    """Noise takes room for a moment."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await call(bot.endpoint.port)
            except NotAnswered as error:
                if "503" not in str(error):
                    raise
                await asyncio.sleep(0.2)


async def _look(bot: Bot, served: Served, processes: list[tuple[int, int]]) -> None:
    now = [(each.pid, each.port) for each in bot.endpoint.processes]
    assert now == processes, f"a process ended: {processes} are {now}"
    assert not served.gone.is_set(), "the call that is up was lost"
    await served.hears(0.1)
    assert await _options(bot.endpoint.port), "the front does not answer"


async def _options(port: int) -> bool:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        for _ in range(5):
            sock.sendto(request("OPTIONS"), ("127.0.0.1", port))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2.0):
                    return (await loop.sock_recv(sock, 65536)).startswith(b"SIP/2.0 200")
    return False


async def _others_are_answered(bot: Bot) -> None:
    """Software nobody here wrote, where it is installed: sipp's own callers."""
    if not shutil.which("sipp"):
        return
    await bot.has_room()
    sipp = await asyncio.create_subprocess_exec(
        "sipp", f"127.0.0.1:{bot.endpoint.port}", "-sn", "uac", "-i", "127.0.0.1", "-s", "12345",
        "-m", "4", "-l", "2", "-r", "2", "-d", "300", "-nostdin", cwd="/tmp",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await asyncio.wait_for(sipp.wait(), 90) == 0, "sipp's calls were not answered"
