"""Signed links to the 110 view of a hand-off: who holds one may read it, until it expires.

The key is this machine's, or one that several services share by copying its file; a link is
changed in nothing without its signature failing.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import structlog

from voicebot.config import Settings
from voicebot.duty.notices.secret import kept_key
from voicebot.errors import VoicebotError
from voicebot.state_folder import make_private

log = structlog.get_logger()

VALID_S = 24 * 3600.0
"""How long a link holds, seconds."""
MOST_S = 30 * 24 * 3600.0

_OF_THIS_PROCESS = secrets.token_bytes(32)


class LinkRefused(VoicebotError):
    """This link is not valid, or no longer; ask 12345 for a new one."""

    code = "handoff_link.refused"

    def __init__(self) -> None:
        super().__init__(self.__doc__ or "")


@dataclass(frozen=True, slots=True)
class Links:
    """Parameters:
    key: secret bytes.
    base: where 110 reaches this service, without a slash at the end.
    """

    key: bytes
    base: str

    def url(self, handoff: str, *, now: float | None = None, valid_s: float = VALID_S) -> str:
        """The address of the view; it holds for `valid_s` from `now`, seconds since the epoch."""
        until = int((time.time() if now is None else now) + min(valid_s, MOST_S))
        query = urlencode({"until": until, "key": self._signature(handoff, until)})
        return f"{self.base}/console/110/{quote(handoff, safe='')}?{query}"

    def check(self, handoff: str, query: Mapping[str, str], now: float) -> int:
        """Until when it holds, seconds since the epoch.

        Raises:
            LinkRefused: forged, changed, or expired; which, it does not tell.
        """
        until, given = query.get("until", ""), query.get("key", "")
        if not (until.isascii() and until.isdecimal() and len(until) <= 12):
            raise LinkRefused
        expected = self._signature(handoff, int(until))
        # Both are looked at, so that the time taken tells nothing.
        fits = hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
        if not fits or now >= int(until):
            raise LinkRefused
        return int(until)

    def _signature(self, handoff: str, until: int) -> str:
        signed = f"handoff-link:1:{until}:{handoff}".encode()
        digest = hmac.digest(self.key, signed, "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def open_links(settings: Settings) -> Links:
    """With this machine's key, made where there is none.

    Where it cannot be kept, links hold until the process ends: 110 has the dossier all the same.
    """
    file = settings.paths.secrets_folder / "handoff-links.key"
    try:
        make_private(settings.paths.state)
        file.parent.mkdir(exist_ok=True, mode=0o700)
        key = kept_key(file)
    except OSError as error:
        log.error("handoff_link_key_not_kept", file=os.fspath(file), reason=error.strerror)
        key = _OF_THIS_PROCESS
    return Links(key, base_of(settings))


def base_of(settings: Settings) -> str:
    """Where 110 reaches this service: `notices.public_url`, else this machine's own address."""
    public = settings.notices.public_url.rstrip("/")
    if public:
        return public
    secure = "s" if settings.server.tls_certificate else ""
    host = settings.server.host
    shown = f"[{host}]" if ":" in host else host
    return f"http{secure}://{shown}:{settings.server.port}"
