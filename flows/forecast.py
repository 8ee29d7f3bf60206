"""How many calls of a line are to be expected, by weekday and hour. Pure.

Learnt from past weeks; a switch for holidays and typhoons multiplies it. A holiday is
taken as a Sunday. `flows.surge` takes what is expected like arrivals that are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

DAYS, HOURS = 7, 24
SUNDAY = 6

SHRINK = 2.0
"""Days' worth of the mean over all weekdays in each hour of a weekday: few weeks are noisy."""


class Situation(StrEnum):
    """What kind of day it is for the hotline."""

    ORDINARY = "ordinary"
    HOLIDAY = "holiday"
    TYPHOON = "typhoon"


FACTORS: Mapping[Situation, float] = {
    Situation.ORDINARY: 1.0,
    Situation.HOLIDAY: 1.0,
    Situation.TYPHOON: 3.0,
}
"""Assumed, until a line's own past says it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a line's days are like.

    Parameters:
        per_hour: calls in each hour, of seven days from Monday on.
        factors: what a situation multiplies them by; 1 for one that is not there.
    """

    per_hour: tuple[tuple[float, ...], ...]
    factors: Mapping[Situation, float] = field(default_factory=lambda: FACTORS)

    def __post_init__(self) -> None:
        if [len(day) for day in self.per_hour] != [HOURS] * DAYS:
            raise ValueError("a profile has seven days of 24 hours")


def learn(
    counts: Mapping[tuple[int, int], int],
    days: Sequence[int],
    factors: Mapping[Situation, float] = FACTORS,
) -> Profile:
    """The profile of counted calls.

    Parameters:
        counts: calls by weekday (0 is Monday) and hour, over all the days that were counted.
        days: how many of each weekday these were.
    """
    total = sum(days)
    hours = [sum(counts.get((day, hour), 0) for day in range(DAYS)) for hour in range(HOURS)]
    mean = [calls / total if total else 0.0 for calls in hours]
    return Profile(
        tuple(
            tuple(
                (counts.get((day, hour), 0) + SHRINK * mean[hour]) / (days[day] + SHRINK)
                for hour in range(HOURS)
            )
            for day in range(DAYS)
        ),
        factors,
    )


def expected_per_min(
    profile: Profile, weekday: int, hour: float, situation: Situation = Situation.ORDINARY
) -> float:
    """Calls a minute at a moment, in a straight line between the middles of the hours.

    Parameters:
        weekday: 0 is Monday.
        hour: 0 to 24, with its fraction; a surge begins neither nor ends on the hour.
    """
    day = SUNDAY if situation is Situation.HOLIDAY else weekday
    whole, part = divmod(hour - 0.5, 1.0)
    before, after = (_at(profile, day, int(whole) + step) for step in (0, 1))
    factor = profile.factors.get(situation, 1.0)
    return factor * (before + part * (after - before)) / 60.0


def _at(profile: Profile, day: int, hour: int) -> float:
    """The calls of an hour that may be the day before's or the day after's."""
    days, hour = divmod(hour, HOURS)
    return profile.per_hour[(day + days) % DAYS][hour]
