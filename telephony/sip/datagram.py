"""A SIP message as the front passes it on: only what a proxy changes is touched. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

PEER_HEADER = "x-voicebot-peer"
"""Tells a media process where a call really came from, as host:port. What arrives from
outside under this name is dropped."""

_COOKIE = "z9hG4bK"
_SHORT = {"v": "via", "i": "call-id", "f": "from", "t": "to"}
_START = re.compile(r"([A-Z]{2,16}) \S+ SIP/2\.0|SIP/2\.0 \d{3} .*")
_LONGEST = 16384
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_TAG = re.compile(r";\s*tag\s*=\s*[^\s;]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Datagram:
    """One message; `lines` are its headers, unfolded, the body is bytes read as Latin-1."""

    start: str
    lines: tuple[str, ...]
    body: str

    @property
    def method(self) -> str:
        """INVITE and so on; "" for a response."""
        return "" if self.start.startswith("SIP/2.0") else self.start.partition(" ")[0]

    @property
    def code(self) -> int:
        """Of a response; 0 for a request."""
        return 0 if self.method else int(self.start[8:11])

    @property
    def answers_an_invite(self) -> bool:
        """A response that makes a dialog, and may hold an answer to an offer."""
        return 100 < self.code < 300 and self.first("cseq").endswith("INVITE")

    def first(self, name: str) -> str:
        """The first value of a header, by its long name in lower case; "" for none."""
        return next((_value(line) for line in self.lines if _name(line) == name), "")

    def to_bytes(self) -> bytes:
        head = "\r\n".join((self.start, *self.lines))
        return f"{head}\r\n\r\n{self.body}".encode("latin-1")


def read(data: bytes) -> Datagram | None:
    """The message in a datagram; None when it is none that can be passed on."""
    if len(data) > _LONGEST:
        return None
    head, _, body = data.decode("latin-1").partition("\r\n\r\n")
    lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
    message = Datagram(lines[0], tuple(line for line in lines[1:] if line), body)
    needed = ("via", "call-id", "from", "to", "cseq")
    if not _START.fullmatch(lines[0]) or not all(message.first(name) for name in needed):
        return None
    return message


def malformed(message: Datagram) -> bool:
    """What must not reach PJSIP, which aborts on some of these with all its calls.

    A request's CSeq is of another method (RFC 3261, 8.1.1.5): an assertion in a confirmed
    transaction. An ACK names no response, for which its To has a tag (17.1.1.3, 13.2.2.4): PJSIP
    would answer it. A response that makes a dialog has no tag to make it with (12.1.1). A line end
    or NUL within a line: PJSIP ends the line there, and reads another message.
    """
    number, _, method = message.first("cseq").partition(" ")
    if not (number.isdecimal() and int(number) < 2**31):
        return True
    if message.method:
        bad = method.strip() != message.method
        bad |= message.method == "ACK" and not has_dialog(message)
    else:
        bad = message.answers_an_invite and not has_dialog(message)
    lines = (message.start, *message.lines)
    return bad or any(end in line for line in lines for end in "\r\n\0")


def forwarded(message: Datagram, own: str, source: tuple[str, int]) -> Datagram | None:
    """A request on its way in; None when it has come through too many hops.

    Parameters:
        own: our address, host:port.
        source: where it came from.
    """
    hops = message.first("max-forwards") or "70"
    left = int(hops) - 1 if hops.isdecimal() and len(hops) < 4 else -1
    if left < 0:
        return None
    top, rest = _split_via(message.first("via"))
    lines = [f"Via: SIP/2.0/UDP {own};branch={_branch(message, top)}"]
    lines.append(f"Via: {_received(top, source)}{rest}")
    seen_via = False
    for line in message.lines:
        name = _name(line)
        if name == "via" and not seen_via:
            seen_via = True
        elif name == "max-forwards":
            lines.append(f"Max-Forwards: {left}")
        elif name != PEER_HEADER:
            lines.append(line)
    lines.append(f"X-Voicebot-Peer: {source[0]}:{source[1]}")
    return replace(message, lines=tuple(lines))


def returned(message: Datagram, own: str) -> tuple[Datagram, tuple[str, int]] | None:
    """A response on its way out, and where to; None when it is no answer to us."""
    top, rest = _split_via(message.first("via"))
    if not re.match(rf"SIP/2\.0/UDP {re.escape(own)}(;|$)", top):
        return None
    lines, seen_via = [], False
    for line in message.lines:
        if _name(line) == "via" and not seen_via:
            seen_via = True
            if rest:
                lines.append(f"Via: {rest.lstrip(', ')}")
        else:
            lines.append(line)
    out = replace(message, lines=tuple(lines))
    target = _split_via(out.first("via"))[0]
    host = re.search(r";received=([^;\s]+)", target)
    port = re.search(r";rport=(\d{1,5})(;|$)", target)
    if not host or not port or not 0 < int(port[1]) < 65536:
        return None
    return out, (host[1], int(port[1]))


def reply(
    message: Datagram, code: int, reason: str, source: tuple[str, int], *extra: str
) -> Datagram:
    """A response of our own to a request; `extra` are further header lines."""
    lines: list[str] = []
    for line in message.lines:
        name = _name(line)
        if name == "via":
            top, rest = _split_via(_value(line))
            first = not any(_name(each) == "via" for each in lines)
            lines.append(f"Via: {_received(top, source)}{rest}" if first else line)
        elif name == "to" and not _has_tag(line):
            lines.append(f"{line};tag={_digest(message.first('call-id'))}")
        elif name in ("from", "to", "call-id", "cseq"):
            lines.append(line)
    lines += [*extra, "Content-Length: 0"]
    return Datagram(f"SIP/2.0 {code} {reason}", tuple(lines), "")


def has_dialog(message: Datagram) -> bool:
    """The request belongs to a call that was answered or rings: its To has a tag."""
    return _has_tag(message.first("to"))


def _has_tag(value: str) -> bool:
    """Of the header, whatever a name or the URI within has (RFC 3261, 25.1: `to-param`)."""
    bare = _QUOTED.sub("", value)
    return bool(_TAG.search(bare.rpartition(">")[2]))


def _name(line: str) -> str:
    name = line.partition(":")[0].strip().lower()
    return _SHORT.get(name, name)


def _value(line: str) -> str:
    return line.partition(":")[2].strip()


def _split_via(value: str) -> tuple[str, str]:
    """The topmost Via and what follows it, with its comma."""
    top, comma, rest = value.partition(",")
    return top.strip(), comma + rest


def _received(via: str, source: tuple[str, int]) -> str:
    """RFC 3261 18.2.1 and RFC 3581: where it really came from, whatever it says."""
    bare = re.sub(r";\s*(received|rport)(=[^;]*)?(?=;|$)", "", via)
    return f"{bare};received={source[0]};rport={source[1]}"


def _branch(message: Datagram, top: str) -> str:
    """The same for a request, its retransmissions, its CANCEL and the ACK of its refusal."""
    branch = re.search(r";\s*branch=([^;\s]+)", top)
    if branch and branch[1].startswith(_COOKIE):
        return _COOKIE + _digest(top)
    number = message.first("cseq").partition(" ")[0]
    return _COOKIE + _digest("|".join((top, message.first("call-id"), number)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("latin-1")).hexdigest()[:24]
