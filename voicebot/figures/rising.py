"""When a topic is raised far more often than its own past lets expect. Pure.

The past are the days of the same kind (working or free) of the last eight weeks. With n of them
and a mean of m, a day's count is taken as negative binomial with mean m and variance
φ·m·(1 + 1/n): the predictive distribution of a Poisson rate that n days have shown (Gamma prior
of half a call), widened by φ ≥ 1, the dispersion of those days and two standard errors of it: a
few days show it badly. An alarm needs at least `LEAST_COUNT` calls, twice the mean, and a chance
below `FALSE_ALARMS_A_DAY` divided by the number of series looked at (Bonferroni), so that all of
them together raise about one false alarm in 20 days. Simulated with 200 series and 16 or 40 days
of past: one in 50 days or fewer where calls come at random (Poisson), at most one in 15 days
where their variance is 2 to 6 times the mean.

A topic younger than `LEAST_DAYS` has no past: it needs `NEW_COUNT` calls on one day, and more
than twice any day before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_COUNT = 5
NEW_COUNT = 10
TIMES = 2.0
FALSE_ALARMS_A_DAY = 0.05
LEAST_DAYS = 7
PAST_DAYS = 56
_PRIOR, _ERRORS = 0.5, 2.0


@dataclass(frozen=True, slots=True)
class Alarm:
    """`chance` is how likely so many calls are by chance, 0…1; of a new topic it is not known."""

    count: int
    expected: float
    chance: float
    new: bool = False


def alarm(count: int, past: Sequence[int], series: int) -> Alarm | None:
    """Whether `count` calls of one day, or of a day so far, are unusual.

    Args:
        past: calls of earlier days of the same kind.
        series: how many topics and places are looked at beside each other.
    """
    if len(past) < LEAST_DAYS:
        return None
    expected = mean(past)
    if count < LEAST_COUNT or count < TIMES * expected:
        return None
    found = Alarm(count, expected, chance(count, past))
    return found if found.chance < FALSE_ALARMS_A_DAY / max(1, series) else None


def new_topic(count: int, past: Sequence[int]) -> Alarm | None:
    """Whether a topic that began a few days ago is raised by unusually many at once."""
    before = max(past, default=0)
    if count < NEW_COUNT or count <= TIMES * before:
        return None
    return Alarm(count, float(before), 0.0, new=True)


def mean(past: Sequence[int]) -> float:
    """Calls a day; never 0, since what has not happened may."""
    return (sum(past) + _PRIOR) / len(past)


def chance(count: int, past: Sequence[int]) -> float:
    """The probability of `count` calls (1 …) or more on a day like those of `past`, two or more."""
    from scipy.special import betainc  # type: ignore[import-untyped]

    expected, days = mean(past), len(past)
    error = math.sqrt(2 / (days - 1))
    spread = max(1.0, dispersion(past) * (1 + _ERRORS * error))
    variance = spread * expected * (1 + 1 / days)
    size = expected**2 / (variance - expected)
    # The upper tail of the negative binomial, without the 70 MB of scipy.stats.
    return float(betainc(count, size, 1 - expected / variance))


def dispersion(past: Sequence[int]) -> float:
    """Variance over mean of two days or more; 1 is that of a Poisson process."""
    middle = sum(past) / len(past)
    if middle == 0:
        return 1.0
    return sum((each - middle) ** 2 for each in past) / (len(past) - 1) / middle
