"""How often a client may ask: ASGI middleware before every endpoint.

A client is an address with its token or session; whoever shows none, or a wrong one, is the
address alone. What bears danger is never counted: `UNLIMITED`.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal

import structlog
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from telephony.access import bearer_token
from voicebot.config_limits import RateLimits
from voicebot.metrics.instruments import Metrics
from voicebot.rate_limiting import Buckets, Rate, network
from voicebot.records.store import Records
from voicebot.security import Principal
from voicebot.web.access import COOKIE, TLS_COOKIE, client_of, cookie_name, session_of

log = structlog.get_logger()

UNLIMITED = (
    "/health",
    "/ready",
    "/media",
    "/api/audiosocket",
    "/api/handoffs",
    "/console/110",
    "/console/static",
    "/console/login",
    "/v1/agent/offers",
    "/v1/exchange/messages",
    "/v1/matters",
    "/v1/recommend",
    "/v1/duty/receipts",
    "/v1/surge/figures",
)
"""Calls, dossiers, 110's messages, words in which there may be danger, who was told of it, the
figures by which calls are given out. Each has a bound of its own, or a token or a link of its own.
And files without data: a shift that begins has sessions that have ended, and one address."""
ACTS = ("/v1/agent/calls/", "/acts")
"""An agent's keys, of which one is 110: begin and end of the paths that are never limited, too."""
SIGN_IN = "/v1/session"
CALLBACK = f"{SIGN_IN}/oidc/callback"

KNOWN_S = 10.0
"""For so long a token that was let in is not looked up again here; the door itself still does."""
ROWS = Rate(per_minute=30, burst=30)
"""Rows in the audit: an attack from many addresses must not fill it."""

Why = Literal["client", "refused", "sign_in"]
Recognise = Callable[[HTTPConnection], Awaitable[Principal | None]]
"""Whose token or session a request carries; None for none, or a wrong one."""
Tell = Callable[[Why, Principal | None, str, str, bool], None]
"""Why, who, from where, asking for what, and whether to put it on record."""


class RateLimited:
    """Answers 429 with Retry-After to who asks too often.

    Parameters:
        recognise: asked once in `KNOWN_S` for each credential.
        tell: told of each refusal; on record is the first of a burst.
        clock: monotonic, seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: RateLimits,
        recognise: Recognise,
        tell: Tell,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        most = settings.clients
        self._app, self._recognise, self._tell, self._clock = app, recognise, tell, clock
        self._requests: Buckets[tuple[str, str]] = Buckets(
            Rate(settings.per_minute, settings.burst), most
        )
        self._refused: Buckets[str] = Buckets(
            Rate(settings.refused_per_minute, settings.refused_burst), most
        )
        self._sign_ins: Buckets[str] = Buckets(
            Rate(settings.sign_in_per_minute, settings.sign_in_burst), most
        )
        self._rows: Buckets[str] = Buckets(ROWS, 1)
        self._known: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or unlimited(scope["path"]):
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        address = network(client_of(request))
        if scope["type"] == "http" and signs_in(scope["method"], scope["path"]):
            await self._sign_in(address, scope, receive, send)
            return
        shown = _shown(request)
        principal = await self._principal(request, shown)
        now = self._clock()
        why: Why = "client"
        if shown and principal is None:
            why, taken = "refused", self._refused.take(address, now)
        else:
            client = principal.token_id if principal is not None else ""
            taken = self._requests.take((address, client), now)
        if taken.wait_s:
            self._say(why, principal, address, scope["path"], taken.begins)
            await too_many(taken.wait_s)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _sign_in(self, address: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Those that do not fail count as any request: a whole shift comes from one address."""
        now = self._clock()
        why: Why = "client"
        taken = self._requests.take((address, ""), now)
        if not taken.wait_s:
            why, taken = "sign_in", self._sign_ins.take(address, now)
        if taken.wait_s:
            self._say(why, None, address, scope["path"], taken.begins)
            await too_many(taken.wait_s)(scope, receive, send)
            return

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and not failed(
                scope["path"], message["status"], Headers(raw=message["headers"])
            ):
                self._sign_ins.give_back(address)
            await send(message)

        await self._app(scope, receive, sending)

    async def _principal(self, request: HTTPConnection, shown: str) -> Principal | None:
        if not shown:
            return None
        now, key = self._clock(), hashlib.sha256(shown.encode()).digest()
        until, known = self._known.get(key, (now, None))
        if known is None or until <= now:
            known = await self._recognise(request)
            self._known.pop(key, None)
            if known is not None:
                self._known[key] = now + KNOWN_S, known
                while len(self._known) > self._most:
                    self._known.popitem(last=False)
        return known

    def _say(
        self, why: Why, principal: Principal | None, address: str, path: str, begins: bool
    ) -> None:
        record = begins and not self._rows.take("", self._clock()).wait_s
        self._tell(why, principal, address, path, record)


def recogniser(records: Records) -> Recognise:
    """Whose token, or whose session, a request carries."""

    async def recognise(request: HTTPConnection) -> Principal | None:
        authorization = request.headers.get("authorization")
        if authorization is not None:
            return await records.principal(bearer_token(authorization))
        visitor = await session_of(request, records, active=False)
        return visitor.principal if visitor is not None else None

    return recognise


def teller(records: Records, metrics: Metrics) -> Tell:
    """A metric for each refusal, a line in log and audit for the first of a burst."""

    def tell(why: Why, who: Principal | None, address: str, path: str, record: bool) -> None:
        metrics.limited(why)
        if record:
            log.warning("rate_limited", why=why, client=address, path=path)
            records.audit(who, f"limited.{why}", path, address, allowed=False)

    return tell


def unlimited(path: str) -> bool:
    """Nothing at this path is ever told to come later."""
    begin, end = ACTS
    acts = path.startswith(begin) and path.endswith(end)
    return acts or any(_within(path, each) for each in UNLIMITED)


def signs_in(method: str, path: str) -> bool:
    """A password, a token or the answer of an OIDC provider is tried."""
    return (method == "POST" and _within(path, SIGN_IN)) or _within(path, f"{SIGN_IN}/oidc")


def failed(path: str, status: int, headers: Headers) -> bool:
    """This answer says that somebody is not who he said he is.

    One that was not looked at, for it was malformed, another site's, or too many came at once, does
    not count: who sends such keeps out nobody at his address.
    """
    if path == CALLBACK:
        names = {each.partition("=")[0] for each in headers.getlist("set-cookie")}
        opened = bool(names & {COOKIE, TLS_COOKIE})
        return status < 400 and not opened
    return status == 401


def too_many(wait_s: float) -> JSONResponse:
    """The answer; `wait_s`: until the next request is taken, seconds."""
    seconds = max(1, math.ceil(wait_s))
    body = {"code": "too_many_requests", "message": f"Too many requests; wait {seconds} s."}
    return JSONResponse(body, 429, {"Retry-After": str(seconds), "Cache-Control": "no-store"})


def _within(path: str, above: str) -> bool:
    return path == above or path.startswith(f"{above}/")


def _shown(request: HTTPConnection) -> str:
    """The token or session that is shown, as it was written; "" for none."""
    return request.headers.get("authorization") or request.cookies.get(cookie_name(request), "")
