"""INVITEs written by hand, as a broken or hostile switch may send them."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping

from tests.asterisk.pbx import CARRIER_PORTS, SIP_PORT

WELL_FORMED = {
    "first": "INVITE sip:12345@127.0.0.1 SIP/2.0",
    "from": "From: <sip:13800138000@127.0.0.1>;tag=1",
    "to": "To: <sip:12345@127.0.0.1>",
    "cseq": "CSeq: 1 INVITE",
    "extra": "X-Extra: 1",
    "length": "Content-Length: 120",
    "sdp": "c=IN IP4 127.0.0.1",
}


def invite(lines: Mapping[str, str | bytes], call_id: str) -> bytes:
    text = {k: v if isinstance(v, bytes) else v.encode() for k, v in lines.items()}
    body = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n%s\r\nt=0 0\r\nm=audio 29000 RTP/AVP 8\r\n"
    sdp = body % text["sdp"]
    via = b"Via: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK%s" % call_id.encode()
    head = [
        *(text["first"], via, text["from"], text["to"], b"Call-ID: " + call_id.encode()),
        *(text["cseq"], b"Contact: <sip:caller@127.0.0.1:%d>" % CARRIER_PORTS[2]),
        *(b"Max-Forwards: 70", text["extra"], b"Content-Type: application/sdp"),
        b"Content-Length: %d" % len(sdp),
    ]
    return b"\r\n".join([*head, b"", sdp])


def send_raw(lines: Mapping[str, str | bytes]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as carrier:
        carrier.bind(("127.0.0.1", CARRIER_PORTS[2]))
        carrier.sendto(invite(lines, f"raw-{time.monotonic_ns()}"), ("127.0.0.1", SIP_PORT))


def answers_options(timeout_s: float = 5.0) -> bool:
    """Asterisk still answers a well-formed request."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as carrier:
        carrier.settimeout(timeout_s)
        carrier.bind(("127.0.0.1", CARRIER_PORTS[3]))
        call_id = f"options-{time.monotonic_ns()}"
        request = invite({**WELL_FORMED, "cseq": "CSeq: 1 OPTIONS"}, call_id)
        carrier.sendto(request.replace(b"INVITE sip", b"OPTIONS sip"), ("127.0.0.1", SIP_PORT))
        try:
            return carrier.recv(4096).startswith(b"SIP/2.0 ")
        except TimeoutError:
            return False
