"""Where a duty number's line is reached: a media WebSocket, or a number behind a SIP trunk.

`trunk:NAME/NUMBER` names a trunk of the telephone endpoint's own settings, never a host:
what may be reached is written in one place, by an administrator. `?transfer=blind`
asks for REFER instead of a further leg, for trunks that demand it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from telephony.access import check_media_url
from telephony.errors import TelephonyError

_TRUNK = re.compile(
    r"trunk:(?P<name>[a-z][a-z0-9-]{0,31})/(?P<number>\+?[0-9A-Za-z*#_.-]{1,32})"
    r"(?P<refer>\?transfer=blind)?",
    re.ASCII,
)


CONSOLE = "console:"
"""The line of seats whose telephone is the console in a browser: it rings at every desk; with an
agent's id after it, which no directory holds, at his alone."""


@dataclass(frozen=True, slots=True)
class TrunkAddress:
    """A number behind a trunk.

    Parameters:
        trunk: name of the trunk in the settings.
        number: what is dialled there.
        refer: hand the caller over by REFER (blind transfer) instead of dialling a leg.
    """

    trunk: str
    number: str
    refer: bool = False


def trunk_address(url: str) -> TrunkAddress | None:
    """The trunk address that `url` is; None for an address of another kind."""
    found = _TRUNK.fullmatch(url)
    return TrunkAddress(found["name"], found["number"], bool(found["refer"])) if found else None


def check_line_url(url: str) -> None:
    """Refuses what neither a trunk nor a media WebSocket can be.

    Errors: TelephonyError `bad_url`, `tls_required`.
    """
    if trunk_address(url) is not None or url == CONSOLE:
        return
    if url.startswith("trunk:"):
        raise TelephonyError(
            "bad_url",
            "The trunk address is not valid; write it like trunk:police/110 "
            "or trunk:police/110?transfer=blind.",
        )
    check_media_url(url)
