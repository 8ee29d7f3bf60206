"""SIP messages of a plain telephone (RFC 3261), as far as a trial needs them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from telephony.sip.datagram import Datagram

Address = tuple[str, int]
PCMA = 8
_SHORT = {"v": "via", "m": "contact", "t": "to", "f": "from", "i": "call-id"}


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What requests within a call need.

    Parameters:
        own, other: From and To of our requests, with their tags.
        target: the other side's Contact.
        route: URIs of the proxies that stay in the call, the next one first.
    """

    call_id: str
    own: str
    other: str
    target: str
    route: tuple[str, ...] = ()

    @property
    def hop(self) -> Address:
        """Where its requests are sent."""
        return address_of(self.route[0] if self.route else self.target)


def invite(to: str, caller: str, own: Address, call_id: str, branch: str, media: Address) -> bytes:
    """A new call from a number."""
    host, port = own
    return _message(
        f"INVITE {to} SIP/2.0",
        [
            f"Via: SIP/2.0/UDP {host}:{port};rport;branch={branch}",
            "Max-Forwards: 70",
            f"From: <sip:{caller}@{host}>;tag={call_id}",
            f"To: <{to}>",
            f"Call-ID: {call_id}",
            "CSeq: 1 INVITE",
            f"Contact: <sip:{caller}@{host}:{port}>",
            f"P-Asserted-Identity: <sip:{caller}@{host}>",
            "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS",
        ],
        offer(media),
    )


def within(method: str, dialogue: Dialogue, own: Address, number: int, branch: str) -> bytes:
    """A request of a call that is up: ACK or BYE."""
    return _message(
        f"{method} {dialogue.target} SIP/2.0",
        [
            f"Via: SIP/2.0/UDP {own[0]}:{own[1]};rport;branch={branch}",
            "Max-Forwards: 70",
            *(f"Route: <{uri}>" for uri in dialogue.route),
            f"From: {dialogue.own}",
            f"To: {dialogue.other}",
            f"Call-ID: {dialogue.call_id}",
            f"CSeq: {number} {method}",
        ],
    )


def cancel(invite_: Datagram) -> bytes:
    """The end of an INVITE that is not answered yet."""
    kept = ("via", "from", "to", "call-id", "max-forwards")
    lines = [line for line in invite_.lines if _name(line) in kept]
    lines.append(f"CSeq: {invite_.first('cseq').split()[0]} CANCEL")
    return _message(f"CANCEL {invite_.start.split()[1]} SIP/2.0", lines)


def of_refusal(invite_: Datagram, to: str) -> bytes:
    """The ACK of a final response that is no 2xx: it belongs to the INVITE's transaction."""
    kept = ("via", "from", "call-id", "max-forwards")
    lines = [line for line in invite_.lines if _name(line) in kept]
    lines += [f"To: {to}", f"CSeq: {invite_.first('cseq').split()[0]} ACK"]
    return _message(f"ACK {invite_.start.split()[1]} SIP/2.0", lines)


def answer(
    request: Datagram, status: str, tag: str, own: Address, media: Address | None = None
) -> bytes:
    """A response; `status` is code and reason, `media` where we listen in a 2xx of an INVITE."""
    lines = []
    for line in request.lines:
        name = _name(line)
        if name == "to" and ";tag=" not in line.lower():
            lines.append(f"{line};tag={tag}")
        elif name in ("via", "record-route", "from", "to", "call-id", "cseq"):
            lines.append(line)
    lines.append(f"Contact: <sip:{own[0]}:{own[1]}>")
    return _message(f"SIP/2.0 {status}", lines, offer(media) if media else "")


def called_by(response: Datagram) -> Dialogue:
    """The dialogue of an INVITE of ours that was answered."""
    return Dialogue(
        response.first("call-id"),
        response.first("from"),
        response.first("to"),
        uri_of(response.first("contact")),
        tuple(reversed(_record_route(response))),
    )


def called(request: Datagram, tag: str) -> Dialogue:
    """The dialogue of an INVITE that we have answered."""
    to = request.first("to")
    return Dialogue(
        request.first("call-id"),
        to if ";tag=" in to.lower() else f"{to};tag={tag}",
        request.first("from"),
        uri_of(request.first("contact")),
        tuple(_record_route(request)),
    )


def uri_of(value: str) -> str:
    """The URI of a From, To, Contact or Route."""
    bracketed = re.search(r"<([^>]*)>", value)
    return bracketed[1] if bracketed else value.partition(";")[0].strip()


def user_of(value: str) -> str:
    """The number in a From or To."""
    return uri_of(value).partition(":")[2].partition("@")[0] if "@" in value else ""


def address_of(uri: str) -> Address:
    """Host and port of a URI."""
    host = uri.partition(":")[2].rpartition("@")[2].partition(";")[0]
    name, _, port = host.partition(":")
    return name, int(port or 5060)


def source_of(request: Datagram) -> Address:
    """Where a response goes: the topmost Via, which is honest on this machine."""
    via = request.first("via").split(",")[0].split(";")
    host, _, port = via[0].split()[-1].partition(":")
    return host, int(port or 5060)


def offer(media: Address) -> str:
    """A description (SDP) of A-law at an address."""
    host, port = media
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {PCMA}\r\na=rtpmap:{PCMA} PCMA/8000\r\na=ptime:20\r\n"
    )


def media_of(body: str) -> Address | None:
    """Where the other side listens; None when its description does not say."""
    host = re.search(r"^c=IN IP4 (\S+)", body, re.MULTILINE)
    port = re.search(r"^m=audio (\d+)", body, re.MULTILINE)
    return (host[1], int(port[1])) if host and port and int(port[1]) else None


def _record_route(message: Datagram) -> list[str]:
    lines = (line.partition(":")[2] for line in message.lines if _name(line) == "record-route")
    return [uri for line in lines for uri in re.findall(r"<([^>]*)>", line)]


def _name(line: str) -> str:
    name = line.partition(":")[0].strip().lower()
    return _SHORT.get(name, name)


def _message(start: str, lines: list[str], body: str = "") -> bytes:
    kind = ["Content-Type: application/sdp"] if body else []
    head = [start, *lines, *kind, f"Content-Length: {len(body)}"]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode("latin-1")
