"""What every page of the console stands in.

A desk adds its entries to `Console.nav` and answers with `Console.page` (a whole page) or
`Console.fragment` (what HTMX puts into one), for visitors whom `visitor` lets in.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from voicebot.records.duty import region_names
from voicebot.records.errors import RecordsUnavailable
from voicebot.web.access import Refusal
from voicebot.web.body_limit import TooLarge
from voicebot.web.console import formats
from voicebot.web.console.assets import PREFIX, Asset
from voicebot.web.console.catalogue import Catalogue, read_catalogue
from voicebot.web.console.icons import icon
from voicebot.web.console.live import ConsoleLive
from voicebot.web.console.places import message_files, parts
from voicebot.web.console.visitors import (
    NotForRole,
    NotLoggedIn,
    Visitor,
    is_fragment,
    login_address,
    present_visitor,
    principal,
    visitor,
)

__all__ = ["Console", "NavEntry", "Visitor", "principal", "visitor"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""Content-Security-Policy of the pages: everything from here, nothing inline."""

GROUPS = ("now", "agent", "knowledge", "duty", "system")
"""The parts of the navigation, in their order; `nav.<group>` in the catalogue names them."""


@dataclass(frozen=True, slots=True)
class NavEntry:
    """A page in the navigation.

    Parameters:
        path: of the page; an entry is the present one on each page below its path, too.
        title: key of its name in the catalogue.
        icon: name in `icons.json`.
        roles: whom it is shown to.
        group: one of `GROUPS`.
    """

    path: str
    title: str
    icon: str
    roles: tuple[str, ...]
    group: str


class Console:
    """Parameters:
    assets: by name, as `assets.read_assets` gives them.
    live: what happens, for pages that are followed from its `seq` on.
    """

    def __init__(self, assets: Mapping[str, Asset], live: ConsoleLive) -> None:
        self.live = live
        self.nav: list[NavEntry] = []
        self.catalogue: Catalogue = read_catalogue(message_files())
        self._assets = assets
        self._templates = Environment(
            loader=ChoiceLoader([FileSystemLoader(folder) for folder in parts("templates")]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(icon=icon, static=self.static)
        self._templates.filters.update(
            clock=formats.clock,
            duration=formats.duration,
            grouped=formats.grouped,
            iso=formats.iso,
            masked_number=formats.masked_number,
            party=formats.party,
            region=lambda code: region_names().get(code, code) if code else "",
        )

    def static(self, name: str) -> str:
        """The address of one of the console's files; a browser keeps it until it changes."""
        return f"{PREFIX}{name}?v={self._assets[name].version}"

    def page(
        self, request: Request, template: str, *, status_code: int = 200, **values: Any
    ) -> HTMLResponse:
        """A template that extends ``base.html``; `values` beside what each page has."""
        return self._answer(request, template, status_code, values)

    def fragment(
        self, request: Request, template: str, *, status_code: int = 200, **values: Any
    ) -> HTMLResponse:
        """A part of a page, for HTMX; the template extends nothing."""
        return self._answer(request, template, status_code, values)

    def problem(self, request: Request, status_code: int, key: str) -> Response:
        """Says what is wrong, from ``problem.<key>``: as a page, or as a notice to HTMX."""
        template = "problem_part.html" if is_fragment(request) else "problem.html"
        return self._answer(request, template, status_code, {"key": key})

    def entries(self, role: str) -> list[tuple[str, list[NavEntry]]]:
        """What a role finds in the navigation, by group; groups without entries are left out."""
        by_group = {
            group: [each for each in self.nav if each.group == group and role in each.roles]
            for group in GROUPS
        }
        return [(group, entries) for group, entries in by_group.items() if entries]

    def _answer(
        self, request: Request, template: str, status_code: int, values: Mapping[str, Any]
    ) -> HTMLResponse:
        who, at = present_visitor(request), time.time()
        language = who.language
        text = self._templates.get_template(template).render(
            visitor=who,
            csrf=who.csrf,
            path=request.url.path,
            nav=self.entries(who.role),
            present=self._present(who.role, request.url.path),
            now=at,
            moment=partial(formats.moment, now=at),
            t=partial(self.catalogue.text, language),
            name_of=partial(self.catalogue.name, language),
            browser_messages=partial(self._browser_messages, language),
            **values,
        )
        return HTMLResponse(
            text,
            status_code,
            headers={
                "Content-Security-Policy": POLICY,
                "Cache-Control": "no-store",
                "Vary": "Cookie, HX-Request, Accept-Language",
            },
        )

    def _present(self, role: str, path: str) -> str:
        """The path of the entry that a page belongs to: the longest that it is below."""
        of_page = [
            each.path
            for _, entries in self.entries(role)
            for each in entries
            if path == each.path
            or (each.path != "/console/" and path.startswith(each.path.rstrip("/") + "/"))
        ]
        return max(of_page, key=len, default="")

    def _browser_messages(self, language: str) -> Markup:
        text = json.dumps(self.catalogue.for_browsers(language), ensure_ascii=False)
        # It stands in a <script>, whose end must not stand in it.
        return Markup(text.replace("<", "\\u003c"))  # noqa: S704


def add_problems(app: FastAPI, console: Console) -> None:
    """Faults are pages below ``/console/``; elsewhere they stay what they were."""

    @app.exception_handler(NotLoggedIn)
    async def not_logged_in(request: Request, _: NotLoggedIn) -> Response:
        if is_fragment(request):
            return Response(status_code=401, headers={"HX-Redirect": login_address(request)})
        return RedirectResponse(login_address(request), 303)

    @app.exception_handler(NotForRole)
    async def not_for_role(request: Request, _: NotForRole) -> Response:
        return console.problem(request, 403, "not_for_role")

    for kind, key, status in (
        (RecordsUnavailable, "records_unavailable", 503),
        (TooLarge, "too_large", 413),
        (Refusal, "", 0),
    ):
        _also_as_page(app, console, kind, key, status)


def _also_as_page(
    app: FastAPI, console: Console, kind: type[Exception], key: str, status: int
) -> None:
    otherwise: Any = app.exception_handlers[kind]

    async def handler(request: Request, error: Exception) -> Response:
        if not request.url.path.startswith("/console/") or not _shows_pages(request):
            answer: Response = await otherwise(request, error)
            return answer
        if isinstance(error, Refusal):
            said: Any = error.detail
            known = f"problem.{said['code']}" in console.catalogue.keys
            return console.problem(request, error.status_code, said["code"] if known else "refused")
        return console.problem(request, status, key)

    app.add_exception_handler(kind, handler)


def _shows_pages(request: Request) -> bool:
    return is_fragment(request) or "text/html" in request.headers.get("accept", "")
