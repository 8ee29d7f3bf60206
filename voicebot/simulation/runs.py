"""Many days of one scenario, with the bot and without, on all processors."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from voicebot.simulation.draws import Day
from voicebot.simulation.engine import Simulation
from voicebot.simulation.result import Result, Side, side
from voicebot.simulation.scenario import Scenario
from voicebot.simulation.staffing import Staffing, needs
from voicebot.simulation.tally import Tally

_FEW = 2
"""So few days are simulated before other processes have started."""


@dataclass(frozen=True, slots=True)
class _Ways:
    """The ways to run a day that are compared, on the same chances."""

    scenarios: tuple[Scenario, ...]
    seed: int


def simulate(
    name: str,
    scenario: Scenario,
    days: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, calls: None,
    processes: int | None = None,
) -> Result:
    """Everything about a scenario; the same seed gives the same result on any machine.

    Parameters:
        progress: is told of finished days, of `days`, and of the calls simulated so far.
        processes: at most; as many as there are processors when None.
    """
    table = needs(scenario)
    strict = scenario.without_bot().staffed([need.strict for need in table])
    strict_bot = scenario.staffed([need.strict_bot for need in table])
    ways = _Ways((scenario, scenario.without_bot(), strict, strict_bot), seed)
    with_bot, without, planned, planned_bot = _run(ways, days, progress, processes)
    reached_bot = planned_bot.totals.human_15_s
    staffing = Staffing(
        table,
        seat_hours=sum(need.strict for need in table) / 2,
        seat_hours_bot=sum(need.strict_bot for need in table) / 2,
        reached=planned.totals.answered_15_s,
        reached_bot=1.0 if reached_bot is None else reached_bot,
        answered_bot=planned_bot.totals.answered_15_s,
    )
    return Result(name, scenario.title, days, seed, with_bot, without, staffing)


def _run(
    ways: _Ways, days: int, progress: Callable[[int, int], None], processes: int | None
) -> list[Side]:
    found: list[list[Tally]] = [[] for _ in ways.scenarios]
    calls = 0
    for done, day in enumerate(_days(ways, days, processes), 1):
        for tallies, tally in zip(found, day, strict=True):
            tallies.append(tally)
            calls += sum(tally.offered)
        progress(done, calls)
    return [side(tallies) for tallies in found]


def _days(ways: _Ways, days: int, processes: int | None) -> Iterable[Sequence[Tally]]:
    workers = min(days, processes or os.cpu_count() or 1)
    if workers == 1 or days <= _FEW:
        yield from map(one_day, [ways] * days, range(days))
        return
    # Ctrl-C is for this process; the days that run are let finish.
    ignoring = (signal.SIGINT, signal.SIG_IGN)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, signal.signal, ignoring) as pool:
        yield from pool.map(one_day, [ways] * days, range(days))


def one_day(ways: _Ways, number: int) -> list[Tally]:
    """The `number`-th day in each of the ways."""
    seed = np.random.SeedSequence(ways.seed, spawn_key=(number,))
    return [Simulation(scenario, Day(scenario, seed)).run() for scenario in ways.scenarios]
