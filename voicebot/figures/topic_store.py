"""Topics in the database: which matters belong to them, how many a day, which are rising."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from voicebot.figures.report import Period
from voicebot.figures.rising import LEAST_DAYS, PAST_DAYS, Alarm, alarm, new_topic
from voicebot.figures.tables import TopicAlarmRow, TopicMatterRow, TopicRow
from voicebot.figures.topics import Found, Topic
from voicebot.gap_list import day_of
from voicebot.tickets.working_days import is_working

LEAST_ALIKE = 14
"""Days of the same kind; with fewer all days are the past."""


@dataclass(frozen=True, slots=True)
class Rising:
    """An alarm of a topic in a place on a day."""

    topic: int
    region: str
    alarm: Alarm


def known_topics(session: Session, since: float) -> list[Topic]:
    """Topics that somebody has raised since then."""
    rows = session.execute(select(TopicRow.id, TopicRow.examples).where(TopicRow.last_at >= since))
    return [Topic(number, tuple(examples)) for number, examples in rows]


def keep(session: Session, found: Sequence[Found]) -> int:
    """Put matters on record with their topics, each call once; how many are new."""
    return sum(_keep(session, each) for each in found)


def _keep(session: Session, found: Found) -> int:
    times = [matter.at for matter in found.matters]
    row = session.get(TopicRow, found.topic) if found.topic is not None else None
    if row is None:
        row = TopicRow(
            label=found.examples[0],
            examples=list(found.examples),
            first_at=min(times),
            last_at=max(times),
        )
        session.add(row)
        session.flush()
    row.last_at = max(row.last_at, *times)
    calls = {matter.call_id: matter for matter in reversed(found.matters)}
    there = set(
        session.scalars(
            select(TopicMatterRow.call_id).where(
                TopicMatterRow.topic == row.id, TopicMatterRow.call_id.in_(calls)
            )
        )
    )
    new = [matter for call, matter in calls.items() if call not in there]
    session.add_all(
        TopicMatterRow(
            topic=row.id,
            call_id=matter.call_id,
            at=matter.at,
            day=day_of(matter.at),
            region=matter.region,
        )
        for matter in new
    )
    return len(new)


def raise_alarms(session: Session, today: date, at: float) -> list[Rising]:
    """Alarms of the day so far; those that were not on record yet are returned."""
    new = []
    for each in rising(session, today):
        key = (each.topic, today.isoformat(), each.region)
        row = session.get(TopicAlarmRow, key)
        if row is None:
            row = TopicAlarmRow(topic=key[0], day=key[1], region=key[2], raised_at=at)
            session.add(row)
            new.append(each)
        row.count, row.expected = each.alarm.count, each.alarm.expected
        row.chance, row.new = each.alarm.chance, each.alarm.new
    return new


def rising(session: Session, today: date) -> list[Rising]:
    """Topics, by place and in the whole province (""), that are unusual today."""
    first = today - timedelta(days=PAST_DAYS)
    series, began = _counts(session, first, today)
    listening = session.scalar(select(func.min(TopicMatterRow.at)))
    if listening is None or (today - date.fromisoformat(day_of(listening))).days < LEAST_DAYS:
        return []  # everything is new
    found = []
    for (topic, region), counts in sorted(series.items()):
        count = counts.get(today, 0)
        start = max(first, began[topic])
        days = [start + timedelta(days=n) for n in range((today - start).days)]
        if len(days) < LEAST_DAYS:
            seen = new_topic(count, [counts.get(day, 0) for day in days])
        else:
            alike = [day for day in days if is_working(day) == is_working(today)]
            past = alike if len(alike) >= LEAST_ALIKE else days
            seen = alarm(count, [counts.get(day, 0) for day in past], len(series))
        if seen is not None:
            found.append(Rising(topic, region, seen))
    return found


Series = Mapping[tuple[int, str], Mapping[date, int]]


def _counts(session: Session, first: date, last: date) -> tuple[Series, Mapping[int, date]]:
    """Calls by topic and place, by day; and the first day of each topic."""
    since, until = Period(first, last).moments
    rows: Iterable[Any] = session.execute(
        select(TopicMatterRow.topic, TopicMatterRow.region, TopicMatterRow.day, func.count())
        .where(TopicMatterRow.at >= since, TopicMatterRow.at < until)
        .group_by(TopicMatterRow.topic, TopicMatterRow.region, TopicMatterRow.day)
    )
    series: dict[tuple[int, str], dict[date, int]] = defaultdict(lambda: defaultdict(int))
    began: dict[int, date] = {}
    for topic, region, text, count in rows:
        day = date.fromisoformat(text)
        series[topic, ""][day] += count
        if region:
            series[topic, region][day] += count
        began[topic] = min(day, began.get(topic, day))
    return series, began
