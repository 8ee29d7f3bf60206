"""A month of callers' questions, summed up for the departments that answer them (R20). Pure."""

from __future__ import annotations

import calendar
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from kb.entry import Entry
from voicebot.asked import Asked, Outcome
from voicebot.clock import BEIJING
from voicebot.gap_list import GapLine, day_of, region_name

NOBODY = "未归属"
"""The department of a question that no entry comes near."""
MOST_FREQUENT = 30
MOST_GAPS = 100
"""Rows of the report's lists."""
OUTCOME_NAMES = {
    Outcome.ANSWERED: "已答复",
    Outcome.CLARIFIED: "追问",
    Outcome.ABSTAINED: "未能答复",
    Outcome.REJECTED: "答非所问",
    Outcome.ASKED_AGAIN: "重复询问",
}
"""For people, in the order in which they are shown."""
Counts = Mapping[Outcome, int]


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in Hainan."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Month:
        """The month of a text such as ``2026-11``.

        Raises:
            ValueError: a text of another form.
        """
        parsed = datetime.strptime(text, "%Y-%m")
        return cls(parsed.year, parsed.month)

    def __str__(self) -> str:
        return f"{self.year}-{self.month:02}"

    @property
    def days(self) -> list[str]:
        """2026-11-01 to 2026-11-30."""
        last = calendar.monthrange(self.year, self.month)[1]
        return [date(self.year, self.month, day).isoformat() for day in range(1, last + 1)]

    @property
    def previous(self) -> Month:
        before = date(self.year, self.month, 1) - timedelta(days=1)
        return Month(before.year, before.month)

    @property
    def moments(self) -> tuple[float, float]:
        """Its begin and its end, in seconds since the epoch."""
        begins = date(self.year, self.month, 1)
        ends = begins + timedelta(days=len(self.days))
        first, last = (datetime.combine(day, time.min, BEIJING) for day in (begins, ends))
        return first.timestamp(), last.timestamp()


@dataclass(frozen=True, slots=True)
class Frequent:
    """An entry that callers asked for; `objected` of `count` were not content with the answer."""

    entry: str
    question: str
    department: str
    count: int
    before: int
    """How often in the month before."""
    objected: int


@dataclass(frozen=True, slots=True)
class Department:
    """The questions of one department; those without an answer by the entry nearest to them."""

    name: str
    outcomes: Counts
    published: int
    """Entries of it that callers can hear at the time of the report."""

    @property
    def asked(self) -> int:
        return sum(self.outcomes.values())


@dataclass(frozen=True, slots=True)
class Monthly:
    """All figures of a month; `gaps` are what was left unanswered or answered badly."""

    month: Month
    calls: int
    outcomes: Counts
    before: Counts
    by_day: tuple[tuple[str, Counts], ...]
    regions: tuple[tuple[str, int], ...]
    frequent: tuple[Frequent, ...]
    departments: tuple[Department, ...]
    gaps: tuple[tuple[GapLine, str], ...]
    """Each with the department proposed."""

    @property
    def total(self) -> int:
        return sum(self.outcomes.values())

    def share(self, outcome: Outcome) -> float:
        """0…1; 0 without questions."""
        return self.outcomes.get(outcome, 0) / self.total if self.total else 0.0

    def as_dict(self) -> dict[str, Any]:
        return {
            "month": str(self.month),
            "calls": self.calls,
            "questions": self.total,
            "outcomes": dict(self.outcomes),
            "outcomes_before": dict(self.before),
            "by_day": {day: dict(counts) for day, counts in self.by_day},
            "regions": dict(self.regions),
            "frequent": [asdict(each) for each in self.frequent],
            "departments": [
                {"name": d.name, "published": d.published, "outcomes": dict(d.outcomes)}
                for d in self.departments
            ],
            "gaps": [line.as_dict() | {"department": name} for line, name in self.gaps],
        }


def summed_up(
    month: Month,
    asked: Sequence[Asked],
    before: Sequence[Asked],
    entries: Mapping[str, Entry],
    published: Iterable[str],
    gaps: Sequence[GapLine],
) -> Monthly:
    """The figures of `month`.

    Args:
        asked: its questions, and `before` those of the month before.
        entries: every entry on record by id; `published` the ids that callers can hear.
        gaps: its questions that were served badly, by meaning.
    """
    by_day: dict[str, Counter[Outcome]] = {day: Counter() for day in month.days}
    for each in asked:
        by_day.get(day_of(each.at), Counter())[each.outcome] += 1
    return Monthly(
        month,
        len({each.call_id for each in asked}),
        Counter(each.outcome for each in asked),
        Counter(each.outcome for each in before),
        tuple(by_day.items()),
        tuple(Counter(region_name(each.region) for each in asked).most_common()),
        tuple(_frequent(asked, before, entries)),
        tuple(_departments(asked, entries, published)),
        tuple(
            (line, _department(next(iter(line.entries), ""), entries)) for line in gaps[:MOST_GAPS]
        ),
    )


def _frequent(
    asked: Sequence[Asked], before: Sequence[Asked], entries: Mapping[str, Entry]
) -> list[Frequent]:
    earlier = Counter(each.entry for each in before)
    objected = Counter(
        each.entry for each in asked if each.outcome in (Outcome.REJECTED, Outcome.ASKED_AGAIN)
    )
    counted = Counter(each.entry for each in asked if each.entry)
    most = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:MOST_FREQUENT]
    return [
        Frequent(
            name,
            _question(name, entries),
            _department(name, entries),
            count,
            earlier[name],
            objected[name],
        )
        for name, count in most
    ]


def _question(name: str, entries: Mapping[str, Entry]) -> str:
    """With the place, where an entry is for one: 车管所在哪里（海口）."""
    entry = entries.get(name)
    if entry is None:
        return name
    return f"{entry.question}（{region_name(entry.region)}）" if entry.region else entry.question


def _departments(
    asked: Sequence[Asked], entries: Mapping[str, Entry], published: Iterable[str]
) -> list[Department]:
    counts: dict[str, Counter[Outcome]] = defaultdict(Counter)
    for each in asked:
        counts[_department(each.entry or each.nearest, entries)][each.outcome] += 1
    spoken = Counter(_department(name, entries) for name in published)
    found = [Department(name, outcomes, spoken[name]) for name, outcomes in counts.items()]
    return sorted(found, key=lambda each: (-each.asked, each.name))


def _department(entry: str, entries: Mapping[str, Entry]) -> str:
    return entries[entry].department if entry in entries else NOBODY
