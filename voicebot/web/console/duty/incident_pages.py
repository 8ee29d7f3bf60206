"""Incidents (同一件事): what many callers report, as one.

GET /console/duty/incidents          agent, supervisor, admin
GET /console/duty/incidents/closed   the same: those that are over
GET /console/duty/incidents/{id}     the same: callers, the greatest risk first, announcements, what
                                     was done
"""

from __future__ import annotations

from fastapi import Request, Response

from voicebot.incidents import reading
from voicebot.incidents.announcing import MOST_CHARACTERS
from voicebot.incidents.errors import UnknownIncident
from voicebot.incidents.reading import MemberKey
from voicebot.records.duty import region_names
from voicebot.web.access import Refusal
from voicebot.web.console.duty.desk import (
    SUPERVISORS,
    Desk,
    Staff,
    Text,
    paging,
    whole_number,
)
from voicebot.web.console.shell import principal
from voicebot.web.discretion import members_for
from voicebot.web.paging import BAD_AFTER, read_key, write_key

SHOWN = 50
SEVERAL = 2
"""Callers from which on it is one event of several, and not a single call."""


def add_incident_pages(desk: Desk) -> None:
    console, records = desk.console, desk.records

    @desk.app.get("/console/duty/incidents", include_in_schema=False)
    async def incidents(who: Staff, request: Request, least: Text = "") -> Response:
        fewest = max(1, whole_number(least) or SEVERAL)
        found = await records.read(reading.open_incidents, least=fewest)
        desk.audit(request, who, "incidents.list")
        return console.page(
            request,
            "duty/incidents.html",
            incidents=found[:SHOWN],
            left_out=max(0, len(found) - SHOWN),
            least=fewest,
        )

    # Before the next, whose id would take it in.
    @desk.app.get("/console/duty/incidents/closed", include_in_schema=False)
    async def closed(who: Staff, request: Request, after: Text = "") -> Response:
        found = await records.read(reading.closed_incidents, after=read_key(after), most=SHOWN)
        desk.audit(request, who, "incidents.list")
        last = found[-1] if len(found) == SHOWN else None
        key = None if last is None else write_key((last["opened_at"], last["incident"]))
        return console.page(
            request, "duty/incidents_closed.html", incidents=found, **paging(request, key)
        )

    @desk.app.get("/console/duty/incidents/{incident}", include_in_schema=False)
    async def one(incident: str, who: Staff, request: Request, after: Text = "") -> Response:
        try:
            found, following = await records.read(
                reading.incident_page, incident, after=_read_member(after), most=SHOWN
            )
        except UnknownIncident:
            return console.problem(request, 404, "not_found")
        desk.audit(request, who, "incident.show", incident)
        supervises = who.role in SUPERVISORS
        members = await members_for(records, principal(who), found["members"])
        open_ones = supervises and found["state"] == "open"
        others = await records.read(reading.open_titles) if open_ones else []
        return console.page(
            request,
            "duty/incident.html",
            incident={**found, "members": members},
            others=[each for each in others if each["incident"] != incident],
            supervises=supervises,
            regions=region_names(),
            dids=desk.lines,
            most_characters=MOST_CHARACTERS,
            **paging(request, None if following is None else _write_member(following)),
        )


def _write_member(key: MemberKey) -> str:
    return f"{key.risk!r}~{write_key((key.at, key.handoff))}"


def _read_member(text: str) -> MemberKey | None:
    """None: the first page."""
    if not text:
        return None
    risk, _, rest = text.partition("~")
    key = read_key(rest)
    try:
        if key is None:
            raise ValueError
        return MemberKey(float(risk), *key)
    except ValueError:
        raise Refusal(422, BAD_AFTER) from None
