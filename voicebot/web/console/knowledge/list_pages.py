"""The list of entries: what is spoken, what waits for whom, and what ends soon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, get_args

from fastapi import Query, Request, Response
from sqlalchemy.orm import Session

from kb import summary
from kb.entry import Status
from voicebot.clock import now, today
from voicebot.knowledge_desk import entries
from voicebot.web.console.knowledge.room import PREFIX, Reader, Room, address, edits, regions
from voicebot.web.knowledge.entries import wanted_entries

Show = Literal["all", "draft", "in_review", "approved", "published", "ending", "ended", "withdrawn"]
SHOWS: tuple[Show, ...] = get_args(Show)
COUNTED: tuple[Show, ...] = ("draft", "in_review", "approved", "ending")
"""What somebody has to see to; the rest is not counted."""
ENDING_DAYS = 30


@dataclass(frozen=True, slots=True)
class Row:
    """An entry of the list; `days_left` is the whole days of validity after today."""

    listed: entries.Listed
    spoken: bool
    days_left: int

    @property
    def ends_soon(self) -> bool:
        return 0 <= self.days_left <= ENDING_DAYS


def row_of(listed: entries.Listed, day: date) -> Row:
    """What a list says of an entry on that day."""
    entry = listed.summary
    valid = entry.valid_from <= day <= entry.valid_to
    left = (entry.valid_to - day).days
    return Row(listed, listed.spoken is not None and valid, left)


def wanted_of(show: Show, department: str, region: str | None, text: str) -> summary.Wanted:
    """What a tab of the list shows."""
    status = {
        "draft": Status.DRAFT,
        "in_review": Status.IN_REVIEW,
        "approved": Status.APPROVED,
        "published": Status.PUBLISHED,
        "withdrawn": Status.WITHDRAWN,
        "ending": Status.PUBLISHED,
        "ended": Status.PUBLISHED,
    }.get(show)
    days = ENDING_DAYS if show == "ending" else None
    return wanted_entries(status, department, region, text, days, show == "ended")


def add_list_pages(room: Room) -> None:
    """Adds GET /console/knowledge."""

    @room.app.get(PREFIX, include_in_schema=False)
    async def page(
        request: Request,
        who: Reader,
        show: Show = "all",
        department: Annotated[str, Query(max_length=200)] = "",
        region: Annotated[str, Query(pattern=r"^(-|[0-9]{6})?$")] = "",
        text: Annotated[str, Query(max_length=100)] = "",
        after: Annotated[str, Query(max_length=100)] = "",
    ) -> Response:
        place = {"": None, "-": ""}.get(region, region)
        wanted = wanted_of(show, department, place, text)
        order: summary.Order = "ending" if show in ("ending", "ended") else "recent"
        found, counts, departments = await room.records.read(_listed, wanted, order, after)
        following = address(request, after=found.next) if found.next else None
        return room.console.page(
            request,
            "knowledge/list.html",
            rows=[row_of(each, today()) for each in found.entries],
            next=following,
            first=address(request, after=None) if after else None,
            tabs=[
                (name, address(request, show=name, after=None), counts.get(name)) for name in SHOWS
            ],
            show=show,
            department=department,
            region_code=region,
            text=text,
            departments=departments,
            regions=regions(),
            edits=edits(who),
            filtered=bool(department or region or text or show != "all"),
        )


def _listed(
    session: Session, wanted: summary.Wanted, order: summary.Order, after: str
) -> tuple[entries.ListPage, dict[Show, int], list[str]]:
    try:
        found = entries.listed(session, wanted, now(), order=order, after=after)
    except ValueError:  # an address of another order
        found = entries.listed(session, wanted, now(), order=order)
    # Of all entries: counting those that hold some words would read every entry once more.
    counts = {show: summary.count(session, wanted_of(show, "", None, "")) for show in COUNTED}
    return found, counts, summary.departments(session)
