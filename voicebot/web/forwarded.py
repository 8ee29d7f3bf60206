"""What of a request goes to another node, and to which address. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import httpx
from starlette.requests import HTTPConnection
from starlette.types import Scope

from voicebot.web.access import client_of

BETWEEN_NODES = "x-voicebot-node"
"""Header of what a node has forwarded: the next one answers it, whatever it knows."""
HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te"),
        *("trailer", "transfer-encoding", "upgrade"),
    }
)
REPLACED = frozenset({"x-forwarded-for", "x-forwarded-proto", "forwarded", BETWEEN_NODES})


class NoTarget(ValueError):
    """The request's target is no path, or another one than it was judged by."""


def url_at(address: str, scope: Scope) -> httpx.URL:
    """Where a node answers a request: path and query as they came, with what was percent-encoded.

    Parameters:
        address: the node's.

    Raises:
        NoTarget: the node would be asked for another path than `scope["path"]`, or another host.
    """
    base, query = httpx.URL(address), scope["query_string"]
    path = scope["raw_path"].split(b"?")[0]
    try:
        url = base.copy_with(raw_path=path + b"?" + query if query else path)
    except (httpx.InvalidURL, ValueError):
        raise NoTarget from None
    # Dot segments are resolved by whoever sends, and not by whoever has judged them.
    if (url.path, url.netloc, url.userinfo) != (scope["path"], base.netloc, b""):
        raise NoTarget
    return url


def handed_on(scope: Scope, own: str) -> Iterable[tuple[bytes, bytes]]:
    """The headers that a node is asked with.

    Parameters:
        own: name of this process.
    """
    for name, value in scope["headers"]:
        if name.decode("latin-1") not in HOP_BY_HOP | REPLACED:
            yield name, value
    secure = scope["scheme"] in ("https", "wss")
    yield b"x-forwarded-for", client_of(HTTPConnection(scope)).encode("latin-1", "replace")
    yield b"x-forwarded-proto", b"https" if secure else b"http"
    yield BETWEEN_NODES.encode(), own.encode()
