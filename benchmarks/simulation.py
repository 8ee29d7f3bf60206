"""The simulator: calls a minute, distance from Erlang A, and the pictures of three loads.

    python -m benchmarks.simulation

The speed counts everything between scenario and figures of the three loads (each with the
bot, without it, and twice by the staffing table), on all processors. Erlang A is compared on
six queues. The pictures go to docs/pictures. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID

from flows.surge import Figures, Policy, SeatFigures, SeatGroup, State, decide
from tests.voicebot.simulated_days import Compared, compared, days_for, simulated, steady
from voicebot.simulation.charts import PICTURES, draw
from voicebot.simulation.result import Result
from voicebot.simulation.runs import simulate
from voicebot.simulation.scenario_file import find, read
from voicebot.simulation.tally import Tally

LOADS = ("haikou-1x", "haikou-3x", "haikou-10x")
QUEUES = (
    # calls a minute, seats, service (s), patience (s)
    (10, 9, 60, 60),
    (5, 6, 60, 30),
    (8, 8, 60, 240),
    (48, 50, 60, 120),
    (60, 50, 60, 120),
    (15, 50, 200, 120),
)


def compare(calls: int, pool: ProcessPoolExecutor, progress: Progress) -> Iterator[Compared]:
    """Each queue with at least so many calls."""
    bar, seeds = progress.add_task("Erlang A", total=len(QUEUES)), range(os.cpu_count() or 1)
    for per_min, seats, service_s, patience_s in QUEUES:
        what = steady(per_min, seats, service_s, patience_s)
        days = math.ceil(days_for(calls, per_min) / len(seeds))
        whole = Tally(days=0)
        for tally in pool.map(simulated, repeat(what), repeat(days), seeds):
            whole.add(tally)
        yield compared(whole, seats, service_s, patience_s)
        progress.update(bar, advance=1)


def law_us(times: int = 100_000) -> float:
    """One decision of the law, microseconds: two groups of seats, all busy."""
    seats = SeatFigures((SeatGroup("460100", True, 54, 0), SeatGroup("460200", False, 8, 1)),
                        40, 35.0, 17.0, 200.0, 120.0)  # fmt: skip
    figures, policy, state = Figures(30, 240, 160, 40, seats), Policy(), State()
    began = time.perf_counter()
    for n in range(times):
        state, _ = decide(state, figures, policy, float(n))
    return round(1e6 * (time.perf_counter() - began) / times, 2)


def loads(days: int, progress: Progress) -> tuple[list[Result], int]:
    """The results of the three loads, and how many calls it took."""
    results, total = [], 0
    for name in LOADS:
        bar, calls = progress.add_task(name, total=days), 0

        def told(done: int, so_far: int, bar: TaskID = bar) -> None:
            nonlocal calls
            calls = so_far
            progress.update(bar, completed=done)

        results.append(simulate(name, read(find(name)), days, 1, told))
        total += calls
    return results, total


def picture(results: list[Result], path: Path) -> None:
    """A row for each picture, a column for each load."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MultipleLocator

    figure = Figure(figsize=(11, 9.5), dpi=110, layout="constrained")
    grid = figure.subplots(len(PICTURES), len(results), squeeze=False, sharex=True)
    for row, shown in zip(grid, PICTURES, strict=True):
        for axes, result in zip(row, results, strict=True):
            draw(axes, result, shown, ("without the bot", "with the bot"))
            axes.xaxis.set_major_locator(MultipleLocator(6))
            axes.grid(alpha=0.3)
            if shown is PICTURES[0]:
                axes.set_title(result.scenario, fontsize=11)
            if shown is PICTURES[-1]:
                axes.set_xlabel("hour")
        row[0].set_ylabel(shown.english, fontsize=9)
    grid[1][-1].legend(loc="center", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation", description=__doc__)
    parser.add_argument("--calls", type=int, default=6_000_000, help="of each queue")
    parser.add_argument("--days", type=int, default=8, help="of each load")
    parser.add_argument("--pictures", type=Path, default=Path("docs/pictures"))
    options = parser.parse_args()
    console = Console(stderr=True)
    load = os.getloadavg()[0]
    with Progress(console=console) as progress:
        began = time.perf_counter()
        results, calls = loads(options.days, progress)
        seconds = time.perf_counter() - began
    picture(results, options.pictures / "simulation.png")
    with Progress(console=console) as progress, ProcessPoolExecutor() as pool:
        found = list(compare(options.calls, pool, progress))
    for queue, each in zip(QUEUES, found, strict=True):
        console.print(queue, each)
    print(
        json.dumps(
            {
                "calls": calls,
                "seconds": round(seconds, 1),
                "calls_per_min": round(60 * calls / seconds),
                "processors": os.cpu_count(),
                "load": round(load, 1),
                "law_us": law_us(),
                "erlang_a_off_percent": round(100 * max(each.worst for each in found), 2),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
