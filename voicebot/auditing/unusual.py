"""Reading that a supervisor should ask about: calls and tickets that may be none of the reader's
business. Pure.

Nothing here is a proof: whoever trains new people reads much, and an appeal leads to an old call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from statistics import median

from voicebot.clock import BEIJING

READS = ("call.read", "call.events.read", "call.watch", "handoff.read", "ticket.read")
"""Acts of the audit by which somebody learns what a caller has said."""
REFUSED = "refused"

MANY, TIMES_USUAL = 30, 3.0
REFUSALS = 3
OLD_DAYS, OLD = 30.0, 5
OF_ONE = 5
_DAY_S = 86400.0


class Reason(StrEnum):
    MANY = "many"
    """Far more calls and tickets in a day than colleagues look at."""
    REFUSED = "refused"
    """Asked again and again for what was not his to see."""
    OLD = "old"
    """Calls that have been over for a month."""
    ONE_CALLER = "one_caller"
    """Call after call of one number."""


@dataclass(frozen=True, slots=True)
class Act:
    """One row of the audit; `at`: seconds since the epoch."""

    at: float
    who: str
    action: str
    subject: str


@dataclass(frozen=True, slots=True)
class Call:
    number: str
    over_at: float | None


@dataclass(frozen=True, slots=True)
class Unusual:
    who: str
    day: date
    reason: Reason
    count: int
    usual: float
    """What is usual for colleagues; from where on it is told, for the other reasons."""
    subjects: tuple[str, ...]


def unusual(acts: Sequence[Act], calls: Mapping[str, Call]) -> list[Unusual]:
    """What stands out, by day and person.

    Parameters:
        acts: `READS` and refusals.
        calls: of those that were read, as far as they are known.
    """
    read: dict[tuple[date, str], dict[str, float]] = defaultdict(dict)
    refused: dict[tuple[date, str], list[str]] = defaultdict(list)
    for each in acts:
        key = datetime.fromtimestamp(each.at, BEIJING).date(), each.who
        if each.action == REFUSED:
            refused[key].append(each.subject)
        else:
            read[key].setdefault(each.subject, each.at)
    found = []
    for (day, who), subjects in sorted(read.items()):
        others = [len(names) for (_, other), names in read.items() if other != who]
        usual = float(median(others)) if others else 0.0
        if len(subjects) > max(MANY, TIMES_USUAL * usual):
            found.append(_told(who, day, Reason.MANY, subjects, usual))
        old = [name for name, at in subjects.items() if _old(calls.get(name), at)]
        if len(old) >= OLD:
            found.append(_told(who, day, Reason.OLD, old, OLD))
        found += [
            _told(who, day, Reason.ONE_CALLER, names, OF_ONE)
            for names in _by_number(subjects, calls)
            if len(names) >= OF_ONE
        ]
    found += [
        _told(who, day, Reason.REFUSED, subjects, REFUSALS)
        for (day, who), subjects in sorted(refused.items())
        if len(subjects) >= REFUSALS
    ]
    return sorted(found, key=lambda each: (each.day, each.who, each.reason))


def _old(call: Call | None, read_at: float) -> bool:
    over = call.over_at if call is not None else None
    return over is not None and read_at - over > OLD_DAYS * _DAY_S


def _by_number(subjects: Iterable[str], calls: Mapping[str, Call]) -> list[list[str]]:
    by_number: dict[str, list[str]] = defaultdict(list)
    for name in subjects:
        call = calls.get(name)
        if call is not None and call.number:
            by_number[call.number].append(name)
    return list(by_number.values())


def _told(who: str, day: date, reason: Reason, subjects: Iterable[str], usual: float) -> Unusual:
    names = list(subjects)
    return Unusual(who, day, reason, len(names), usual, tuple(sorted(set(names))))
