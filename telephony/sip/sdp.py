"""What an offer or answer of SDP (RFC 8866) comes to. Pure; nothing here raises on what a stranger
sends.
"""

from __future__ import annotations

import re

_STATIC_CODECS = {"0": "PCMU", "8": "PCMA", "9": "G722"}
_RATES = {"PCMU": 8000, "PCMA": 8000, "G722": 16000}
_UP_TO_255 = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_LINES = {
    "v": r"0",
    "o": r"\S+ \d{1,19} \d{1,19} IN IP4 \S+",
    "s": r".+",
    "t": r"\d+ \d+",
    "c": rf"IN IP4 (?:{_UP_TO_255}\.){{3}}{_UP_TO_255}",
    "b": r"[\w-]+:\d+",
    "m": r"audio (?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d) RTP/S?AVP(?: \d{1,3})+",
    "a": r"[\w-]+(?::\S.*)?",
}
_OTHERS = "iuepkrz"
"""Lines that PJSIP reads over."""
_ORDER = re.compile(r"vos[iuepcbrzka]*t[iuepcbtrzka]*m[icbka]*")
_CRYPTO = re.compile(r"a=crypto:\d AES_CM_128_HMAC_SHA1_[38][20] inline:[\w+/]{40}={0,2}\S*")


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
    if "" in lines or "c" not in kinds or not _ORDER.fullmatch(kinds):
        return False
    for kind, line in zip(kinds, lines, strict=True):
        value = ".*" if kind in _OTHERS else _LINES[kind]
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
