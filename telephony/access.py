"""Who may connect, and where we may connect to: tokens, loopback, TLS."""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from telephony.errors import TelephonyError


def is_loopback(host: str) -> bool:
    """True for localhost and the loopback addresses, by name only: nothing is resolved."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def same_token(given: str | None, expected: str) -> bool:
    """Compares in constant time; an empty expected token admits nobody."""
    if not given or not expected:
        return False
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8"))


def bearer_token(authorization: str | None) -> str | None:
    """The token of an `Authorization: Bearer …` header."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def check_media_url(url: str) -> None:
    """Refuses what is no WebSocket address, and plain `ws://` beyond this machine.

    Errors: TelephonyError `bad_url`, `tls_required`.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("ws", "wss") or not host or port == 0:
        raise TelephonyError(
            "bad_url",
            "The address is not a WebSocket address; "
            "write it like wss://host:8443/media or ws://127.0.0.1:8080/media.",
        )
    if parts.scheme == "ws" and not is_loopback(host):
        raise TelephonyError(
            "tls_required",
            "Audio and tokens leave this machine only over TLS; "
            "use a wss:// address, or 127.0.0.1 for ws://.",
        )
