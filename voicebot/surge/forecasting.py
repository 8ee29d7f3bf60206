"""What past weeks let expect, out of the calls on record, answered or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Integer, Select, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from flows.forecast import DAYS, Profile, Situation, expected_per_min, learn
from flows.surge import Destination
from voicebot.callers.days import local
from voicebot.clock import BEIJING
from voicebot.duty.calendar import DayKind, day_kind
from voicebot.figures.refusals import never_served
from voicebot.figures.tables import RefusedCallRow
from voicebot.records.tables import CallRow
from voicebot.surge.tables import SurgeDecisionRow

HOUR_S = 3600


def profiles(
    session: Session, now: datetime, weeks: int, factors: Mapping[Situation, float]
) -> dict[str, Profile]:
    """Each line's profile, learnt from whole days of Hainan before today.

    A day before the first call on record was not counted, and is left out.
    """
    today = now.astimezone(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
    since = today - timedelta(weeks=weeks)
    offered = func.coalesce(CallRow.offered_at, CallRow.started_at)
    answered = _by_hour(CallRow.did, offered, since.timestamp())
    refused = _by_hour(RefusedCallRow.did, RefusedCallRow.at, since.timestamp())
    refused = refused.where(never_served())  # the others are in the first
    to_people = _by_hour(SurgeDecisionRow.line, SurgeDecisionRow.at, since.timestamp()).where(
        SurgeDecisionRow.destination != Destination.BOT.value  # those are in the others
    )
    counts: dict[str, Counter[tuple[int, int]]] = {}
    first = today
    for query in (answered, refused, to_people):
        for line, hours, calls in session.execute(query):
            moment = local(hours * HOUR_S)
            if moment < today:
                first = min(first, moment)
                counts.setdefault(line, Counter())[moment.weekday(), moment.hour] += calls
    days = _weekdays(first, today)
    return {line: learn(found, days, factors) for line, found in counts.items()}


def _by_hour(
    line: InstrumentedAttribute[str],
    at: ColumnElement[float] | InstrumentedAttribute[float],
    since: float,
) -> Select[str, int, int]:
    """Calls by line and whole hours since the epoch, which are Hainan's hours too."""
    hours = cast(at, Integer) // HOUR_S
    return select(line, hours, func.count()).where(at >= since).group_by(line, hours)


def situation_on(moment: datetime) -> Situation:
    """By the calendar alone."""
    holiday = day_kind(moment.astimezone(BEIJING).date()) is DayKind.HOLIDAY
    return Situation.HOLIDAY if holiday else Situation.ORDINARY


def expected(profile: Profile | None, moment: datetime, situation: Situation) -> float:
    """Calls a minute at a moment; 0 where nothing is known of the line."""
    if profile is None:
        return 0.0
    there = moment.astimezone(BEIJING)
    hour = there.hour + there.minute / 60 + there.second / 3600
    return expected_per_min(profile, there.weekday(), hour, situation)


def _weekdays(first: datetime, today: datetime) -> list[int]:
    """How many of each weekday there are from the first day on, today left out."""
    whole: Iterable[int] = range((today.date() - first.date()).days)
    found = Counter((first.weekday() + step) % DAYS for step in whole)
    return [found[day] for day in range(DAYS)]
