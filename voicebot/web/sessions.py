"""Log-ins of browsers: who is logged in, log in, log out.

    POST   /v1/session            anybody: {"name", "password"} or {"token"}; the answer as below,
                                  and the cookie
    GET    /v1/session            any role: {"name", "role", "csrf"}
    DELETE /v1/session            any role: log out
    POST   /v1/session/password   any role, for an account's own: {"password", "new"}; other
                                  browsers of the account are logged out

`csrf` goes into the header `X-CSRF-Token` of each request that changes something (`web.access`).
"""

from __future__ import annotations

from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field, SecretStr, model_validator

from voicebot.accounts.errors import AccountsError, LoginRefused
from voicebot.accounts.log_in import LogIn
from voicebot.accounts.sessions import Opening, Visitor, csrf_of
from voicebot.request_body import RequestBody
from voicebot.security import ROLES, Principal
from voicebot.web.access import (
    FOREIGN_ORIGIN,
    WRONG_TOKEN,
    Refusal,
    cookie_name,
    from_here,
    require,
    session_of,
)
from voicebot.web.access import client_of as client_of
from voicebot.web.service import Service

log = structlog.get_logger()

NO_ACCOUNT = {"code": "no_account", "message": "A token has no password."}
NO_SESSION = {
    "code": "no_session",
    "message": "A token has no session to end; `voicebot token revoke` makes it worthless.",
}

Anybody = Annotated[Principal, Depends(require(*ROLES))]
Secret = Annotated[SecretStr, Field(max_length=256)]


class Shown(RequestBody):
    """What a log-in is asked for with: a name with its password, or an access token."""

    name: Annotated[str, Field(max_length=64)] = ""
    password: Secret = SecretStr("")
    token: Secret = SecretStr("")

    @model_validator(mode="after")
    def _one_way(self) -> Shown:
        if bool(self.token) == bool(self.name and self.password):
            raise ValueError("give a name and its password, or a token")
        return self


class NewPassword(RequestBody):
    """The present password, and the one to come."""

    password: Secret
    new: Secret


async def page_principal(request: Request) -> Visitor | None:
    """Whose session the request carries; None: nobody is logged in."""
    return await session_of(request, request.app.state.records)


def add_sessions(app: FastAPI, service: Service) -> None:
    """Adds the endpoints."""
    records = service.records
    enter = LogIn(records, service.settings.accounts)

    @app.exception_handler(AccountsError)
    async def refused(_: Request, error: AccountsError) -> JSONResponse:
        return JSONResponse({"code": error.code, "message": str(error)}, 409)

    @app.exception_handler(LoginRefused)
    async def turned_away(_: Request, error: LoginRefused) -> JSONResponse:
        headers = {"Retry-After": str(round(error.retry_s) + 1)} if error.retry_s else None
        status = 429 if error.retry_s else 401
        return JSONResponse({"code": error.code, "message": str(error)}, status, headers)

    @app.post("/v1/session")
    async def log_in(shown: Shown, request: Request) -> Response:
        # Another site must not log a browser in under a name that its visitor does not know of.
        if "origin" in request.headers and not from_here(request):
            raise Refusal(403, FOREIGN_ORIGIN)
        token, client = shown.token.get_secret_value(), client_of(request)
        if not token:
            opening = await enter(shown.name, shown.password.get_secret_value(), client)
        elif principal := await records.principal(token):
            opening = Opening(principal)
        else:
            log.warning("refused", path="/v1/session", client=client, reason="wrong_token")
            raise Refusal(401, WRONG_TOKEN)
        return await opened(request, opening)

    @app.get("/v1/session")
    async def who(principal: Anybody, request: Request) -> dict[str, Any]:
        visitor = request.state.session
        return {
            "name": principal.name,
            "role": principal.role,
            "csrf": visitor.csrf if visitor else "",
        }

    @app.delete("/v1/session", status_code=204)
    async def log_out(_: Anybody, request: Request, response: Response) -> None:
        visitor = request.state.session
        if visitor is None:
            raise Refusal(409, NO_SESSION)
        await records.sessions.close(visitor, client_of(request))
        response.delete_cookie(
            cookie_name(request),
            path="/",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )

    @app.post("/v1/session/password")
    async def change_password(asked: NewPassword, _: Anybody, request: Request) -> Response:
        visitor = request.state.session
        if visitor is None:
            raise Refusal(409, NO_ACCOUNT)
        present, new = asked.password.get_secret_value(), asked.new.get_secret_value()
        return await opened(request, await enter.change(visitor, present, new, client_of(request)))

    async def opened(request: Request, opening: Opening) -> Response:
        cookie = await records.sessions.open(
            opening, client_of(request), instead_of=request.cookies.get(cookie_name(request), "")
        )
        who = opening.principal
        answer = JSONResponse(
            {"name": who.name, "role": who.role, "csrf": csrf_of(cookie)},
            headers={"Cache-Control": "no-store"},
        )
        set_cookie(request, answer, cookie)
        return answer


def set_cookie(request: Request, response: Response, cookie: str) -> None:
    """For this site alone, out of the reach of scripts, gone when the browser is closed."""
    response.set_cookie(
        cookie_name(request),
        cookie,
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
