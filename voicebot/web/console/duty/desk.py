"""What the pages of the duty desk have in common."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Query, Request

from voicebot.clock import BEIJING
from voicebot.records.store import Records
from voicebot.web.board import Board
from voicebot.web.console.shell import Console, Visitor, principal, visitor
from voicebot.web.service import Service
from voicebot.web.sessions import client_of

STAFF = ("agent", "supervisor", "admin")
SUPERVISORS = ("supervisor", "admin")
PREFIX = "/console/duty/"

Staff = Annotated[Visitor, Depends(visitor(*STAFF))]
Supervisor = Annotated[Visitor, Depends(visitor(*SUPERVISORS))]
Text = Annotated[str, Query(max_length=160)]


@dataclass(frozen=True, slots=True)
class Desk:
    """Parameters:
    app: what the pages are added to.
    board: what is going on this second, shared by all who look.
    """

    app: FastAPI
    service: Service
    console: Console
    board: Board

    @property
    def records(self) -> Records:
        return self.service.records

    @property
    def lines(self) -> dict[str, str]:
        """Names of the dialled numbers."""
        return {line.did: line.name for line in self.service.settings.lines}

    def audit(self, request: Request, who: Visitor, action: str, subject: str = "") -> None:
        """A read of what is on record about people."""
        self.records.audit(principal(who), action, subject, client_of(request))


class Filters(dict[str, str]):
    """What a page was asked with; "" for what was not."""

    def __missing__(self, _: str) -> str:
        return ""


def filters(request: Request) -> Filters:
    return Filters(request.query_params)


def paging(request: Request, key: str | None) -> dict[str, Any]:
    """Addresses of the page that begins at `key` (None: there is none) and of the first page, with
    the filters of this one.
    """
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    here = request.url.path
    first = f"{here}?{urlencode(kept)}" if "after" in request.query_params else None
    following = None if key is None else f"{here}?{urlencode([*kept, ('after', key)])}"
    return {"next": following, "first_page": first}


def seconds(text: str) -> float | None:
    """A moment of a form (2026-11-26T08:30, or a day) in Hainan, in seconds since the epoch.

    None where nothing, or no moment, is written.
    """
    try:
        return datetime.fromisoformat(text).replace(tzinfo=BEIJING).timestamp()
    except (ValueError, OverflowError):
        return None


def whole_number(text: str) -> int | None:
    """A number of a form or an address; None where none is written."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
