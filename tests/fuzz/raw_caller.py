"""A caller, and a desk behind a trunk, who speak SIP and RTP by hand, so that they can say what no
telephone would."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
from dataclasses import dataclass

from telephony.sip.datagram import Datagram, read, reply
from tests.fuzz.sip import SDP

ANSWER_S = 10.0
FRAME = 160
NUMBER = "13911111111"
"""The caller's."""
_RELAY = b"Content-Type: application/dtmf-relay\r\n"
_TRUNK = ("127.0.0.1", 5060)


class NotAnswered(AssertionError):
    """The call was not answered; the message says with what."""


@dataclass
class RawCaller:
    """One answered call: its sockets, and the dialog's fields. Made by `call`."""

    sip: socket.socket
    rtp: socket.socket
    call_id: str
    to: str
    target: tuple[str, int]
    """Where the process takes SIP of this call."""
    media: tuple[str, int]
    """Where it takes RTP."""
    sequence: int = 1

    def request(self, method: str, extra: bytes = b"", body: bytes = b"") -> bytes:
        """A request within the dialog."""
        number = self.sequence if method == "ACK" else self.sequence + 1
        self.sequence = number
        return _request(method, self.sip, self.call_id, self.to, number, extra, body)

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # an answer to what was spoilt may have come: ICMP
            self.sip.sendto(data, self.target)

    async def speak(self) -> None:
        """Silence in RTP, until it is cancelled."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(2**31):
            with contextlib.suppress(OSError):
                self.rtp.sendto(rtp_packet(number), self.media)
            await asyncio.sleep(max(0.0, began + 0.02 * (number + 1) - loop.time()))

    def hang_up(self) -> None:
        self.send(self.request("BYE"))
        self.sip.close()
        self.rtp.close()


def rtp_packet(number: int, payload: bytes = b"\xd5" * FRAME, kind: int = 8) -> bytes:
    """Version 2, one source."""
    head = bytes((0x80, kind)) + (number & 0xFFFF).to_bytes(2, "big")
    return head + (FRAME * number & 0xFFFFFFFF).to_bytes(4, "big") + b"fuzz" + payload


async def call(port: int) -> RawCaller:
    """Errors: NotAnswered."""
    sip, rtp = open_socket(), open_socket()
    call_id = f"raw-{random.getrandbits(64):x}"
    offer = SDP.replace(b"40000", str(rtp.getsockname()[1]).encode())
    extra = f"P-Asserted-Identity: <sip:{NUMBER}@127.0.0.1>\r\n".encode()
    invite = _request(
        "INVITE", sip, call_id, "<sip:12345@127.0.0.1>", 1,
        extra + b"Content-Type: application/sdp\r\n", offer,
    )  # fmt: skip
    sip.sendto(invite, ("127.0.0.1", port))
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(ANSWER_S):
            while True:
                answer = (await loop.sock_recv(sip, 65536)).decode("latin-1")
                # RTCP to a port that a spoilt offer of somebody else's named may come here.
                if answer.startswith("SIP/2.0 ") and not answer.startswith("SIP/2.0 1"):
                    break
    except TimeoutError:
        answer = "nothing"
    if not answer.startswith("SIP/2.0 200"):
        sip.close()
        rtp.close()
        raise NotAnswered(answer.partition("\r\n")[0])
    contact = re.search(r"^Contact:.*?sip:[^@>]*@?([\d.]+):(\d+)", answer, re.MULTILINE)
    media = re.search(r"^m=audio (\d+) ", answer, re.MULTILINE)
    to = re.search(r"^To: (.*)\r$", answer, re.MULTILINE)
    assert contact is not None
    assert media is not None
    assert to is not None
    made = RawCaller(
        sip, rtp, call_id, to[1], (contact[1], int(contact[2])), ("127.0.0.1", int(media[1]))
    )
    made.send(made.request("ACK"))
    return made


def _request(
    method: str,
    sip: socket.socket,
    call_id: str,
    to: str,
    number: int,
    extra: bytes,
    body: bytes,
    by: str = f"<sip:{NUMBER}@127.0.0.1>;tag=raw",
) -> bytes:
    port = sip.getsockname()[1]
    branch = f"z9hG4bK{random.getrandbits(48):x}"
    head = (
        f"{method} sip:12345@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:{port};rport;branch={branch}\r\n"
        f"Max-Forwards: 70\r\nFrom: {by}\r\nTo: {to}\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {number} {method}\r\n"
        f"Contact: <sip:{NUMBER}@127.0.0.1:{port}>\r\n"
    )
    return head.encode() + extra + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def answer(message: Datagram, code: int, reason: str, trunk: socket.socket, sdp: bytes) -> bytes:
    """A desk's response to a request, with an answer to its offer if there is one."""
    port = trunk.getsockname()[1]
    head = reply(message, code, reason, _TRUNK, f"Contact: <sip:110@127.0.0.1:{port}>").to_bytes()
    body = b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s" % (len(sdp), sdp)
    return head.replace(b"Content-Length: 0\r\n\r\n", body) if sdp else head


def desk_says(data: bytes, trunk: socket.socket) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """What a desk may answer a request with, and what it may ask once it has; both whole."""
    message = read(data)
    if message is None or not message.method or message.method == "ACK":
        return (), ()
    codes = {100: "Trying", 183: "Session Progress", 200: "OK", 302: "Moved", 486: "Busy Here"}
    answers = [answer(message, code, codes[code], trunk, b"") for code in codes]
    answers += [answer(message, code, codes[code], trunk, SDP) for code in (183, 200)]
    to = reply(message, 200, "OK", _TRUNK).first("to")
    within = trunk, message.first("call-id"), message.first("from")
    asks = [
        _request(method, *within, random.randrange(1, 99), _RELAY, b"Signal=1", by=to)
        for method in ("INFO", "BYE", "OPTIONS", "UPDATE")
    ]
    return tuple(answers), tuple(asks)


def open_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind(("127.0.0.1", 0))
    return made
