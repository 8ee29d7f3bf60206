"""What a supervisor does with incidents by hand; each act is on record with who did it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from flows import incidents as rules
from voicebot.incidents.announcing import end_all
from voicebot.incidents.board import keep_step, load, lock, new_id, save
from voicebot.incidents.errors import IncidentError, UnknownIncident
from voicebot.incidents.tables import IncidentRow


def merge(session: Session, into: str, other: str, *, by: str, at: float) -> str:
    """Two incidents are one event; `other` is closed, its members are in `into`.

    Raises:
        UnknownIncident: one of them is not open.
        IncidentError: they are the same one.
    """
    lock(session)
    before = load(session)
    for each in (into, other):
        if each not in before:
            raise UnknownIncident(each)
    if into == other:
        raise IncidentError("An incident cannot be merged with itself; name two of them.")
    after = rules.merge(before, into, other)
    moved = [each.handoff for each in before[other].members]
    save(session, before, after, {}, at)
    session.get_one(IncidentRow, other).merged_into = into
    keep_step(session, into, "merge", by, at, other=other, handoffs=moved)
    keep_step(session, other, "merge", by, at, into=into)
    return into


def split(session: Session, incident: str, handoffs: Sequence[str], *, by: str, at: float) -> str:
    """These hand-offs are another event; the number of its new incident.

    Raises:
        UnknownIncident: it is not open.
        IncidentError: they are not all in it, or nobody would be left in it.
    """
    lock(session)
    before = load(session)
    if incident not in before:
        raise UnknownIncident(incident)
    new = new_id(at)
    try:
        after = rules.split(before, incident, handoffs, new)
    except ValueError:
        raise IncidentError(
            f"Name hand-offs that are in {incident}, and not all of them; "
            f"`voicebot incidents show {incident}` lists them."
        ) from None
    save(session, before, after, {}, at)
    keep_step(session, incident, "split", by, at, new=new, handoffs=list(handoffs))
    keep_step(session, new, "open", by, at, out_of=incident)
    return new


def close(session: Session, incident: str, *, by: str, at: float) -> None:
    """The event is over; who is still on a line stays there. Its announcements end.

    Raises:
        UnknownIncident: it is not open.
    """
    lock(session)
    row = session.get(IncidentRow, incident)
    if row is None or row.state != "open":
        raise UnknownIncident(incident)
    row.state, row.closed_at = "closed", at
    end_all(session, incident, by=by, at=at)
    keep_step(session, incident, "close", by, at)
