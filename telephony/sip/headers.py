"""What a SIP request tells about a call: who calls, whom, with which order.

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
