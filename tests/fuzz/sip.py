"""SIP messages and SDP as the front and the media processes' Python side read them."""

from __future__ import annotations

from hypothesis import strategies as st

from telephony.sip import headers, sdp, wire
from telephony.sip.datagram import Datagram, forwarded, has_dialog, read, reply, returned
from telephony.sip.identity import leg_headers, own_uri
from tests.fuzz.mutation import json_text, mutated
from tests.fuzz.target import Target

OWN, SOURCE = "127.0.0.1:5062", ("127.0.0.1", 4444)

SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 0 8 9 96 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:8 PCMA/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
)
SAVP = SDP.replace(b"RTP/AVP", b"RTP/SAVP") + (
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"
    b"d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32\r\n"
)


def request(method: str, extra: bytes = b"", body: bytes = b"") -> bytes:
    """A request whole and well-formed, as a trunk sends it."""
    return (
        f"{method} sip:12345@127.0.0.1 SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 127.0.0.1:4444;rport;branch=z9hG4bKfuzz1\r\n"
        "Max-Forwards: 70\r\nFrom: \"a\" <sip:13800000000@127.0.0.1>;tag=f\r\n"
        "To: <sip:12345@127.0.0.1>\r\nCall-ID: fuzz-1@127.0.0.1\r\n"
        f"CSeq: 1 {method}\r\nContact: <sip:13800000000@127.0.0.1:4444>\r\n"
    ).encode() + extra + f"Content-Length: {len(body)}\r\n\r\n".encode() + body  # fmt: skip


_OFFER = b"Content-Type: application/sdp\r\n"
_WHO = (
    b"P-Asserted-Identity: <sip:+8613800000000@127.0.0.1;user=phone>, <tel:+8613800000000>\r\n"
    b"User-to-User: 68616e646f6666;encoding=hex\r\nDiversion: <sip:110@x>;reason=unconditional\r\n"
    b"Privacy: id\r\nSupported: timer, 100rel\r\nSession-Expires: 90;refresher=uac\r\n"
)
REQUESTS = (
    request("INVITE", _OFFER, SDP),
    request("INVITE", _WHO + _OFFER, SAVP),
    request("INVITE", _WHO),
    request("INVITE", b"Subject: folded\r\n over\r\n two\r\nRoute: <sip:127.0.0.1;lr>\r\n"),
    request("OPTIONS"),
    request("CANCEL"),
    request("ACK"),
    request("BYE", b"Reason: Q.850;cause=16\r\n"),
    request("UPDATE", _OFFER, SDP),
    request("PRACK", b"RAck: 1 1 INVITE\r\n"),
    request("INFO", b"Content-Type: application/dtmf-relay\r\n", b"Signal=1\r\nDuration=160\r\n"),
    request("NOTIFY", b"Event: refer\r\nContent-Type: message/sipfrag\r\n", b"SIP/2.0 200 OK\r\n"),
    request("REFER", b"Refer-To: <sip:110@127.0.0.1?Replaces=a%3Bto-tag%3Db>\r\n"),
    request("INVITE", _OFFER, SDP)
    .replace(b"From:", b"f:").replace(b"To:", b"t:").replace(b"Via:", b"v:")
    .replace(b"Call-ID:", b"i:").replace(b"Content-Length:", b"l:").replace(b"Contact:", b"m:"),
)  # fmt: skip
RESPONSES = tuple(
    f"SIP/2.0 {code}\r\n"
    f"Via: SIP/2.0/UDP {OWN};branch=z9hG4bKx, SIP/2.0/UDP 127.0.0.1:4444;rport=4444;"
    "received=127.0.0.1;branch=z9hG4bKfuzz1\r\n"
    "From: <sip:1@x>;tag=f\r\nTo: <sip:12345@y>;tag=t\r\nCall-ID: fuzz-1@127.0.0.1\r\n"
    "CSeq: 1 INVITE\r\nContact: <sip:12345@127.0.0.1:5070>\r\nContent-Length: 0\r\n\r\n".encode()
    for code in ("100 Trying", "183 Session Progress", "200 OK", "302 Moved", "486 Busy Here")
)
WORDS = (
    b";tag=", b";branch=z9hG4bK", b";rport", b";received=", b"Via: ", b"\r\nVia: SIP/2.0/UDP x\r\n",
    b"sip:", b"tel:", b"sips:", b"<", b">", b"@", b"@@", b"\r\n\r\n", b"\r\n ", b"\r\n\t",
    b"SIP/2.0",
    b"Content-Length: -1\r\n", b"Content-Length: 4294967295\r\n", b"m=audio 0 RTP/AVP\r\n",
    b"a=rtpmap:8 PCMA/0\r\n", b"c=IN IP6 ::\r\n", b"IN IP4 0.0.0.0", b"Max-Forwards: 0\r\n",
    b"CSeq: 4294967296 INVITE\r\n", b"Contact: *\r\n", b"Require: x\r\n", b";encoding=hex",
    b"Record-Route: <sip:127.0.0.1;lr>\r\n", b"%%%", b"[::1]", b"a=crypto:1 X inline:\r\n",
)  # fmt: skip
MESSAGES = mutated((*REQUESTS, *RESPONSES), WORDS)


def _proxy(data: bytes) -> None:
    message = read(data)
    if message is None:
        return
    if message.method:
        has_dialog(message)
        _again(reply(message, 403, "Forbidden", SOURCE))
        inner = forwarded(message, OWN, SOURCE)
        if inner is not None:
            _again(inner)
            # What comes back for it goes to where it came from, and nowhere else.
            out = returned(reply(inner, 200, "OK", ("127.0.0.1", 9)), OWN)
            assert out is None or out[1] == SOURCE
    else:
        returned(message, OWN)


def _again(message: Datagram) -> None:
    assert message.to_bytes()


def _fields(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    message = headers.parse(text)
    for number in (headers.caller_of(message), headers.dialled_in(message)):
        assert len(number) <= 64
        assert number.isprintable()
    assert len(headers.user_to_user(message.first("user-to-user"))) <= 128
    assert sdp.audio_rate(message.body) in (8000, 16000)
    caller = headers.caller_of(message)
    uri = own_uri("127.0.0.1", caller)
    assert "\r" not in uri
    assert uri.count(">") == 1
    assert all("\n" not in each for each in leg_headers("h", caller, caller, "h1").values())


def _wire(data: bytes) -> None:
    try:
        message = wire.decode(data)
    except wire.WireError:
        return
    assert wire.decode(wire.encode(message)) == message or isinstance(message, wire.Control)


_CONTROL = {"op": "answered", "call": 1, "leg": 0, "values": {"rate": 8000, "code": 200}}

TARGETS = (
    Target("sip_proxy", MESSAGES, _proxy),
    Target("sip_headers_and_sdp", MESSAGES, _fields),
    Target(
        "sip_process_wire",
        st.one_of(
            json_text([_CONTROL]).map(lambda data: b"J" + data),
            mutated([b"A\x00\x00\x00\x01\x00\x00" + bytes(320), b"C\x00\x00\x00\x01\x00\x00"]),
        ),
        _wire,
    ),
)
