"""Everything that is left to chance on a day, drawn from one seed.

With and without the bot the same callers call at the same moments, with the same
patience: what differs is what was done for them, and few days show it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from voicebot.simulation.scenario import DAY_S, HALF_HOURS, ArrivalRates, Scenario, Spread

MINUTES = 1440
_BLOCK = 4096

Floats = npt.NDArray[np.float64]


def sampler(spread: Spread, random: np.random.Generator) -> Callable[[int], Floats]:
    """Draws n times (s) spread so."""
    mean = spread.mean_s
    if spread.kind == "exponential":
        return lambda n: random.exponential(mean, n)
    if spread.cv is None:
        return lambda n: np.full(n, mean)
    if spread.kind == "gamma":
        shape = spread.cv**-2
        return lambda n: random.gamma(shape, mean / shape, n)
    sigma = math.sqrt(math.log1p(spread.cv**2))
    return lambda n: random.lognormal(math.log(mean) - sigma**2 / 2, sigma, n)


def endless(sample: Callable[[int], Floats]) -> Iterator[float]:
    """One after the other; drawn in blocks, which is what makes it quick."""
    while True:
        yield from sample(_BLOCK).tolist()


def minute_rates(arrivals: ArrivalRates) -> Floats:
    """Calls expected in each minute of the day, bursts apart."""
    half_hours = np.asarray(arrivals.half_hours)
    day = arrivals.calls_per_day * arrivals.factor
    rates = np.repeat(half_hours / half_hours.sum() * day / (MINUTES // HALF_HOURS),
                      MINUTES // HALF_HOURS)  # fmt: skip
    for rush in arrivals.rushes:
        rates[_minute(rush.begins) : _minute(rush.ends)] *= rush.factor
    return rates


def arrival_times(arrivals: ArrivalRates, random: np.random.Generator) -> Floats:
    """When the calls of one day come, in order; seconds from midnight."""
    rates = minute_rates(arrivals)
    if arrivals.day_cv:
        shape = arrivals.day_cv**-2
        rates = rates * random.gamma(shape, 1 / shape)
    for _ in range(random.poisson(arrivals.bursts.per_day)):
        begins = random.integers(MINUTES)
        rates[begins : begins + arrivals.bursts.minutes] *= arrivals.bursts.factor
    minutes = np.repeat(np.arange(MINUTES), random.poisson(rates))
    times: Floats = np.sort(60.0 * (minutes + random.random(minutes.size)))
    return times


def expected_per_min(scenario: Scenario) -> list[float]:
    """What the forecast expects in each half-hour, calls a minute."""
    ordinary = scenario.arrivals.model_copy(update={"factor": scenario.forecast, "rushes": []})
    means: list[float] = minute_rates(ordinary).reshape(HALF_HOURS, -1).mean(axis=1).tolist()
    return means


class Attempts:
    """What callers bring with each call, one call after the other.

    Each quantity has a stream of its own, so that a change of one leaves the others.
    """

    def __init__(self, scenario: Scenario, seed: np.random.SeedSequence) -> None:
        streams = iter([np.random.default_rng(each) for each in seed.spawn(14)])

        def times(spread: Spread) -> Iterator[float]:
            return endless(sampler(spread, next(streams)))

        def chances() -> Iterator[float]:
            return endless(next(streams).random)

        bot, callers = scenario.bot, scenario.callers
        self.patience = times(callers.patience)
        self.service = times(scenario.service)
        self.contained = chances()
        self.contained_time = times(bot.contained_time)
        self.leaving_time = times(bot.leaving_time)
        self.redials = chances()
        self.redial_after = times(callers.redial.after)
        self.ticket_time = times(bot.ticket_time)
        self.danger = chances()
        self.heard = chances()
        self.danger_time = times(bot.danger_time)
        self.police_time = times(scenario.police.time)
        self.known = chances()
        self.takes_call_back = chances()


class Day:
    """One day's chances.

    Parameters:
        seed: of this day; the same one gives the same day.
    """

    def __init__(self, scenario: Scenario, seed: np.random.SeedSequence) -> None:
        # A seed sequence counts what was spawned from it: a day drawn twice must be the same.
        seed = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)
        arrivals, first, again = seed.spawn(3)
        self.times: list[float] = arrival_times(
            scenario.arrivals, np.random.default_rng(arrivals)
        ).tolist()
        assert not self.times or self.times[-1] < DAY_S
        self.first = Attempts(scenario, first)
        """What first calls bring."""
        self.again = Attempts(scenario, again)
        """What those bring who call again."""


def _minute(time: str) -> int:
    hours, minutes = time.split(":")
    return 60 * int(hours) + int(minutes)
