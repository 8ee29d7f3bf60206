"""Days for the tests of the simulation."""

from typing import Any

import numpy as np

from voicebot.simulation.draws import Day
from voicebot.simulation.engine import Simulation
from voicebot.simulation.scenario import Scenario
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
