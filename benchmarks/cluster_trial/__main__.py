"""Several nodes on this machine, under SIP calls: is anything lost when one of them dies?

    make cluster-trial                              every kind once, 20 calls, 4 transcribed
    python -m benchmarks.cluster_trial --calls 20 --transcribed 4 --kill asr --seed 7

Two media nodes (direct SIP) behind Kamailio, one asr node, web, worker, PostgreSQL and NATS, each
a process; 110 and the seats answer by SIP too. Callers with real voices talk through Kamailio, and
one process is killed (SIGKILL) and comes back some seconds later, or every role is restarted one
after the other (`rolling`). What counts is what callers heard and what is on record afterwards
(docs/endurance.md). Progress is told on standard error; the last line is one JSON object; exit
status 1 if an invariant did not hold.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.cluster_trial.drawing import KINDS, NONE, plans
from benchmarks.cluster_trial.run import run
from benchmarks.faulted_runs import run_all, seed_of


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster_trial",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--calls", type=int, default=20, help="at once (20)")
    parser.add_argument(
        "--transcribed",
        type=int,
        default=4,
        help="so many of them at a node whose calls have the transcriber too (4; 0: no asr node)",
    )
    parser.add_argument(
        "--kill", choices=(*KINDS, NONE), action="append", help="this kind; may be repeated (all)"
    )
    parser.add_argument("--runs", type=int, default=1, help="of each kind (1)")
    parser.add_argument("--seed", type=int, help="repeats runs; drawn and told otherwise")
    parser.add_argument("--keep", type=Path, help="folder in which every run's folder stays")
    given = parser.parse_args()
    if not 0 <= given.transcribed < given.calls:
        parser.error("--transcribed must be less than --calls")
    seed = seed_of(given.seed)
    kinds = [each for each in given.kill or KINDS if each != "asr" or given.transcribed]
    return run_all(
        plans(given.runs, seed, kinds, calls=given.calls, transcribed=given.transcribed),
        run,
        lambda plan: f"{plan.kind} at {plan.at_s} s, away {plan.away_s} s",
        keep=given.keep,
        prefix="cluster-",
        seed=seed,
    )


if __name__ == "__main__":
    sys.exit(main())
