"""Where dossiers may be posted: over TLS, or to this machine itself."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from telephony.access import is_loopback

# What two readers of one address could understand differently is no address.
_ODD = re.compile(r"[\s\\@#?\x00-\x20\x7f]")


def unsafe(url: str) -> str:
    """What speaks against posting to `url`; empty when nothing does."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "no address"
    if _ODD.search(url) or parts.scheme not in ("http", "https") or not host or port == 0:
        return "no http address"
    if parts.scheme == "http" and not is_loopback(host):
        return "dossiers leave this machine only over https; http is for 127.0.0.1"
    return ""
