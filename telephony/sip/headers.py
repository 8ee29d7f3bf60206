"""What a SIP message tells about a call: who calls, whom, with which order, in what codec.

Pure; works on the text of a whole message. Nothing here raises on what a stranger sends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

_COMPACT = {
    "f": "from", "t": "to", "i": "call-id", "v": "via", "m": "contact", "l": "content-length",
    "c": "content-type", "k": "supported", "s": "subject", "e": "content-encoding", "r": "refer-to",
    "b": "referred-by",
}  # fmt: skip

_URI = re.compile(r"<\s*((?:sips?|tel):[^>]*)>|((?:sips?|tel):[^\s;,>]*)", re.IGNORECASE)
_VISUAL = str.maketrans("", "", "-.() ")
_STATIC_CODECS = {"0": "PCMU", "8": "PCMA", "9": "G722"}
_RATES = {"PCMU": 8000, "PCMA": 8000, "G722": 16000}
_SDP_LINES = {
    "v": r"0",
    "o": r"\S+ \d{1,19} \d{1,19} IN IP4 \S+",
    "s": r".+",
    "t": r"\d+ \d+",
    "c": r"IN IP4 (?:\d{1,3}\.){3}\d{1,3}",
    "b": r"[\w-]+:\d+",
    "m": r"audio [1-9]\d{0,4} RTP/S?AVP(?: \d{1,3})+",
    "a": r"[\w-]+(?::\S.*)?",
}
_SDP_OTHERS = "iuepkrz"
"""Lines that PJSIP reads over."""
_SDP_ORDER = re.compile(r"vos[iuepcbrzka]*t[iuepcbtrzka]*m[icbka]*")
_CRYPTO = re.compile(r"a=crypto:\d AES_CM_128_HMAC_SHA1_[38][20] inline:[\w+/]{40}={0,2}\S*")
_HIDDEN = {"anonymous", "restricted", "unavailable", "unknown", "private"}


@dataclass(frozen=True, slots=True)
class SipText:
    """A SIP message taken apart.

    Parameters:
        start: its first line.
        fields: (name in lower case and long form, value) in the order of the message.
        body: what follows the empty line.
    """

    start: str
    fields: tuple[tuple[str, str], ...]
    body: str

    def all(self, name: str) -> Iterator[str]:
        return (value for each, value in self.fields if each == name)

    def first(self, name: str) -> str:
        """The first value of that header, "" when there is none."""
        return next(self.all(name), "")


def parse(text: str) -> SipText:
    """Takes a message apart; lines that are no headers are skipped."""
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    lines = re.sub(r"\n[ \t]+", " ", head).split("\n")
    fields = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            name = name.strip().lower()
            fields.append((_COMPACT.get(name, name), value.strip()))
    return SipText(lines[0], tuple(fields), body)


def number_of(value: str) -> str:
    """The number, or user, in a name-addr or URI; "" when there is none or it is withheld."""
    found = _URI.search(value)
    if not found:
        return ""
    uri = found[1] or found[2]
    scheme, _, rest = uri.partition(":")
    if scheme.lower() == "tel":
        user = rest.partition(";")[0]
    else:
        user, at, _ = rest.rpartition("@")
        if not at:
            return ""
        user = unquote(user.partition(";")[0].partition(":")[0])
    if re.fullmatch(r"\+?[\d().\- ]+", user):
        user = user.translate(_VISUAL)
    # Neither bytes that are no UTF-8 nor a line break become part of a number.
    return user[:64] if user.isprintable() and user.lower() not in _HIDDEN else ""


def caller_of(message: SipText) -> str:
    """The caller's number (主叫号码): P-Asserted-Identity before From; "" when withheld."""
    for value in message.all("p-asserted-identity"):
        if number := number_of(value):
            return number
    return number_of(message.first("from"))


def dialled_in(message: SipText) -> str:
    """The dialled number: of the request URI, or of To when that has none."""
    parts = message.start.split()
    return (number_of(parts[1]) if len(parts) > 1 else "") or number_of(message.first("to"))


def user_to_user(value: str) -> str:
    """The text in a User-to-User header (RFC 7433), "" when it holds none that is readable."""
    content, _, parameters = value.partition(";")
    content = content.strip()
    named = {each.strip().lower() for each in parameters.split(";")}
    if "encoding=hex" in named and not content.startswith('"'):
        try:
            content = bytes.fromhex(content).decode()
        except ValueError:
            return ""
    content = content.strip('"').strip()
    return content if content.isprintable() and len(content) <= 128 else ""


def user_to_user_value(text: str) -> str:
    """`text` as the value of a User-to-User header."""
    return f"{text.encode().hex()};encoding=hex"


def audio_rate(sdp: str) -> int:
    """Hz of the codec that an offer leads to: its first one that we speak."""
    codecs = dict(_STATIC_CODECS)
    for payload, name in re.findall(r"^a=rtpmap:(\d+) ([\w-]+)/", sdp, re.MULTILINE):
        codecs[payload] = name.upper()
    line = re.search(r"^m=audio \d+ \S+ ([\d ]+)", sdp, re.MULTILINE)
    for payload in line[1].split() if line else ():
        if rate := _RATES.get(codecs.get(payload, "")):
            return rate
    return 8000


def is_sure_answer(sdp: str, profile: str) -> bool:
    """PJSIP takes this for an answer to our offer of one audio stream, as far as can be told.

    In outline (RFC 8866, 9): one stream that is not refused, and a codec of ours under its fixed
    number (RFC 3551, 6).

    Parameters:
        profile: of the offer, RTP/AVP or RTP/SAVP.
    """
    lines = sdp.replace("\r\n", "\n").removesuffix("\n").split("\n")
    kinds = "".join(line[:1] for line in lines)
    if "" in lines or "c" not in kinds or not _SDP_ORDER.fullmatch(kinds):
        return False
    for kind, line in zip(kinds, lines, strict=True):
        value = ".*" if kind in _SDP_OTHERS else _SDP_LINES[kind]
        if not re.fullmatch(f"{kind}={value}", line) or len(line) > 256:
            return False
        if line.startswith("a=crypto") and not _CRYPTO.fullmatch(line):
            return False
    named = dict(re.findall(r"^a=rtpmap:(\d+) (\S+)", sdp.upper(), re.MULTILINE | re.IGNORECASE))
    media = lines[kinds.index("m")].split()
    ours = {
        each
        for each, name in _STATIC_CODECS.items()
        if named.get(each, "").removesuffix("/1") in ("", f"{name}/8000")
    }
    known = media[2] == profile and not ours.isdisjoint(media[3:])
    return known and (profile == "RTP/AVP" or "a=crypto" in sdp)
