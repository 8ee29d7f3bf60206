"""One parser under random input for some time, in this process."""

from __future__ import annotations

import itertools
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

from tests.fuzz.target import Target

CASE_S = 20.0
"""Processor time of one case; more is a hang."""
ROUND = 150
"""Cases after which hypothesis begins anew, with the next seed; a round that has begun is made up
to its end, also when the time is over."""


class Hang(Exception):
    """A case takes more than `CASE_S` of the processor's time."""


@dataclass(frozen=True)
class Outcome:
    """What came of it; `crash`: the traceback, with the smallest case that was found."""

    seconds: float
    examples: int
    crash: str = ""


def fuzz(
    target: Target,
    *,
    seconds: float,
    first_seed: int,
    database: Path | None,
    most: int = 2**62,
    told: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Feeds `target` until the time is over, `most` cases were tried, or it crashes.

    Parameters:
        first_seed: of the first round; the same one tries the same cases.
        database: a folder in which hypothesis keeps what crashed, and tries it first.
        told: how many cases there were so far, now and then.
    """
    began = time.monotonic()
    until = began + seconds
    examples, failing = 0, False

    def over() -> bool:
        return time.monotonic() >= until or examples >= most

    def case(value: Any) -> None:
        nonlocal examples, failing
        if over() and not failing:  # what failed is made smaller, however long that takes
            return
        examples += 1
        told(examples)
        try:
            with _cpu_time(CASE_S):
                target.run(value)
        except Exception:
            failing = True
            raise

    for number in itertools.count(first_seed):
        before = examples
        try:
            _round(target, case, number, database, min(ROUND, most))()
        except Exception as error:
            found = "".join(traceback.format_exception(error))
            return Outcome(time.monotonic() - began, examples, f"seed {number}\n{found}")
        if over() or examples == before:
            break
    return Outcome(time.monotonic() - began, examples)


def _round(
    target: Target,
    case: Callable[[Any], None],
    number: int,
    database: Path | None,
    most: int,
) -> Callable[[], None]:
    kept: ExampleDatabase | None = None
    if database is not None:
        kept = DirectoryBasedExampleDatabase(database / target.name)

    @seed(number)
    @settings(
        max_examples=most,
        database=kept,
        deadline=None,
        derandomize=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
        phases=(Phase.reuse, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(target.cases)
    def one(value: Any) -> None:
        case(value)

    return one


@contextmanager
def _cpu_time(seconds: float) -> Iterator[None]:
    def late(*_: object) -> None:
        raise Hang(f"more than {seconds:.0f} s of processor time")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
