"""Log-ins at a provider of OpenID Connect, in the browser.

    GET /v1/session/oidc?next=PATH     anybody: on to the provider
    GET /v1/session/oidc/callback      anybody: back from it; a session, and on to PATH

What fails goes back to the page to log in, with the code of `LoginRefused` as `error`.
"""

from __future__ import annotations

import hmac
import time
from html import escape
from typing import Annotated
from urllib.parse import urlencode

import structlog
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from voicebot.accounts.errors import AccountsError, LoginRefused
from voicebot.accounts.id_token import HOME, Start
from voicebot.accounts.oidc import Provider
from voicebot.accounts.provided import admit
from voicebot.records.errors import RecordsUnavailable
from voicebot.web.access import Refusal, client_of, cookie_name
from voicebot.web.service import Service
from voicebot.web.sessions import set_cookie

log = structlog.get_logger()

PATH = "/v1/session/oidc"
LOGIN_PAGE = "/console/login"
START_COOKIE = "voicebot_oidc"
START_S = 600
"""How long a person may take at the provider."""
FAULTS = (
    "provider_unavailable",
    "provider_refused",
    "not_begun_here",
    "no_role",
    "disabled",
    "name_taken",
)
"""What the page to log in has words of its own for."""
NO_PROVIDER = {"code": "not_found", "message": "There is no log-in provider; see [oidc]."}

Text = Annotated[str, Query(max_length=4096)]


def add_oidc(app: FastAPI, service: Service) -> None:
    """Adds the endpoints."""
    records, settings = service.records, service.settings.oidc
    provider = Provider(settings)

    @app.get(PATH, include_in_schema=False)
    async def begin(request: Request, next: Text = HOME) -> Response:
        _configured()
        start = Start.fresh(next)
        try:
            answer = RedirectResponse(await provider.begin(start), 303)
        except LoginRefused as refused:
            return _back(request, refused.code)
        answer.set_cookie(
            START_COOKIE,
            start.cookie,
            max_age=START_S,
            path=PATH,
            httponly=True,
            samesite="lax",  # the provider's page leads back here
            secure=request.url.scheme == "https",
        )
        return answer

    @app.get(PATH + "/callback", include_in_schema=False)
    async def back(
        request: Request, code: Text = "", state: Text = "", error: Text = "", iss: Text = ""
    ) -> Response:
        _configured()
        start = Start.read(request.cookies.get(START_COOKIE, ""))
        if start is None or not hmac.compare_digest(state.encode(), start.state.encode()):
            return _back(request, "not_begun_here")
        if error or not code or iss not in ("", settings.issuer):
            return _back(request, "provider_refused")
        client = client_of(request)
        try:
            identity = await provider.finish(start, code)
            opening = await records.transact(admit, identity, client, time.time())
            cookie = await records.sessions.open(
                opening, client, instead_of=request.cookies.get(cookie_name(request), "")
            )
        except AccountsError as refused:
            records.audit(None, "session.refused", f"oidc {refused.code}", client, allowed=False)
            return _back(request, refused.code)
        except RecordsUnavailable as away:
            return _back(request, away.code)
        answer = _on_to(start.then)
        set_cookie(request, answer, cookie)
        return answer

    def _configured() -> None:
        if not settings.issuer:
            raise Refusal(404, NO_PROVIDER)


def _on_to(path: str) -> Response:
    """A page of ours that leads to another one.

    A redirect would still be the provider's, and the new cookie not be sent along (SameSite).
    """
    page = f'<!doctype html><meta http-equiv="refresh" content="0;url={escape(path)}">'
    answer = HTMLResponse(page, headers={"Cache-Control": "no-store"})
    answer.delete_cookie(START_COOKIE, path=PATH)
    return answer


def _back(request: Request, code: str) -> Response:
    """To the page to log in, which says what was wrong."""
    log.warning("refused", path=request.url.path, client=client_of(request), reason=code)
    answer = RedirectResponse(f"{LOGIN_PAGE}?{urlencode({'error': code})}", 303)
    answer.delete_cookie(START_COOKIE, path=PATH)
    return answer
