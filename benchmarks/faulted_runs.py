"""Planned runs with a fault each: told as they go, counted at the end."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar


class OfAKind(Protocol):
    """A run's plan."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str:
        """Of its folder."""
        ...


P = TypeVar("P", bound=OfAKind)


def say(text: str) -> None:
    """To whoever watches, beside the result."""
    print(text, file=sys.stderr, flush=True)


def seed_of(given: int | None) -> int:
    """The given one, or one that is drawn."""
    return given if given is not None else random.SystemRandom().randrange(10**6)


def run_all(
    planned: Sequence[P],
    run: Callable[[P, Path], Coroutine[Any, Any, tuple[list[str], str]]],
    describe: Callable[[P], str],
    *,
    keep: Path | None,
    prefix: str,
    seed: int,
    side_by_side: int = 1,
) -> int:
    """Does them all and prints `summary`; the exit status.

    SIGINT or SIGTERM ends it early: what was done until then is counted.

    Parameters:
        run: with the folder of the run; what did not hold, and what else is to be told of it.
        describe: a plan's fault, in words.
        keep: where every run's folder stays; None: those of broken runs stay, in a folder of
            their own.
        prefix: of that folder's name.
        side_by_side: so many at once.
    """
    folder = (keep or Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    outcomes: list[tuple[P, list[str]]] = []
    left = iter(planned)

    async def one_after_the_other() -> None:
        for plan in left:
            began = time.monotonic()
            shutil.rmtree(folder / plan.name, ignore_errors=True)
            try:
                sentences, seen = await run(plan, folder / plan.name)
            except Exception:  # the hours that others took are not lost for it
                sentences, seen = ["not_run: " + traceback.format_exc()], ""
            outcomes.append((plan, sentences))
            parts = [
                f"{len(outcomes)}/{len(planned)}",
                describe(plan),
                "BROKEN" if sentences else "held",
                seen,
                f"({time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f})",
            ]
            say("  ".join(part for part in parts if part))
            for sentence in sentences:
                say(f"    {sentence}")
            if sentences:
                say(f"    kept: {folder / plan.name}")
            elif keep is None:
                shutil.rmtree(folder / plan.name, ignore_errors=True)

    async def all_of_them() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        async with asyncio.TaskGroup() as group:
            for _ in range(side_by_side):
                group.create_task(one_after_the_other())

    try:
        asyncio.run(all_of_them())
    except (KeyboardInterrupt, asyncio.CancelledError):
        say(f"Ended after {len(outcomes)} of {len(planned)} runs.")
        print(json.dumps(summary(outcomes, seed)))
        return 130
    result = summary(outcomes, seed)
    print(json.dumps(result))
    return 1 if result["broken"] else 0


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
