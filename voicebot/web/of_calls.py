"""Which requests concern a running call, so that only the node that has it can answer them.

A node with calls and no pages has these routes and `OF_EVERY_NODE`, and no others.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from fastapi import FastAPI
from starlette.routing import BaseRoute

What = Literal["running", "call", "handoff", "leg", "recording", "new_call"]

OF_EVERY_NODE: Final = ("/health", "/ready", "/metrics", "/v1/config/reload")
OF_MEDIA: Final = (
    "/media",
    "/media/fork",
    "/api/audiosocket",
    "/api/live",
    "/api/lines",
    "/api/calls/{call_id:path}/live",
    "/v1/agent/calls/{call_id:path}/stream",
    "/v1/agent/calls/{call_id:path}/acts",
    "/v1/agent/calls/{call_id:path}/claim",
    "/v1/agent/calls/{call_id:path}/card",
    "/v1/agent/calls/{call_id:path}/draft",
    "/v1/agent/calls/{call_id:path}/ticket",
    "/v1/agent/calls/{call_id:path}/close",
    "/v1/agent/calls/{call_id:path}/link",
    "/v1/agent/offers/{leg}/line",
    "/console/110/{handoff:path}/stream",
    "/console/110/{handoff:path}/recording",
    "/console/calls/{call_id:path}/recording",
)
"""Paths as the routes have them."""

_RUNNING = "stream|acts|claim"
_CALL = "card|draft|ticket|close|link"
_PATTERNS: Final[tuple[tuple[What, re.Pattern[str]], ...]] = (
    ("running", re.compile(rf"/v1/agent/calls/(.+)/(?:{_RUNNING})")),
    ("call", re.compile(rf"/v1/agent/calls/(.+)/(?:{_CALL})")),
    ("leg", re.compile(r"/v1/agent/offers/([^/]+)/line")),
    ("handoff", re.compile(r"/console/110/(.+)/stream")),
    ("recording", re.compile(r"/console/calls/(.+)/recording")),
    ("recording", re.compile(r"/console/110/(.+-h[^/]*)/recording")),
    ("new_call", re.compile(r"(/media(?:/fork)?)")),
)


@dataclass(frozen=True, slots=True)
class OfCall:
    """What a request concerns.

    Parameters:
        what: ``running``: a call that is running; ``call``, ``handoff``: one that may be;
            ``leg``: one that rings at desks; ``recording``: the file of a call that is over;
            ``new_call``: any node with room.
        id: of the call, or of the leg; "" of a new call.
    """

    what: What
    id: str


def concerns(path: str) -> OfCall | None:
    """What a request of this decoded path concerns; None: nothing that another node has. Pure."""
    for what, pattern in _PATTERNS:
        found = pattern.fullmatch(path)
        if found is None:
            continue
        if what == "new_call":
            return OfCall(what, "")
        named = found[1]
        of_handoff = path.startswith("/console/110/")
        return OfCall(what, call_of(named) if of_handoff else named)
    return None


def call_of(handoff: str) -> str:
    """The call that a hand-off belongs to."""
    return handoff.rpartition("-h")[0]


def keep_routes(app: FastAPI, roles: Collection[str]) -> None:
    """Leave an application the routes of these roles; with `web` it keeps all."""
    if "web" in roles:
        return
    kept = {*OF_EVERY_NODE, *(OF_MEDIA if "media" in roles else ())}

    def stays(route: BaseRoute) -> bool:
        return getattr(route, "path", None) in kept

    app.router.routes[:] = [route for route in app.router.routes if stays(route)]
