"""`make fuzz`: every parser under random input for MINUTES each, ends with one JSON line.

Each runs in a process of its own, so that a crash of native code is one too. The
traceback of what crashed is in var/fuzz, and its seed repeats it. Exit code 1 for
any crash.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import json
import logging
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.fuzz.live_sip import fuzz_live
from tests.fuzz.running import Outcome, fuzz
from tests.fuzz.targets import LIVE, TARGETS

ROOT = Path(__file__).resolve().parents[2]
DATABASE = ROOT / ".hypothesis" / "fuzz"
OUT = ROOT / "var" / "fuzz"
TOLD_S = 1.0
SILENT_S = 120.0
"""Without a word for so long, a process hangs where no signal reaches it."""
MOST_MEMORY = 6 * 2**30
"""Bytes of address space for one parser."""


def child(name: str, seconds: float, seed: int) -> None:
    """One parser in this process; a JSON line each second, the last with the outcome."""
    last = 0.0

    def told(examples: int) -> None:
        nonlocal last
        if time.monotonic() - last >= TOLD_S:
            last = time.monotonic()
            _print({"examples": examples})

    faulthandler.enable()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if name == LIVE:
        found = asyncio.run(fuzz_live(seconds=seconds, seed=seed, told=told))
    else:
        _bound_memory()
        found = fuzz(TARGETS[name], seconds=seconds, first_seed=seed, database=DATABASE, told=told)
    _print({"examples": found.examples, "seconds": found.seconds, "crash": found.crash})


def _bound_memory() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def _print(value: dict[str, Any]) -> None:
    print(json.dumps(value), flush=True)


def watched(name: str, seconds: float, seed: int, progress: Progress) -> Outcome:
    """The same in a process of its own."""
    task = progress.add_task(name, total=round(seconds))
    began, examples = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, tempfile.TemporaryFile() as errors:
        command = [sys.executable, "-m", "tests.fuzz", "--one", name]
        process = subprocess.Popen(
            [*command, "--seconds", str(seconds), "--seed", str(seed)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=errors,
            env={**os.environ, "VOICEBOT_FUZZ_FOLDER": folder},
        )  # fmt: skip
        outcome: Outcome | None = None
        for line in _lines(process):
            examples = line["examples"]
            progress.update(task, completed=round(time.monotonic() - began))
            if "crash" in line:
                outcome = Outcome(line["seconds"], examples, line["crash"])
        process.wait()
        errors.seek(0)
        said = errors.read().decode(errors="replace")[-3000:]
        if outcome is None:
            case = "".join(f"\n{p.name}: {p.read_bytes()[:4000]!r}" for p in Path(folder).iterdir())
            why = f"seed {seed}\nended by {_ending(process.returncode)}\n{said}{case}"
            outcome = Outcome(time.monotonic() - began, examples, why)
        elif outcome.crash:
            outcome = replace(outcome, crash=f"{outcome.crash}\nIts processes said:\n{said}")
    progress.update(task, completed=round(seconds))
    return outcome


def _lines(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    while True:
        readable, _, _ = select.select([process.stdout], [], [], SILENT_S)
        if not readable:
            process.kill()
            return
        line = process.stdout.readline()
        if not line:
            return
        yield json.loads(line)


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def main() -> int:
    names = [*TARGETS, LIVE]
    parser = argparse.ArgumentParser(description=__doc__, prog="make fuzz")
    parser.add_argument("--minutes", type=float, default=20.0, help="for each parser")
    parser.add_argument("--seconds", type=float, help="instead")
    parser.add_argument("--seed", type=int, help="repeats the cases of a run")
    parser.add_argument("--only", action="append", choices=names, help="this parser; repeatable")
    parser.add_argument("--one", choices=names, help=argparse.SUPPRESS)
    given = parser.parse_args()
    seconds = given.seconds or 60 * given.minutes
    seed = given.seed if given.seed is not None else secrets.randbelow(10**9)
    if given.one:
        child(given.one, seconds, seed)
        return 0
    OUT.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    console.print(f"seed {seed}, {seconds:g} s for each parser")
    report: dict[str, dict[str, float]] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        chosen = given.only or names
        whole = progress.add_task("parsers", total=len(chosen))
        for name in chosen:
            found = watched(name, seconds, seed, progress)
            if found.crash:
                file = OUT / f"{name}-{seed}.txt"
                file.write_text(found.crash, "utf-8")
                console.print(f"[red]{name} crashed[/red]: {file.relative_to(ROOT)}")
            report[name] = {
                "seconds": round(found.seconds, 1),
                "examples": found.examples,
                "crashes": int(bool(found.crash)),
            }
            progress.advance(whole)
    crashes = sum(int(each["crashes"]) for each in report.values())
    print(json.dumps({"parsers": report, "crashes": crashes}), flush=True)
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
