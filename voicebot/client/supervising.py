"""Operations about surge control, incidents, figures, and what is going on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Any

from voicebot.client.answers import (
    Alarm,
    Announcement,
    Board,
    Figures,
    Incident,
    IncidentRow,
    SurgeStatus,
    Topic,
)
from voicebot.client.calls import rows_of
from voicebot.client.operation import Operation, given, named, post, read


def board() -> Operation[Board]:
    """Calls, hand-offs, the waiting list and surge control, as they stand this second."""
    return read("/v1/board")


def alarms() -> Operation[list[Alarm]]:
    """What has to be seen to, the worst first."""
    return Operation("GET", "/v1/alarms", read=partial(rows_of, "alarms"))


# ── surge ─────────────────────────────────────────────────────────────────────────


def surge() -> Operation[SurgeStatus]:
    """Each line's mode, figures and newest decision, and the orders in force."""
    return read("/v1/surge")


def order(
    what: str, why: str, *, line: str | None = None, minutes: float | None = None
) -> Operation[list[dict[str, Any]]]:
    """Order who answers, or what kind of day it is; the orders in force after it.

    Parameters:
        what: ``bot``, ``seats``, ``normal`` …, or ``end``: of what stands for that line.
        line: the number that is dialled; None: all lines.
        minutes: until when it stands; 120 by default.
    """
    body = given(order=what, why=why, line=line, minutes=minutes)
    return Operation("POST", "/v1/surge/override", body=body, read=partial(rows_of, "orders"))


def tell_figures(lines: Sequence[dict[str, Any]]) -> Operation[dict[str, int]]:
    """An ACD tells seats and queue of its lines, every few seconds (docs/surge.md)."""
    return Operation("PUT", "/v1/surge/figures", body={"lines": list(lines)})


# ── incidents ─────────────────────────────────────────────────────────────────────


def incidents(*, least: int | None = None) -> Operation[list[IncidentRow]]:
    """Those that are open, most callers first; `least`: callers, 2 by default."""
    return Operation("GET", "/v1/incidents", {"least": least}, read=partial(rows_of, "incidents"))


def incident(incident_id: str) -> Operation[Incident]:
    """One with its members, announcements and what was done."""
    return read(f"/v1/incidents/{named(incident_id)}")


def waiting() -> Operation[list[dict[str, Any]]]:
    """Who waits for a line to 110, the riskiest first."""
    return Operation("GET", "/v1/waiting", read=partial(rows_of, "waiting"))


def merge(incident_id: str, other: str) -> Operation[Incident]:
    """`other` is the same event: its members come over, and it is closed."""
    return post(f"/v1/incidents/{named(incident_id)}/merge", {"other": other})


def split(incident_id: str, handoffs: Sequence[str]) -> Operation[Incident]:
    """These hand-offs are another event; the new incident."""
    return post(f"/v1/incidents/{named(incident_id)}/split", {"handoffs": list(handoffs)})


def close(incident_id: str) -> Operation[Incident]:
    """The event is over; its announcements end."""
    return post(f"/v1/incidents/{named(incident_id)}/close", None)


def announce(
    incident_id: str, text: str, *, did: str | None = None, region: str | None = None
) -> Operation[Announcement]:
    """Propose what new callers are told; it is spoken once somebody else approves."""
    body = given(text=text, did=did, region=region)
    return post(f"/v1/incidents/{named(incident_id)}/announcement", body)


def approve(incident_id: str, announcement: int) -> Operation[Announcement]:
    """Approve what somebody else has proposed."""
    return post(f"/v1/incidents/{named(incident_id)}/announcement/{announcement}/approve", None)


def withdraw(incident_id: str, announcement: int) -> Operation[Announcement]:
    """It is not spoken any more."""
    return post(f"/v1/incidents/{named(incident_id)}/announcement/{announcement}/withdraw", None)


# ── figures ───────────────────────────────────────────────────────────────────────


def figures(
    first: date | None = None, last: date | None = None, *, by: str | None = None
) -> Operation[Figures]:
    """The figures of whole days in Hainan.

    Parameters:
        first: yesterday by default.
        last: included; the first by default.
        by: ``line``, ``region``, ``department``, ``hour``, ``day``.
    """
    return read("/v1/figures", {**_days(first, last), "by": by})


def definitions() -> Operation[list[dict[str, Any]]]:
    """What each figure means."""
    return read("/v1/figures/definitions")


def topics(
    first: date | None = None, last: date | None = None, *, limit: int | None = None
) -> Operation[list[Topic]]:
    """What callers called about on some days, rising topics first; wordings masked."""
    return read("/v1/topics", {**_days(first, last), "limit": limit})


def _days(first: date | None, last: date | None) -> dict[str, str | None]:
    return {
        "from": first.isoformat() if first else None,
        "to": last.isoformat() if last else None,
    }
