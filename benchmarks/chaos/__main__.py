"""One fault of each kind against a running service under calls: is anything lost?

    make chaos N=1                       (ARGS="--only service_killed --seed 7" to repeat one)

Each run is a service of its own (`voicebot serve`, real models), desks for 110 and for the
seats, and three callers with real voices: one in danger, one with a question, one with a
matter. One fault comes at a random moment. What counts is what the callers' telephones heard and
what is on record afterwards (docs/endurance.md). Progress is told on standard error; the
last line is one JSON object; exit status 1 if an invariant did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from benchmarks.chaos.callers import Callers, Door, until
from benchmarks.chaos.drawing import KINDS, NONE, Plan, plans
from benchmarks.chaos.evidence import read, settled
from benchmarks.chaos.faults import Fault, LossyNetwork
from benchmarks.chaos.judging import Found, Span, broken
from benchmarks.chaos.stage import Stage, cannot
from benchmarks.trial_service import TrialError
from voicebot.errors import VoicebotError

SETTLE_S = 60.0
"""After the last call and the end of the fault: messages and spool have so long to go."""
LOSS, DELAY_S, JITTER_S = 0.02, 0.05, 0.03


async def run(plan: Plan, folder: Path) -> list[str]:
    """One run; the invariants that did not hold."""
    stage = Stage(plan, folder)
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
        callers = Callers(plan, door, folder / "calls", excused)
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
        _keep(folder, plan, callers, found)
        return broken(callers.told, found, fault.died_at)
    finally:
        if network is not None:
            network.close()
        await asyncio.to_thread(stage.close)


def _keep(folder: Path, plan: Plan, callers: Callers, found: Found) -> None:
    """What was seen, for whoever looks into a run that is broken."""
    seen = {
        "plan": dataclasses.asdict(plan),
        "told": [dataclasses.asdict(each) for each in callers.told],
        "found": dataclasses.asdict(found),
    }
    (folder / "seen.json").write_text(
        json.dumps(seen, ensure_ascii=False, indent=1, default=sorted), "utf-8"
    )


class OfAKind(Protocol):
    """A run's plan."""

    @property
    def kind(self) -> str: ...


def summary(outcomes: Sequence[tuple[OfAKind, list[str]]], seed: int) -> dict[str, object]:
    """Pure: the JSON line of the contract."""
    kinds: dict[str, dict[str, int]] = {}
    for plan, sentences in outcomes:
        count = kinds.setdefault(plan.kind, {"runs": 0, "broken": 0})
        count["runs"] += 1
        count["broken"] += bool(sentences)
    return {
        "runs": len(outcomes),
        "broken": sum(bool(sentences) for _, sentences in outcomes),
        "kinds": kinds,
        "seed": seed,
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


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
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    folder = (given.keep or Path(tempfile.mkdtemp(prefix="chaos-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    kinds = []
    for kind in given.only or KINDS:
        reason = cannot(kind)
        if reason:
            _say(f"{kind}: left out: {reason}")
        else:
            kinds.append(kind)
    outcomes: list[tuple[Plan, list[str]]] = []
    planned = plans(given.runs, seed, kinds)
    for number, plan in enumerate(planned, 1):
        began = time.monotonic()
        shutil.rmtree(folder / plan.name, ignore_errors=True)
        sentences = asyncio.run(run(plan, folder / plan.name))
        outcomes.append((plan, sentences))
        verdict = "BROKEN" if sentences else "held"
        _say(
            f"{number}/{len(planned)}  {plan.kind} at {plan.at_s} s for {plan.lasts_s} s  "
            f"{verdict}  ({time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f})"
        )
        for sentence in sentences:
            _say(f"    {sentence}")
        if sentences:
            _say(f"    kept: {folder / plan.name}")
        elif given.keep is None:
            shutil.rmtree(folder / plan.name, ignore_errors=True)
    result = summary(outcomes, seed)
    print(json.dumps(result))
    return 1 if result["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
