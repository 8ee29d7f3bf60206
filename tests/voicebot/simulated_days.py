"""Days for the tests of the simulation."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from voicebot.simulation.draws import Day
from voicebot.simulation.engine import Simulation
from voicebot.simulation.erlang import answered_within, erlang_a
from voicebot.simulation.scenario import HALF_HOUR_S, HALF_HOURS, Scenario
from voicebot.simulation.tally import Tally


def scenario(**changes: Any) -> Scenario:
    """Fifty seats, 48 calls a minute of a minute each, no bot; then with `changes`."""
    return Scenario.model_validate(
        {
            "title": "试验",
            "about": "",
            "arrivals": {"calls_per_day": 48 * 1440, "half_hours": [1] * 48},
            "callers": {"patience": {"mean_s": 120}},
            "seats": [{"region": "460100", "staffed": {"00:00": 50}}],
            "service": {"mean_s": 60},
            "bot": bot(room=0),
            "trunks": 10_000,
            "lines": 100,
            "police": {"seats": 10},
            "policy": {"call_back": False},
            **changes,
        }
    )


def bot(**changes: Any) -> dict[str, Any]:
    return {
        "room": 1000,
        "contained": 0.5,
        "contained_time": {"mean_s": 80},
        "leaving_time": {"mean_s": 40},
        **changes,
    }


def simulated(what: Scenario, days: int = 1, seed: int = 1) -> Tally:
    """The sum of some days."""
    whole = Tally(days=0)
    for number in range(days):
        chances = np.random.SeedSequence(seed, spawn_key=(number,))
        whole.add(Simulation(what, Day(what, chances)).run())
    return whole


@dataclass(frozen=True)
class Compared:
    """A steady queue beside Erlang A: deviations, relative to it."""

    calls: int
    abandons: float
    wait: float
    queue: float
    in_15_s: float

    @property
    def worst(self) -> float:
        return max(map(abs, (self.abandons, self.wait, self.queue, self.in_15_s)))


WARM_UP = 2
"""Half-hours of each day that are left out: it begins with nobody there."""


def steady(per_min: int, seats: int, service_s: float, patience_s: float) -> Scenario:
    """M/M/c+M."""
    return scenario(
        arrivals={"calls_per_day": per_min * 1440, "half_hours": [1] * HALF_HOURS},
        callers={"patience": {"mean_s": patience_s}},
        seats=[{"region": "460100", "staffed": {"00:00": seats}}],
        service={"mean_s": service_s},
    )


def days_for(calls: int, per_min: int) -> int:
    return math.ceil(calls / (per_min * (1440 - 30 * WARM_UP)))


def compared(seen: Tally, seats: int, service_s: float, patience_s: float) -> Compared:
    """Erlang A is taken at the rate that chance gave, not at the one that was asked for."""

    def total(counts: list[int] | list[float]) -> float:
        return float(sum(counts[WARM_UP:]))

    calls, seconds = total(seen.offered), seen.days * (HALF_HOURS - WARM_UP) * HALF_HOUR_S
    rate = calls / seconds
    exact = erlang_a(rate, service_s, patience_s, seats)
    within = answered_within(15, rate, service_s, patience_s, seats)
    return Compared(
        int(calls),
        total(seen.abandoned) / calls / exact.abandons - 1,
        total(seen.wait_s) / calls / exact.wait_s - 1,
        total(seen.queue_area) / seconds / exact.queue - 1,
        total(seen.in_15_s) / calls / within - 1,
    )
