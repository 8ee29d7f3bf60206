"""The proxy before the media processes: headers, and what anybody may send to it."""

from __future__ import annotations

import asyncio
import random
import shutil
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.call_control import Rejection
from telephony.sip.datagram import forwarded, malformed, read, reply, returned
from telephony.sip.front import Front
from telephony.sip.settings import SipSettings
from tests.sip.bot import running
from tests.sip.telephones import telephone

OWN, SOURCE = "127.0.0.1:5062", ("127.0.0.1", 4444)


def invite(**changes: str) -> bytes:
    fields = {
        "Via": "SIP/2.0/UDP 10.0.0.9:5060;rport;branch=z9hG4bKabc",
        "Max-Forwards": "70",
        "From": "<sip:1@x>;tag=f",
        "To": "<sip:12345@y>",
        "Call-ID": "id@x",
        "CSeq": "1 INVITE",
        **changes,
    }
    lines = [f"{name}: {value}" for name, value in fields.items() if value]
    return ("INVITE sip:12345@y SIP/2.0\r\n" + "\r\n".join(lines) + "\r\n\r\nbody").encode()


def test_a_request_goes_in_and_its_response_comes_back():
    message = read(invite(**{"X-Voicebot-Peer": "1.2.3.4:5"}))
    inner = read(forwarded(message, OWN, SOURCE).to_bytes())
    assert inner.first("via").startswith(f"SIP/2.0/UDP {OWN};branch=z9hG4bK")
    assert inner.first("x-voicebot-peer") == "127.0.0.1:4444"
    assert inner.first("max-forwards") == "69"
    assert inner.body == "body"

    out, target = returned(read(reply(inner, 200, "OK", ("127.0.0.1", 9)).to_bytes()), OWN)
    assert target == SOURCE
    assert "10.0.0.9:5060" in out.first("via")
    assert returned(out, OWN) is None


def test_cancel_and_ack_have_the_branch_of_their_invite():
    branches = {
        forwarded(read(invite(CSeq=f"1 {name}")), OWN, SOURCE).first("via")
        for name in ("INVITE", "CANCEL", "ACK")
    }
    assert len(branches) == 1


def test_hops_run_out():
    assert forwarded(read(invite(**{"Max-Forwards": "0"})), OWN, SOURCE) is None
    assert forwarded(read(invite(**{"Max-Forwards": "-1"})), OWN, SOURCE) is None


@pytest.mark.parametrize("missing", ["Via", "Call-ID", "From", "To", "CSeq"])
def test_a_message_without_its_headers_is_none(missing):
    assert read(invite(**{missing: ""})) is None


@given(st.binary(max_size=400), st.integers(0, 300))
def test_no_bytes_are_an_error(noise, at):
    whole = invite()
    for data in (noise, whole[:at], whole[:at] + noise + whole[at:]):
        message = read(data)
        if message is not None:
            forwarded(message, OWN, SOURCE)
            returned(message, OWN)
            assert reply(message, 403, "Forbidden", SOURCE).to_bytes()


def ask(port: int, data: bytes, timeout: float = 20.0) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(timeout)
        sock.sendto(data, ("127.0.0.1", port))
        try:
            return sock.recv(65536).decode("latin-1").partition("\r\n")[0]
        except TimeoutError:
            return ""


def method(name: str) -> bytes:
    return invite(CSeq=f"1 {name}").replace(b"INVITE sip", f"{name} sip".encode())


async def test_what_the_front_answers_itself():
    async with running() as bot:
        for data, answer in (
            (method("OPTIONS"), "SIP/2.0 200 OK"),
            (method("REGISTER"), "SIP/2.0 405 Method Not Allowed"),
            (method("BYE"), "SIP/2.0 481 Call/Transaction Does Not Exist"),
            (method("ACK"), ""),
            (b"\r\n\r\n", ""),
        ):
            patience = 20.0 if answer else 0.5
            assert await asyncio.to_thread(ask, bot.endpoint.port, data, patience) == answer


@pytest.mark.parametrize(
    ("coming", "answer"), [(True, ""), (False, "SIP/2.0 503 Service Unavailable")]
)
async def test_a_call_waits_for_a_process_that_is_being_started(coming, answer):
    """It is sent again anyway; nothing else is."""
    front = await Front.open(SipSettings(port=0), lambda _: None, lambda: (), lambda: coming)
    try:
        patience = 20.0 if answer else 0.3
        assert await asyncio.to_thread(ask, front.port, invite(), patience) == answer
        bye = await asyncio.to_thread(ask, front.port, method("BYE"))
        assert bye.startswith("SIP/2.0 481")
    finally:
        front.close()


@pytest.mark.parametrize(
    ("data", "bad"),
    [
        (method("INVITE"), False),
        (invite(CSeq="1 REFER"), True),
        (invite(CSeq="1"), True),
        (invite(CSeq="2147483648 INVITE"), True),
        (invite(Via="SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKa\r~Max-Forwards: 70"), True),
        (invite(From="<sip:1@x>\n;tag=f"), True),
        (invite(Subject="a\0b"), True),
        (method("ACK"), True),
        (method("ACK").replace(b"To: <sip:12345@y>", b"To: <sip:12345@y>;tag=t"), False),
        (method("ACK").replace(b"To: <sip:12345@y>", b"t: sip:12345@y ; TAG = t"), False),
        (method("ACK").replace(b"To: <sip:12345@y>", b"To: <sip:12345@y;tag=t>"), True),
        (method("ACK").replace(b"To: <sip:12345@y>", b'To: "a;tag=t" <sip:12345@y>'), True),
        (method("ACK").replace(b"To: <sip:12345@y>", b"To: <sip:12345@y>;tag="), True),
    ],
)
def test_what_pjsip_would_abort_on_is_told_from_the_rest(data, bad):
    assert malformed(read(data)) is bad


async def test_no_datagram_takes_a_process_with_it():
    """Each of these ended one: an ACK that names no response, a method that is not its CSeq's,
    and an INVITE without an offer that is refused within PJSIP's callback."""
    answers = {}

    async def refuse(call):
        await call.reject(Rejection.FULL)
        return True

    async with running() as bot:
        bot.decide = refuse
        process = bot.endpoint.processes[0]
        fields = {"Contact": "<sip:1@127.0.0.1:9>", "Content-Length": "0"}
        plain = invite(**fields).replace(b"body", b"")
        for name, data, port in (
            ("first", plain, bot.endpoint.port),
            ("ack", method("ACK").replace(b"z9hG4bKabc", b"z9hG4bKother"), bot.endpoint.port),
            ("cseq", invite(**fields, CSeq="1 INFO").replace(b"body", b""), bot.endpoint.port),
            ("stranger", plain.replace(b"id@x", b"other@x"), process.port),
        ):
            patience = 0.5 if name == "ack" else 20.0
            answers[name] = await asyncio.to_thread(ask, port, data, patience)
        await asyncio.sleep(0.5)
        assert bot.endpoint.processes == [process]
    assert answers["cseq"] == "SIP/2.0 400 Bad Request"
    assert answers["stranger"]


async def test_what_pjsip_would_cut_is_refused():
    """It aborts on an INVITE that did not fit, with all the calls of the process."""
    async with running() as bot:
        process = bot.endpoint.processes[0]
        for size in (4000, 9000):
            data = invite(**{"X-Long": "x" * size})
            answer = await asyncio.to_thread(ask, bot.endpoint.port, data)
            assert answer == "SIP/2.0 513 Message Too Large"
        assert bot.endpoint.room == 2
        assert bot.endpoint.processes == [process]


@pytest.mark.parametrize(
    "odd", [{"Call-ID": "RAW@x"}, {"P-Asserted-Identity": "<sip:RAW@x>"}, {"From": "<sip:%0d@x>"}]
)
async def test_bytes_that_are_no_text_are_no_number_and_take_no_room(odd):
    fields = {"Contact": "<sip:1@127.0.0.1:9>", "Content-Length": "0", **odd}
    data = invite(**fields).replace(b"body", b"").replace(b"RAW", b"\xd5\xc5")

    async def refuse(call):
        await call.reject(Rejection.FULL)
        return True

    async with running() as bot:
        bot.decide = refuse
        assert await asyncio.to_thread(ask, bot.endpoint.port, data)
        info = (await asyncio.wait_for(bot.offers.get(), 60)).info
        assert info.caller == ("" if "From" in odd else "1")
        async with asyncio.timeout(60):
            while bot.endpoint.room != 2:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(("address", "way"), [("0.0.0.0", "sendrecv"), ("127.0.0.1", "inactive")])
async def test_an_offer_without_audio_either_way_is_no_fault_of_ours(address, way, capfd):
    sdp = (
        f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
        f"m=audio 40000 RTP/AVP 8\r\na={way}\r\n"
    )
    data = invite(
        **{
            "Contact": "<sip:1@127.0.0.1:9>",
            "Content-Type": "application/sdp",
            "Content-Length": str(len(sdp)),
        }
    ).replace(b"body", sdp.encode())
    answered = asyncio.Event()

    async def answer(call):
        trying = asyncio.create_task(call.answer())
        await asyncio.sleep(0.3)  # there is no ACK: PJSIP's answer is what is looked at
        trying.cancel()
        answered.set()
        return True

    async with running() as bot:
        bot.decide = answer
        assert await asyncio.to_thread(ask, bot.endpoint.port, data)
        await asyncio.wait_for(answered.wait(), 60)
    assert "has failed" not in capfd.readouterr().err


MALFORMED = (
    b"",
    b"\x00" * 2000,
    b"INVITE",
    b"INVITE sip: SIP/2.0\r\n\r\n",
    invite(Via="SIP/2.0/UDP"),
    invite(Via="x" * 8000),
    invite(CSeq="99999999999999999999 INVITE"),
    invite(CSeq="1 BYE"),
    invite(From="\u4e2d\u6587"),
    invite(To=";;;;"),
    invite(**{"Content-Length": "99999999"}),
    invite(**{"Content-Length": "-1"}),
    invite(**{"Content-Type": "application/sdp"}).replace(b"body", b"v=0\r\nm=audio x y z\r\n"),
    invite(Contact="<sip:%%%@[::::]:99999>"),
    invite(**{"User-to-User": "zz;encoding=hex"}),
    invite(**{"Call-ID": "a" * 3000}),
)


async def test_malformed_sip_and_noise_leave_calls_alone(tmp_path):
    """To the front, and to a process itself, with a call that is up."""
    noise = random.Random(4)
    async with running() as bot, telephone(tmp_path, "a", call=bot.uri(), tone=440) as caller:
        call = await bot.call()
        process = bot.endpoint.processes[0]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            for port in (bot.endpoint.port, process.port):
                for data in MALFORMED:
                    sock.sendto(data, ("127.0.0.1", port))
                whole = invite(**{"Call-ID": f"fuzz{port}"})
                for _ in range(200):
                    at = noise.randrange(len(whole))
                    piece = noise.randbytes(noise.randrange(1, 40))
                    sock.sendto(whole[:at] + piece + whole[at + 1 :], ("127.0.0.1", port))
                    sock.sendto(noise.randbytes(noise.randrange(1, 600)), ("127.0.0.1", port))
                    await asyncio.sleep(0)
        await asyncio.sleep(1.0)
        assert not call.gone.is_set()
        assert bot.endpoint.processes == [process]
        await call.hears(0.5)
        await caller.hang_up()
        await asyncio.wait_for(call.gone.wait(), 60)


@pytest.mark.skipif(not shutil.which("sipp"), reason="sip-tester is not installed")
async def test_sipp_is_answered(tmp_path):
    """Software nobody here wrote: the built-in scenario of sipp, one call after the other."""
    async with running(processes=2) as bot:
        sipp = await asyncio.create_subprocess_exec(
            "sipp", f"127.0.0.1:{bot.endpoint.port}", "-sn", "uac", "-i", "127.0.0.1",
            "-s", "12345", "-m", "6", "-l", "3", "-r", "3", "-d", "500", "-nostdin",
            "-cid_str", "call-%u@sipp",
            cwd=tmp_path, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        calls = [await bot.call() for _ in range(6)]
        assert await asyncio.wait_for(sipp.wait(), 90) == 0
        assert all(call.info.did == "12345" for call in calls)
        assert {call.info.signalled for call in calls} == {f"call-{n}@sipp" for n in range(1, 7)}
