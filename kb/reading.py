"""What may be read to whom: the one place that says so; every answer passes it when it is given.

The store gives out what is published; an index, a publication held in memory or a file beside
them may be older than the moment at which somebody asks, so each asks here again.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone

from kb.entry import Entry, Status
from kb.regions import covers
from kb.slots import fill, place_for

HAINAN = timezone(timedelta(hours=8), "Asia/Shanghai")
"""The time zone of validity: days begin and end at midnight in Hainan."""


def may_read(
    entry: Entry,
    at: date,
    *,
    region: str | None = None,
    line: str | None = None,
    audience: str | None = None,
) -> bool:
    """Whether `entry` may be read to this caller at this moment.

    Args:
        at: the moment (aware, or in Hainan's time); a plain day counts as its last moment.
        region: the caller's place, a GB/T 2260 code; unknown places are covered by all entries,
            and slots have the province's values there.
        line: the dialled number (DID). What is for certain lines is for no unknown one.
        audience: whom the caller is known to belong to (面向对象); the same holds.
    """
    return (
        in_force(entry, at)
        and covers(entry.region, region)
        and (not entry.lines or line in entry.lines)
        and (not entry.audience or audience == entry.audience)
        and answer_for(entry, at, region) is not None
    )


def answer_for(entry: Entry, at: date, region: str | None) -> str | None:
    """The answer with its slots filled for a caller at `region`; None if one has no value."""
    return fill(entry.answer, entry.slots, place_for(entry.region, region), day_of(at))


def in_force(entry: Entry, at: date) -> bool:
    """Whether `entry` is published, valid and neither withdrawn nor replaced at this moment."""
    return (
        entry.status is Status.PUBLISHED
        and entry.valid_on(day_of(at))
        and (entry.until is None or moment(at) < entry.until)
    )


def moment(at: date) -> datetime:
    """`at` with its time zone: a naive moment is Hainan's, a plain day its last moment."""
    if not isinstance(at, datetime):
        return datetime.combine(at, time.max, HAINAN)
    return at if at.tzinfo else at.replace(tzinfo=HAINAN)


def day_of(at: date) -> date:
    """Which day it is in Hainan at that moment."""
    return moment(at).astimezone(HAINAN).date()


def begins(day: date) -> datetime:
    """The first moment of a day in Hainan."""
    return datetime.combine(day, time.min, HAINAN)
