"""What ends PJSIP is kept from it, and keys in INFO are heard however a gateway writes them."""

from __future__ import annotations

import asyncio
import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.datagram import read
from telephony.sip.guard import readable, survived
from telephony.sip.info_keys import key_in
from tests.fuzz.raw_caller import answer, call, open_socket
from tests.fuzz.sip import SDP
from tests.sip.bot import running, until
from tests.sip.test_front import ask, invite

RELAY = b"Content-Type: application/dtmf-relay\r\n"
HEAD = b"INFO sip:1@x SIP/2.0\r\nCSeq: 2 INFO\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ("Signal=5\r\nDuration=160\r\n", "5"),
        ("Signal= 5\r\nDuration= 160", "5"),
        ("signal=#", "#"),
        ("Duration=160\nSignal=*\n", "*"),
        ("Signal=10\r\n", "*"),
        ("Signal=11\r\n", "#"),
        ("Signal=16\r\n", ""),  # a hook flash
        ("Signal=A\r\n", ""),
        ("Signal=", ""),
        ("Signal=55555", ""),
        ("", ""),
    ],
)
def test_a_key_is_read_however_a_gateway_writes_it(body, key):
    assert key_in(body) == key


@given(st.one_of(st.binary(max_size=60), st.just(b"Signal=5")), st.integers(0, 120))
def test_what_pjsua_reads_has_a_line_end_or_no_key_and_fits(body, room):
    info = HEAD + body
    new = readable(info, room)
    assert new.startswith(HEAD)
    assert len(info) <= len(new)
    assert len(new) == len(info) or len(new) < room
    left = new[len(HEAD) :].rstrip(b"\r")
    assert not left or (left.startswith(b"Signal=") and left.endswith(b"\r\n"))


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        (b"CSeq: 2 INFO", b"CSeq: 2 BYE"),
        (b"CSeq: 2 INFO", b"CSeq: 2\n INFO"),
        (b"To: <sip:12345@x>;tag=t\r\n", b""),
        (b"SIP/2.0\r\n", b"SIP/2.0\n"),
    ],
)
def test_a_request_that_pjsip_may_abort_on_is_known(line, instead):
    request = (
        b"INFO sip:12345@x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\n"
        b"From: <sip:1@x>;tag=f\r\nTo: <sip:12345@x>;tag=t\r\nCall-ID: a@x\r\n"
        b"CSeq: 2 INFO\r\n\r\n"
    )
    assert survived(request)
    assert not survived(request.replace(line, instead))


@pytest.mark.parametrize(
    ("start", "to", "seen"),
    [
        ("SIP/2.0 100 Trying", "<sip:110@x>", True),
        ("SIP/2.0 183 Session Progress", "<sip:110@x>", False),
        ("SIP/2.0 200 OK", "<sip:110@x>", False),
        ("SIP/2.0 200 OK", "<sip:110@x>;tag=t", True),
        ("SIP/2.0 200 OK", "<sip:110@x>\n;tag=t", False),
        ("SIP/2.0 486 Busy Here", "<sip:110@x>", True),
    ],
)
def test_a_response_that_makes_a_dialog_has_a_tag(start, to, seen):
    fields = f"Via: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:1@x>;tag=f\r\nTo: {to}\r\n"
    response = f"{start}\r\n{fields}Call-ID: a@x\r\nCSeq: 1 INVITE\r\n\r\n"
    assert bool(survived(response.encode())) is seen


async def test_keys_in_info_are_heard_and_none_of_them_ends_the_call():
    async with running(processes=1) as bot:
        caller = await call(bot.endpoint.port)
        served, process = await bot.call(), bot.endpoint.processes[0].pid
        for body in (b"Signal=", b"Signal=16", b"\0", b"\xff\r\n"):
            caller.send(caller.request("INFO", RELAY, body))
        long = b"x" * 3600 + b"\r\nSignal=4"
        blanks = b"Signal= 2\r\nDuration= 160"
        written = (b"Signal=1", blanks, b"Signal=3\n", long, b"Signal=11\r\n")
        for body, key in zip(written, "1234#", strict=True):
            caller.send(caller.request("INFO", RELAY, body))
            assert await asyncio.wait_for(served.keys.get(), 20) == key
        assert not served.gone.is_set()
        assert bot.endpoint.processes[0].pid == process
        caller.hang_up()


@pytest.mark.parametrize("to", ["<sip:12345@y>", '";tag=1" <sip:12345@y>', "<sip:12345@y;tag=1>"])
async def test_a_stray_ack_at_a_process_s_own_port_ends_no_call(to):
    async with running(processes=1) as bot:
        caller = await call(bot.endpoint.port)
        served, process = await bot.call(), bot.endpoint.processes[0]
        plain = invite(Contact="<sip:1@127.0.0.1:9>", To=to).replace(b"body", b"")
        assert await asyncio.to_thread(ask, process.port, plain)
        ack = plain.replace(b"INVITE", b"ACK").replace(b"z9hG4bKabc", b"z9hG4bKother")
        caller.send(ack)
        caller.send(caller.request("INFO", RELAY, b"Signal=7\r\n"))
        assert await asyncio.wait_for(served.keys.get(), 20) == "7"
        assert bot.endpoint.processes == [process]
        caller.hang_up()


@pytest.mark.parametrize("early", [("audio 40000", "audio 0"), ("0 8 9", "18"), ("s=-", "s=")])
async def test_a_desk_whose_early_answer_is_of_no_use_is_answered_by_its_next(early):
    """PJSUA gave such a leg up, and aborted when the desk answered after all."""
    unusable = SDP.replace(*(each.encode() for each in early))
    async with leg_to(183, unusable) as (leg, served, answered):
        answered(200, SDP)
        await asyncio.wait_for(until(leg, "answered"), 20)
        assert not served.gone.is_set()


async def test_a_desk_that_answers_without_a_tag_ends_no_call():
    async with leg_to(180, b"") as (leg, served, answered):
        answered(200, SDP, lambda data: re.sub(rb"(\r\nTo: .*);tag=\w+", rb"\1", data))
        await served.hears(0.2)
        await leg.hangup()
        assert not served.gone.is_set()


@contextlib.asynccontextmanager
async def leg_to(code, sdp):
    """A leg to a desk that has said this: the leg, its call, and how the desk says more."""
    desk = open_socket()
    trunks = {"police": f"sip:127.0.0.1:{desk.getsockname()[1]}"}
    async with running(processes=1, trunks=trunks) as bot:
        caller = await call(bot.endpoint.port)
        speaking = asyncio.create_task(caller.speak())
        served = await bot.call()
        leg = served.leg("trunk:police/110")
        await leg.connect({"caller": "139", "handoff": "h"})
        loop = asyncio.get_running_loop()
        data, source = await asyncio.wait_for(loop.sock_recvfrom(desk, 65536), 20)

        def answered(code, sdp, changed=bytes):
            desk.sendto(changed(answer(read(data), code, "X", desk, sdp)), source)

        answered(code, sdp)
        await asyncio.wait_for(until(leg, "ringing"), 20)
        yield leg, served, answered
        speaking.cancel()
        caller.hang_up()
