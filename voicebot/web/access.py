"""Tokens at the door: each endpoint names the roles it is for, and there is no other way in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from urllib.parse import urlsplit

import structlog
from fastapi import HTTPException, Request, Response, WebSocket
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from telephony.access import bearer_token
from voicebot.records.store import Records
from voicebot.security import Principal

log = structlog.get_logger()

WRONG_TOKEN = {
    "code": "wrong_token",
    "message": "The token is missing or wrong; send a valid one as Authorization: Bearer.",
}
WRONG_ROLE = {
    "code": "wrong_role",
    "message": "This token's role may not do that; `voicebot token create` makes others.",
}


FOREIGN_ORIGIN = {
    "code": "foreign_origin",
    "message": "Browsers may open this only from the service's own pages.",
}


class Refusal(HTTPException):
    """401 for no valid token, 403 for one of the wrong role; `detail` is the answer's body."""


async def authorise(
    connection: HTTPConnection, records: Records, roles: Collection[str]
) -> Principal:
    """Whose token the request carries, if the role is one of `roles`.

    Raises:
        Refusal: 401 or 403; a refusal of a known principal is audited.
    """
    token = bearer_token(connection.headers.get("authorization"))
    principal = await records.principal(token)
    client = connection.client.host if connection.client else ""
    path = connection.url.path
    if principal is None:
        log.warning("refused", path=path, client=client, reason="wrong_token")
        raise Refusal(401, WRONG_TOKEN, {"WWW-Authenticate": "Bearer"})
    if principal.role not in roles:
        records.audit(principal, "refused", path, client, allowed=False)
        raise Refusal(403, WRONG_ROLE)
    return principal


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
    origin = websocket.headers.get("origin")
    if origin is None or _same_host(origin, websocket.headers.get("host", "")):
        return False
    client = websocket.client.host if websocket.client else ""
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
