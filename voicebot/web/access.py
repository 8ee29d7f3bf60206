"""Tokens and sessions at the door: each endpoint names the roles it is for, and there is no
other way in.

A program shows a token, a browser the cookie of a session (`voicebot.web.sessions`). A cookie
comes along with whatever another site makes the browser ask for: with it alone nothing can be
changed and no WebSocket opened. Pages of ours say so by `CSRF_HEADER` and by their Origin.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from typing import TypeVar
from urllib.parse import urlsplit

import structlog
from fastapi import HTTPException, Request, Response, WebSocket
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from telephony.access import bearer_token
from voicebot.accounts.sessions import Visitor
from voicebot.records.store import Records
from voicebot.security import Principal

log = structlog.get_logger()

T = TypeVar("T")

COOKIE = "voicebot_session"
TLS_COOKIE = f"__Host-{COOKIE}"
"""Its name over TLS: browsers take it from this host alone, and from no neighbour of the domain."""
CSRF_HEADER = "X-CSRF-Token"
SAFE = frozenset({"GET", "HEAD"})
"""Methods that change nothing."""
RECHECK_S = 5.0
"""How long what is followed live may go on after its token or session has ended."""

WRONG_TOKEN = {
    "code": "wrong_token",
    "message": "The token is missing or wrong; send a valid one as Authorization: Bearer, "
    "or log in.",
}
WRONG_ROLE = {
    "code": "wrong_role",
    "message": "This token's role may not do that; `voicebot token create` makes others.",
}
WRONG_CSRF = {
    "code": "wrong_csrf",
    "message": f"A browser's session needs {CSRF_HEADER} as GET /v1/session tells it; "
    "load the page again.",
}
FOREIGN_ORIGIN = {
    "code": "foreign_origin",
    "message": "Browsers may open this only from the service's own pages.",
}


class Refusal(HTTPException):
    """401 for nobody known, 403 for one of the wrong role; `detail` is the answer's body."""


async def authorise(
    connection: HTTPConnection, records: Records, roles: Collection[str]
) -> Principal:
    """Whose token or session the request carries, if the role is one of `roles`.

    Of a session, ``connection.state.session`` tells the rest; of a token it is None.

    Raises:
        Refusal: 401 or 403; a refusal of a known principal is audited.
    """
    principal, visitor = await _who(connection, records)
    client = client_of(connection)
    path = connection.url.path
    if principal is None:
        log.warning("refused", path=path, client=client, reason="wrong_token")
        raise Refusal(401, WRONG_TOKEN, {"WWW-Authenticate": "Bearer"})
    refused = not_ours(connection, visitor.csrf) if visitor is not None else None
    if refused is None and principal.role not in roles:
        refused = WRONG_ROLE
    if refused is not None:
        records.audit(principal, "refused", path, client, allowed=False)
        raise Refusal(403, refused)
    connection.state.session = visitor
    return principal


async def session_of(
    connection: HTTPConnection, records: Records, *, active: bool = True
) -> Visitor | None:
    """The session whose cookie the request carries; None for none that holds.

    Parameters:
        active: it comes of what a person did (`voicebot.accounts.sessions`).
    """
    cookie = connection.cookies.get(cookie_name(connection))
    return await records.sessions.visitor(cookie, active=active) if cookie else None


def cookie_name(connection: HTTPConnection) -> str:
    """The name of the session's cookie on this connection."""
    return TLS_COOKIE if connection.url.scheme in ("https", "wss") else COOKIE


async def until_refused(
    connection: HTTPConnection, records: Records, roles: Collection[str]
) -> None:
    """Returns when whoever follows something live may no longer: revoked, logged out, disabled."""
    while True:
        await asyncio.sleep(RECHECK_S)
        principal, _ = await _who(connection, records, active=False)
        if principal is None or principal.role not in roles:
            return


async def while_allowed(
    connection: HTTPConnection,
    records: Records,
    roles: Collection[str],
    parts: AsyncGenerator[T, None],
) -> AsyncGenerator[T, None]:
    """`parts`, until whoever follows them may no longer (`until_refused`)."""
    refused = asyncio.create_task(until_refused(connection, records, roles))
    async with aclosing(parts):
        coming = asyncio.ensure_future(anext(parts))
        try:
            while True:
                await asyncio.wait({coming, refused}, return_when=asyncio.FIRST_COMPLETED)
                if refused.done():
                    return
                yield await coming
                coming = asyncio.ensure_future(anext(parts))
        except StopAsyncIteration:
            return
        finally:
            for each in (coming, refused):
                each.cancel()
            await asyncio.gather(coming, refused, return_exceptions=True)


async def _who(
    connection: HTTPConnection, records: Records, *, active: bool = True
) -> tuple[Principal | None, Visitor | None]:
    authorization = connection.headers.get("authorization")
    if authorization is not None or cookie_name(connection) not in connection.cookies:
        return await records.principal(bearer_token(authorization)), None
    visitor = await session_of(connection, records, active=active)
    return (visitor.principal if visitor else None), visitor


def not_ours(connection: HTTPConnection, csrf: str) -> dict[str, str] | None:
    """What speaks against a session's request having come from a page of ours.

    Parameters:
        csrf: what the session's pages say (`Visitor.csrf`).
    """
    socket = connection.scope["type"] == "websocket"
    if not socket and connection.scope["method"] in SAFE:
        return None
    origin = connection.headers.get("origin")
    if (origin is not None or socket) and not from_here(connection):
        return FOREIGN_ORIGIN
    given = connection.headers.get(CSRF_HEADER, "")
    if not socket and not hmac.compare_digest(given.encode(), csrf.encode()):
        return WRONG_CSRF
    return None


def client_of(connection: HTTPConnection) -> str:
    """The address that a request comes from; "" where the server does not know it."""
    return connection.client.host if connection.client else ""


def from_here(connection: HTTPConnection) -> bool:
    """The browser says that it asks for a page of this service."""
    origin = connection.headers.get("origin", "")
    return _same_host(origin, connection.headers.get("host", ""))


def require(*roles: str) -> Callable[..., Awaitable[Principal]]:
    """A FastAPI dependency: the principal, whose role is one of `roles`.

    The application keeps its `Records` in ``app.state.records``.
    """

    async def dependency(request: Request, response: Response) -> Principal:
        response.headers["Cache-Control"] = "no-store"
        return await authorise(request, request.app.state.records, roles)

    return dependency


async def authorise_websocket(
    websocket: WebSocket, records: Records, roles: Collection[str]
) -> Principal | None:
    """As `authorise`, before a WebSocket is accepted; None: it has been refused already."""
    try:
        return await authorise(websocket, records, roles)
    except Refusal as refusal:
        await websocket.send_denial_response(
            JSONResponse(refusal.detail, refusal.status_code, refusal.headers)
        )
        return None


async def foreign_origin(websocket: WebSocket) -> bool:
    """True for a browser that comes from another site's page; it has been refused already.

    WebSockets know no same-origin policy: any page may open one, with the visitor's
    network behind it. Telephone equipment sends no Origin. A proxy in front of the
    service must hand on the Host header.
    """
    if "origin" not in websocket.headers or from_here(websocket):
        return False
    client = client_of(websocket)
    log.warning("refused", path=websocket.url.path, client=client, reason="foreign_origin")
    await websocket.send_denial_response(JSONResponse(FOREIGN_ORIGIN, 403))
    return True


def _same_host(origin: str, host: str) -> bool:
    try:
        page, here = urlsplit(origin), urlsplit(f"//{host}")
        usual = {"http": 80, "https": 443}[page.scheme]
        return bool(page.hostname) and (page.hostname, page.port or usual) == (
            here.hostname,
            here.port or usual,
        )
    except (KeyError, ValueError):  # "null", for one
        return False
