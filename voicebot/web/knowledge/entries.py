"""Entries as HTTP: lists, one with its versions, what these differ in, and acts on one."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from kb import summary
from kb.entry import Entry, Status
from kb.errors import Outdated
from voicebot.clock import now, today
from voicebot.knowledge_desk import entries
from voicebot.records.tables import AuditRow
from voicebot.request_body import MOST_ROWS
from voicebot.security import Principal
from voicebot.web.access import Refusal
from voicebot.web.knowledge.desk import (
    REVIEWERS,
    Desk,
    Editor,
    Reader,
    act_of,
    audit_row,
    refused,
    seen_version,
)
from voicebot.web.knowledge.models import ActModel, Change, Code, Id, Line, NewEntry

MOST = 200
LONGEST_LOOK_DAYS = 3660

BAD_AFTER = {"code": "bad_request", "message": "after is the `next` of the page before, unchanged."}
FOR_REVIEWERS = {
    "code": "wrong_role",
    "message": "Reviewers decide what is spoken; hand the entry in, and one of them reads it.",
}
OWN_ACTS = ("submit",)
"""What an editor may do by himself."""


def add_entries(app: FastAPI, desk: Desk) -> None:
    """Adds the endpoints of entries (`voicebot.web.knowledge`)."""
    records = desk.records

    @app.get("/v1/knowledge/entries")
    async def page(
        _: Reader,
        status: Status | None = None,
        department: Line = "",
        region: Code | None = None,
        text: Annotated[str, Query(max_length=100)] = "",
        ending_days: Annotated[int | None, Query(ge=0, le=LONGEST_LOOK_DAYS)] = None,
        ended: bool = False,
        order: summary.Order = "recent",
        after: Annotated[str, Query(max_length=100)] = "",
        limit: Annotated[int, Query(ge=1, le=MOST)] = summary.SHOWN,
    ) -> dict[str, Any]:
        """A page of entries; `next` is the next page's `after`, or null.

        `region` without a value is the whole province; `ending_days`: whose validity ends within
        so many days, `ended`: whose validity is over.
        """
        wanted = wanted_entries(status, department, region, text, ending_days, ended)
        try:
            found = await records.read(
                entries.listed, wanted, now(), order=order, after=after, limit=limit
            )
        except ValueError:
            raise Refusal(422, BAD_AFTER) from None
        return {"entries": [each.as_dict() for each in found.entries], "next": found.next}

    @app.get("/v1/knowledge/entries/{entry_id}")
    async def one(entry_id: Id, _: Reader, response: Response) -> dict[str, Any]:
        """All versions, the newest first, with the steps that each has taken."""
        with refused():
            known, spoken = await records.read(entries.with_spoken, entry_id, now())
        response.headers["ETag"] = f'"{known[-1].entry.version}"'
        return {
            "id": entry_id,
            "spoken_version": spoken,
            "versions": [entries.as_dict(version) for version in reversed(known)],
        }

    @app.get("/v1/knowledge/entries/{entry_id}/diff")
    async def diff(
        entry_id: Id,
        _: Reader,
        old: Annotated[int, Query(alias="from", ge=1, le=MOST_ROWS)],
        new: Annotated[int, Query(alias="to", ge=1, le=MOST_ROWS)],
    ) -> dict[str, Any]:
        """The fields that differ; `pieces` went (removed), came (added) or stayed (same)."""
        with refused():
            found = await records.read(entries.compared, entry_id, old, new)
        return {"from": old, "to": new, "changes": [each.as_dict() for each in found]}

    @app.post("/v1/knowledge/entries", status_code=201)
    async def add(
        given: NewEntry, principal: Editor, request: Request, response: Response
    ) -> dict[str, Any]:
        """A new entry: a draft, or handed in for review."""
        work = partial(
            entries.add,
            name=given.id,
            values=given.values(),
            act=act_of(principal, given.why or "new entry"),
            submit=given.submit,
        )
        with refused(request):
            made = await records.transact(audited, work, audit_row(request, principal, "kb.add"))
        return _told(made, response)

    @app.put("/v1/knowledge/entries/{entry_id}")
    async def change(
        entry_id: Id,
        given: Change,
        principal: Editor,
        request: Request,
        response: Response,
        if_match: Annotated[str, Header()] = "",
    ) -> Any:
        """A new version. 412: somebody else wrote one meanwhile, and what he has changed."""
        seen, values = seen_version(if_match), given.values()
        work = partial(
            entries.change,
            name=entry_id,
            values=values,
            act=act_of(principal, given.why or "edited"),
            seen=seen,
            submit=given.submit,
        )
        with refused(request):
            try:
                made = await records.transact(
                    audited, work, audit_row(request, principal, "kb.edit")
                )
            except Outdated as error:
                others = await records.read(entries.conflict_with, entry_id, values, seen)
                told = {"code": error.code, "message": str(error), **others.as_dict()}
                return JSONResponse(told, 412, {"Cache-Control": "no-store"})
        return _told(made, response)

    @app.post("/v1/knowledge/entries/{entry_id}/acts")
    async def act(
        entry_id: Id,
        given: ActModel,
        principal: Editor,
        request: Request,
        response: Response,
    ) -> dict[str, Any]:
        """Hand in; approve or send back what somebody else wrote; withdraw; bring back."""
        may_take(desk, request, principal, given.act)
        work = partial(
            entries.take,
            name=entry_id,
            what=given.act,
            act=act_of(principal, given.why),
            version=given.version,
            at=given.at,
        )
        with refused():
            made = await records.transact(
                audited, work, audit_row(request, principal, f"kb.{given.act}")
            )
        return _told(made, response)


def wanted_entries(
    status: Status | None,
    department: str,
    region: str | None,
    text: str,
    ending_days: int | None,
    ended: bool,
) -> summary.Wanted:
    """What a list is to show; days from today on."""
    day = today()
    first: date | None = None
    last: date | None = None
    if ended:
        last = day - timedelta(days=1)
    elif ending_days is not None:
        first, last = day, day + timedelta(days=ending_days)
    return summary.Wanted(status, department, region, text.strip(), first, last)


def may_take(desk: Desk, request: Request, principal: Principal, act: str) -> None:
    """Who may take a step; an editor hands in, the rest is for reviewers.

    Raises:
        Refusal: 403, which is audited.
    """
    if act not in OWN_ACTS and principal.role not in REVIEWERS:
        desk.records.audit(principal, "refused", request.url.path, allowed=False)
        raise Refusal(403, FOR_REVIEWERS)


def audited(session: Session, work: partial[Entry], row: AuditRow) -> Entry:
    """One act with its audit row, both or none."""
    made = work(session)
    row.subject = f"{made.id} v{made.version}"
    session.add(row)
    return made


def _told(entry: Entry, response: Response) -> dict[str, Any]:
    response.headers["ETag"] = f'"{entry.version}"'
    return {"id": entry.id, "version": entry.version, "status": entry.status.value}
