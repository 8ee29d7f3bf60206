"""What the pages of the knowledge desk have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Request

from voicebot.records.duty import region_names
from voicebot.records.store import Records
from voicebot.web.console.shell import Console, Visitor, visitor
from voicebot.web.knowledge.desk import EDITORS, READERS, REVIEWERS, Desk

PREFIX = "/console/knowledge"

Reader = Annotated[Visitor, Depends(visitor(*READERS))]
Editor = Annotated[Visitor, Depends(visitor(*EDITORS))]


@dataclass(frozen=True, slots=True)
class Room:
    """Parameters:
    app: what the pages are added to.
    desk: shared with the endpoints.
    """

    app: FastAPI
    console: Console
    desk: Desk

    @property
    def records(self) -> Records:
        return self.desk.records


def edits(who: Visitor) -> bool:
    return who.role in EDITORS


def reviews(who: Visitor) -> bool:
    return who.role in REVIEWERS


def regions() -> list[tuple[str, str]]:
    """(code, name) of the places an entry may be for; the whole province is the empty code."""
    return [(code, name) for code, name in sorted(region_names().items()) if code != "460000"]


def address(request: Request, **changes: str | None) -> str:
    """This page's address with other parameters; None takes one away."""
    kept = {name: value for name, value in request.query_params.items() if name not in changes}
    given = {**kept, **{name: value for name, value in changes.items() if value}}
    return f"{request.url.path}?{urlencode(given)}" if given else request.url.path
