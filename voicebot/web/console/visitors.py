"""Who is looking at a page: a person who has logged in, or a program with a token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

from fastapi import Request

from telephony.access import bearer_token
from voicebot.records.store import Records
from voicebot.security import Principal
from voicebot.web.access import Refusal, not_ours
from voicebot.web.console.catalogue import LANGUAGES, preferred
from voicebot.web.sessions import client_of, page_principal

LOGIN = "/console/login"
LANGUAGE_COOKIE, THEME_COOKIE = "voicebot_language", "voicebot_theme"
THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whom a page is made for.

    Parameters:
        principal: None on the page to log in.
        csrf: what changes need as X-CSRF-Token; empty for a bearer token, which needs none.
    """

    principal: Principal | None
    csrf: str
    language: str
    theme: str

    @property
    def name(self) -> str:
        return self.principal.name if self.principal else ""

    @property
    def role(self) -> str:
        return self.principal.role if self.principal else ""


class NotLoggedIn(Exception):
    """The page is for people who have logged in."""


class NotForRole(Exception):
    """The page is not for this person; it has been audited already."""


def visitor(*roles: str) -> Callable[..., Awaitable[Visitor]]:
    """A FastAPI dependency: the visitor, whose role is one of `roles`.

    Who is not logged in is sent to the page to log in, a fragment's request by HX-Redirect; who
    has another role gets a page that says so. Refusals of the known are audited.
    """

    async def dependency(request: Request) -> Visitor:
        found, csrf = await _principal(request)
        who = request.state.visitor = _visitor(request, found, csrf)
        if found is None:
            raise NotLoggedIn
        foreign = not_ours(request, csrf) if csrf else None
        if foreign is not None or found.role not in roles:
            records: Records = request.app.state.records
            records.audit(found, "refused", request.url.path, client_of(request), allowed=False)
            raise NotForRole if foreign is None else Refusal(403, foreign)
        return who

    return dependency


def principal(who: Visitor) -> Principal:
    """The person who has logged in: `visitor` has let nobody else in."""
    assert who.principal is not None
    return who.principal


def present_visitor(request: Request) -> Visitor:
    """Whom `visitor` has found, else a stranger in the language of his browser."""
    known: Visitor | None = getattr(request.state, "visitor", None)
    return known if known is not None else _visitor(request, None, "")


def login_address(request: Request) -> str:
    """Where to log in, and come back from to this page."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if is_fragment(request):  # comes back to the page that asked for it
        here = request.headers.get("hx-current-url", "/console/").split("//", 1)[-1]
        here = "/" + here.partition("/")[2]
    return f"{LOGIN}?next={quote(here, safe='')}"


def is_fragment(request: Request) -> bool:
    """HTMX asks for a part of a page."""
    return request.headers.get("hx-request") == "true"


async def _principal(request: Request) -> tuple[Principal | None, str]:
    token = bearer_token(request.headers.get("authorization"))
    if token is not None:
        records: Records = request.app.state.records
        return await records.principal(token), ""
    found = await page_principal(request)
    return (None, "") if found is None else (found.principal, found.csrf)


def _visitor(request: Request, principal: Principal | None, csrf: str) -> Visitor:
    language = request.cookies.get(LANGUAGE_COOKIE, "")
    if language not in LANGUAGES:
        language = preferred(request.headers.get("accept-language", ""))
    theme = request.cookies.get(THEME_COOKIE, "")
    return Visitor(principal, csrf, language, theme if theme in THEMES else THEMES[0])
