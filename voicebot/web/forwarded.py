"""What of a request goes to another node, and to which address. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import httpx
from starlette.requests import HTTPConnection
from starlette.types import Scope

from voicebot.web.access import client_of, from_here

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


def handed_on(scope: Scope, own: str, url: httpx.URL) -> Iterable[tuple[bytes, bytes]]:
    """The headers that a node is asked with.

    A WebSocket has the node's own Host. Whether a browser's page is ours is therefore seen here,
    by the Host that the browser used; the node is told of a page of its own, or of nobody's.

    Parameters:
        own: name of this process.
        url: of `url_at`.
    """
    connection, socket = HTTPConnection(scope), scope["type"] == "websocket"
    for name, value in scope["headers"]:
        if name.decode("latin-1") in HOP_BY_HOP | REPLACED:
            continue
        if not socket:
            yield name, value
        elif name == b"origin":
            yield name, _origin(url) if from_here(connection) else b"null"
        elif name != b"host" and not name.startswith(b"sec-websocket-"):
            yield name, value
    secure = scope["scheme"] in ("https", "wss")
    yield b"x-forwarded-for", client_of(connection).encode("latin-1", "replace")
    yield b"x-forwarded-proto", b"https" if secure else b"http"
    yield BETWEEN_NODES.encode(), own.encode()


def _origin(url: httpx.URL) -> bytes:
    return url.scheme.encode() + b"://" + url.netloc
