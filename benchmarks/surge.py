"""How long a surge decision takes: the law alone, and as a running service makes it.

    python -m benchmarks.surge [--decisions N]     ends with one JSON line

The goal is 1 ms at the 99th percentile. `route` is `voicebot.surge.control` with figures of an
ACD, its decision queued for the database; the queue of the PBX is not asked. `cpu` is what the
thread itself has worked, where other work has the machine too.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import tempfile
import time
from pathlib import Path

import numpy as np

from flows.surge import Figures, Policy, SeatFigures, SeatGroup, State, decide
from telephony.call_control import CallInfo
from telephony.scripted import ScriptedLine
from voicebot.admission import Room
from voicebot.config import load_settings
from voicebot.records.store import Records
from voicebot.surge.board import SeatReport
from voicebot.surge.control import SurgeControl

LINE = "12345"
REGIONS = [f"4601{n:02d}" for n in range(1, 21)]
"""More than the province has centres that help each other."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--decisions", type=int, default=100_000)
    count = parser.parse_args().decisions
    found = {"law": law(count), "route": asyncio.run(route(count // 50))}
    print(json.dumps({"decisions": count, "us": found}))


def law(count: int) -> dict[str, float]:
    """`flows.surge.decide` on figures that change with each call, and twenty regions."""
    rng, policy, state = random.Random(1), Policy(), State()
    figures = [
        Figures(
            rng.randrange(20),
            20,
            30,
            rng.randrange(30),
            SeatFigures(
                tuple(
                    SeatGroup(each, not n, 40, rng.randrange(3)) for n, each in enumerate(REGIONS)
                ),
                rng.randrange(60),
                rng.uniform(0, 200),
                rng.uniform(0, 60),
                180.0,
                120.0,
            ),
            rng.uniform(0, 20),
        )
        for _ in range(1000)
    ]
    taken = np.empty(count)
    gc.disable()
    for call in range(count):
        at = figures[call % 1000]
        began = time.perf_counter_ns()
        state, _ = decide(state, at, policy, float(call))
        taken[call] = time.perf_counter_ns() - began
    gc.enable()
    return percentiles(taken)


async def route(count: int) -> dict[str, float]:
    """`SurgeControl.route` of calls that come one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "voicebot.toml"
        file.write_text(f'[paths]\nstate = "{folder}/state"\n')
        settings = load_settings(file)
        records = await Records.open(settings)
        control = SurgeControl(
            settings, records, lambda: Room(2, 8, 16, 3), lambda *_: False, lambda _: False
        )
        report = SeatReport.model_validate(
            {
                "line": LINE,
                "groups": [
                    {"region": each, "local": not n, "staffed": 40, "free": 0}
                    for n, each in enumerate(REGIONS)
                ],
                "waiting": 30,
            }
        )
        taken, worked = np.empty(count), np.empty(count)
        for call in range(count):
            control.board.tell(report, time.time())
            await asyncio.gather(*records._tasks)  # calls come one by one, not all at once
            line = ScriptedLine(CallInfo(f"c-{call}", "13800138000", LINE))
            began, at_work = time.perf_counter_ns(), time.thread_time_ns()
            await control.route(line, line.info)
            worked[call] = time.thread_time_ns() - at_work
            taken[call] = time.perf_counter_ns() - began
        await records.close()
    return percentiles(taken) | {"cpu_p99": percentiles(worked)["p99"]}


def percentiles(nanoseconds: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, float]:
    """p50, p99 and the longest, in microseconds."""
    p50, p99 = np.percentile(nanoseconds, (50, 99)) / 1000
    return {
        "p50": round(float(p50), 1),
        "p99": round(float(p99), 1),
        "max": round(float(nanoseconds.max()) / 1000, 1),
    }


if __name__ == "__main__":
    main()
