"""Hot topics (热点) of some days as people read them: counts, places, alarms; examples masked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from voicebot.figures.report import Period, moment
from voicebot.figures.tables import TopicAlarmRow, TopicMatterRow, TopicRow
from voicebot.gap_list import region_name

MOST = 30


@dataclass(frozen=True, slots=True)
class TopicLine:
    """One topic; `count` calls in the period, `before` in as many days before it."""

    topic: int
    label: str
    examples: tuple[str, ...]
    count: int
    before: int
    days: Mapping[str, int]
    regions: Mapping[str, int]
    alarms: tuple[dict[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def topic_lines(session: Session, period: Period, limit: int = MOST) -> list[TopicLine]:
    """The topics of `period`: those with an alarm first, then by calls."""
    since, until = period.moments
    counts = _counts(session, since, until)
    alarms = _alarms(session, period)
    first = sorted(counts, key=lambda topic: (topic not in alarms, -counts[topic], topic))
    chosen = first[:limit]
    # When and where only of those that are shown: of all it would be most of the matters anew.
    days: dict[int, Counter[str]] = defaultdict(Counter)
    regions: dict[int, Counter[str]] = defaultdict(Counter)
    for topic, day, region, count in session.execute(
        select(TopicMatterRow.topic, TopicMatterRow.day, TopicMatterRow.region, func.count())
        .where(
            TopicMatterRow.topic.in_(chosen), TopicMatterRow.at >= since, TopicMatterRow.at < until
        )
        .group_by(TopicMatterRow.topic, TopicMatterRow.day, TopicMatterRow.region)
    ):
        days[topic][day] += count
        regions[topic][region_name(region)] += count
    before = _counts(session, since - (until - since), since, chosen)
    rows = session.scalars(select(TopicRow).where(TopicRow.id.in_(chosen)))
    known = {row.id: row for row in rows}
    return [
        TopicLine(
            topic,
            known[topic].label,
            tuple(known[topic].examples),
            counts[topic],
            before.get(topic, 0),
            dict(sorted(days[topic].items())),
            dict(regions[topic].most_common()),
            tuple(alarms.get(topic, ())),
        )
        for topic in chosen
        if topic in known
    ]


def _counts(
    session: Session, since: float, until: float, topics: Collection[int] | None = None
) -> Mapping[int, int]:
    """How often topics (None: all) were raised; an index has all that it takes."""
    chosen = [] if topics is None else [TopicMatterRow.topic.in_(topics)]
    rows = session.execute(
        select(TopicMatterRow.topic, func.count())
        .where(TopicMatterRow.at >= since, TopicMatterRow.at < until, *chosen)
        .group_by(TopicMatterRow.topic)
    )
    return dict(rows.all())


def _alarms(session: Session, period: Period) -> Mapping[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    rows = session.scalars(
        select(TopicAlarmRow)
        .where(
            TopicAlarmRow.day >= period.first.isoformat(),
            TopicAlarmRow.day <= period.last.isoformat(),
        )
        .order_by(TopicAlarmRow.day, TopicAlarmRow.region)
    )
    for row in rows:
        found[row.topic].append(
            {
                "day": row.day,
                "region": row.region,
                "region_name": region_name(row.region) if row.region else "全省",
                "count": row.count,
                "expected": round(row.expected, 2),
                "chance": row.chance,
                "new": row.new,
                "raised_at": moment(row.raised_at),
            }
        )
    return found
