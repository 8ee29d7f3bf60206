"""One fault of each kind against a running service under calls: is anything lost?

    make chaos N=1                       (ARGS="--only service_killed --seed 7" to repeat one)

Each run is a service of its own (`voicebot serve`, real models), desks for 110 and for the
seats, and three callers with real voices: one in danger, one with a question, one with a
matter. One fault comes at a random moment. What counts is what the callers' telephones heard and
what is on record afterwards (docs/endurance.md). Progress is told on standard error; the
last line is one JSON object, also of a run that was interrupted; exit status 1 if an invariant
did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import random
import sys
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from benchmarks.chaos.callers import Callers, Door, until
from benchmarks.chaos.drawing import KINDS, NONE, Plan, plans
from benchmarks.chaos.evidence import read, settled
from benchmarks.chaos.faults import Fault, LossyNetwork
from benchmarks.chaos.judging import Found, Span, broken
from benchmarks.chaos.stage import Stage, cannot
from benchmarks.faulted_runs import run_all, say, seed_of
from benchmarks.trial_service import TrialError
from voicebot.errors import VoicebotError

SETTLE_S = 60.0
"""After the last call and the end of the fault: messages and spool have so long to go."""
LOSS, DELAY_S, JITTER_S = 0.02, 0.05, 0.03


async def run(plan: Plan, folder: Path) -> tuple[list[str], str]:
    """One run; the invariants that did not hold, and nothing else that is to be told."""
    return await _broken(plan, folder), ""


async def _broken(plan: Plan, folder: Path) -> list[str]:
    stage = await asyncio.to_thread(Stage, plan, folder)
    excused: list[Span] = []
    network: LossyNetwork | None = None
    try:
        try:
            await asyncio.to_thread(stage.open)
        except (TrialError, VoicebotError) as error:
            return [f"not_ready: {str(error)[-1500:]}"]
        door = stage.door
        if plan.kind == "packet_loss":
            dice = random.Random(plan.seed)
            network = LossyNetwork(
                stage.running.port, dice, loss=LOSS, delay_s=DELAY_S, jitter_s=JITTER_S
            )
            door = Door(f"ws://127.0.0.1:{await network.open()}/media", door.token)
        callers = await asyncio.to_thread(
            Callers, plan, door, folder / "calls", excused, stage.police
        )
        fault = Fault(stage, excused)
        await asyncio.gather(callers.run(), fault.run())
        answered = [each.call for each in callers.told if each.answered]
        found = Found()

        def look() -> bool:
            nonlocal found
            try:
                found = read(stage.url, [stage.state / "spool"], (stage.police, stage.seats))
            except SQLAlchemyError:
                return False
            return settled(found, answered)

        await until(look, SETTLE_S)
        _keep(folder, plan, callers, found, stage.police.killed_at)
        return broken(callers.told, found, fault.died_at, excused)
    finally:
        if network is not None:
            network.close()
        await asyncio.to_thread(stage.close)


def _keep(folder: Path, plan: Plan, callers: Callers, found: Found, lost_at: float) -> None:
    """What was seen, for whoever looks into a run that is broken."""
    seen = {
        "plan": dataclasses.asdict(plan),
        "told": [dataclasses.asdict(each) for each in callers.told],
        "reports": [dataclasses.asdict(each) for each in callers.reports],
        "desk_killed_at": lost_at,
        "found": dataclasses.asdict(found),
    }
    (folder / "seen.json").write_text(
        json.dumps(seen, ensure_ascii=False, indent=1, default=_plain), "utf-8"
    )


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=1, help="of each kind (1)")
    parser.add_argument(
        "--only", choices=(*KINDS, NONE), action="append", help="this kind; may be repeated"
    )
    parser.add_argument("--seed", type=int, help="repeats runs; drawn and told otherwise")
    parser.add_argument("--keep", type=Path, help="folder in which every run's folder stays")
    parser.add_argument(
        "--side-by-side", type=int, default=1, metavar="N", help="so many runs at once (1)"
    )
    given = parser.parse_args()
    if given.side_by_side < 1:
        parser.error("--side-by-side must be at least 1")
    seed = seed_of(given.seed)
    kinds = []
    for kind in given.only or KINDS:
        reason = cannot(kind)
        if reason:
            say(f"{kind}: left out: {reason}")
        else:
            kinds.append(kind)
    return run_all(
        plans(given.runs, seed, kinds),
        run,
        lambda plan: f"{plan.kind} at {plan.at_s} s for {plan.lasts_s} s",
        keep=given.keep,
        prefix="chaos-",
        seed=seed,
        side_by_side=given.side_by_side,
    )


if __name__ == "__main__":
    sys.exit(main())
