"""One entry: what it says, how far it has come, what can be done with it, and its versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query, Request, Response
from sqlalchemy.orm import Session

from kb import summary
from kb.entry import Safety, Status
from kb.entry_form import Values, blank, values_of
from kb.ledger import Version
from kb.rules import authors, person
from voicebot.clock import now, today
from voicebot.knowledge_desk import entries
from voicebot.knowledge_desk.comparing import FieldChange, changes
from voicebot.knowledge_desk.gaps import Gap
from voicebot.web.console.knowledge.room import (
    PREFIX,
    Editor,
    Reader,
    Room,
    edits,
    regions,
    reviews,
)
from voicebot.web.knowledge.desk import refused
from voicebot.web.knowledge.models import Id

MOST_QUESTION = 100


def add_entry_pages(room: Room) -> None:
    """Adds the pages of one entry."""
    console, records = room.console, room.records

    @room.app.get(PREFIX + "/new", include_in_schema=False)
    async def new(
        request: Request,
        _: Editor,
        question: Annotated[str, Query(max_length=200)] = "",
        gap: Annotated[str, Query(max_length=16)] = "",
    ) -> Response:
        found = room.desk.gaps.find(gap) if gap else None
        return console.page(
            request,
            "knowledge/new.html",
            values=first_values(question, found),
            gap=found,
            **await records.read(_choices),
        )

    @room.app.get(PREFIX + "/entries/{entry_id}", include_in_schema=False)
    async def one(request: Request, entry_id: Id, who: Reader) -> Response:
        with refused():
            known, spoken = await records.read(entries.with_spoken, entry_id, now())
        return console.page(
            request,
            "knowledge/entry.html",
            **shown(known, spoken, who.name, reviews(who)),
            edits=edits(who),
            **await records.read(_choices),
        )

    @room.app.get(PREFIX + "/entries/{entry_id}/compare", include_in_schema=False)
    async def compare(
        request: Request,
        entry_id: Id,
        _: Reader,
        old: Annotated[int, Query(alias="from", ge=1)],
        new: Annotated[int, Query(alias="to", ge=1)],
    ) -> Response:
        with refused():
            found = await records.read(entries.compared, entry_id, old, new)
        return console.fragment(request, "knowledge/compare.html", changes=found, old=old, new=new)


def first_values(question: str, gap: Gap | None) -> Values:
    """What the form of a new entry begins with; a gap brings what callers have said."""
    day = today()
    values = blank(day)
    if gap is not None:
        question, *others = (text[:MOST_QUESTION] for text in gap.line.examples)
        values["variants"] = [text for text in others if text != question]
    values["question"] = question[:MOST_QUESTION]
    values["valid_to"] = f"{day.year + 1}-12-31"
    return values


def shown(
    known: Sequence[Version], spoken: int | None, name: str, may_review: bool
) -> dict[str, Any]:
    """What the page of an entry needs; `known` are its versions, oldest first.

    The version to be judged is the newest that waits, the one to be published the newest that is
    approved; neither need be the newest of all.
    """
    newest = known[-1]
    waiting = _last(known, Status.IN_REVIEW)
    approved = _last(known, Status.APPROVED)
    if approved is not None and spoken is not None and approved.entry.version < spoken:
        approved = None
    basis = next((v for v in known if v.entry.version == spoken), None)
    judged = waiting or approved
    return {
        "entry": newest.entry,
        "values": values_of(newest.entry),
        "versions": list(reversed(known)),
        "spoken": spoken,
        "valid": newest.entry.valid_on(today()),
        "waiting": waiting,
        "approved": approved,
        "own": waiting is not None and person(name) in authors(known, waiting.entry.version),
        "may_review": may_review,
        "basis": basis,
        "changes": _changes(basis, judged),
        "withdrawable": any(v.entry.status is Status.PUBLISHED for v in known),
    }


def _changes(basis: Version | None, judged: Version | None) -> tuple[FieldChange, ...]:
    if basis is None or judged is None:
        return ()
    return changes(basis.entry, judged.entry)


def _last(known: Sequence[Version], status: Status) -> Version | None:
    return next((v for v in reversed(known) if v.entry.status is status), None)


def _choices(session: Session) -> dict[str, Any]:
    return {
        "departments": summary.departments(session),
        "regions": regions(),
        "safeties": [each.value for each in Safety],
    }
