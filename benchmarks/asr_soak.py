"""Hundreds of calls through the two ears: is a word lost or heard twice, and does memory grow?

    make soak-asr                            200 calls, 8 at a time, about ten minutes
    python -m benchmarks.asr_soak --calls 40 --at-once 4

Callers say recordings one after the other in real time, as in `asr_calls`. A recording is lost
when no final has words of it; it is repeated when two finals share a stretch of audio, or a turn
has two. The last line on standard output is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from asr.engines import EngineFolders
from asr.errors import AsrError
from asr.listener import Listener
from benchmarks.asr_calls import Figures, Script, Seen, figures, hear, ours, scripts
from benchmarks.processes import megabytes, processor_seconds
from benchmarks.speech_data import ROOT, SHARED, Utterance, listener_folder, load
from voicebot.commands.session import prepare_threads
from voicebot.config import load_settings
from voicebot.recognisers import open_apart

SHARED_S = 0.3
"""Audio that two turns may have in common: the pre-roll of the second."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What became of the recordings that were said."""

    said: int
    lost: int
    repeated: int


def audit(callers: Sequence[Script], seen: Sequence[Seen]) -> Audit:
    """Pure: every recording against the finals of its call."""
    lost = repeated = 0
    for script, call in zip(callers, seen, strict=True):
        finals = sorted((heard.start, heard.end) for heard in call.heard if heard.text)
        lost += sum(
            not any(begin < last and end > first for begin, end in finals)
            for first, last in script.spoken
        )
        repeated += len(call.heard) - len(call.finals)
        repeated += sum(end - begin > SHARED_S for (_, end), (begin, _) in pairwise(finals))
    return Audit(sum(len(script.spoken) for script in callers), lost, repeated)


def growth(samples: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Memory over (seconds, megabytes): the line through the second half, and its standard error.

    The first half is left out: threads, heaps and caches are filled in it.
    """
    half = np.array(samples[len(samples) // 2 :])
    if len(half) < 4:
        return {"mb_per_hour": 0.0, "standard_error": 0.0}
    hours, memory = half[:, 0] / 3600, half[:, 1]
    (slope, at_zero), residual = np.polyfit(hours, memory, 1), 0.0
    residual = float(np.sum((memory - slope * hours - at_zero) ** 2))
    spread = float(np.sum((hours - hours.mean()) ** 2))
    error = (residual / (len(half) - 2) / spread) ** 0.5 if spread else 0.0
    return {"mb_per_hour": round(float(slope), 1), "standard_error": round(error, 1)}


async def soak(
    options: argparse.Namespace, utterances: Sequence[Utterance], console: Console
) -> tuple[Audit, Figures, list[tuple[float, float]]]:
    """The calls, so many at a time."""
    settings = load_settings()
    folders = EngineFolders(whisper=options.models / "whisper-base")
    whisper = open_apart(settings, "whisper", folders, threads=options.threads)
    listener = Listener(options.listener) if options.listener else None
    callers = scripts(utterances, options.calls, options.seconds, options.seed)
    waiting, seen = iter(range(options.calls)), [Seen() for _ in callers]
    memory: list[tuple[float, float]] = []
    began, cpu = time.monotonic(), processor_seconds()

    async def line() -> None:
        for number in waiting:
            seen[number] = await hear(open_call, callers[number])
            gc.collect()
            memory.append((time.monotonic() - began, megabytes(os.getpid())))
            progress.advance(task)

    every = settings.asr.partial_every_s
    with (
        Progress(console=console) as progress,
        ours(whisper, listener, partial_every_s=every) as open_call,
    ):
        task = progress.add_task("calls", total=options.calls)
        await asyncio.gather(*(line() for _ in range(options.at_once)))
    seconds = sum(script.pcm.size for script in callers) / 16_000
    found = figures(callers, seen, (processor_seconds() - cpu) / seconds)
    return audit(callers, seen), found, memory


def main() -> None:
    assert __doc__
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.asr_soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=SHARED / "data", help="evaluation data")
    parser.add_argument("--models", type=Path, default=ROOT / ".cache" / "models")
    parser.add_argument("--listener", type=Path, help="the listener's model folder")
    parser.add_argument("--threads", type=int, default=load_settings().asr.threads)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a call")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.listener = options.listener or listener_folder(options.models)
    prepare_threads()
    console = Console(stderr=True)
    utterances = [each for each in load(options.data) if each.source != "long"]
    try:
        audited, found, memory = asyncio.run(soak(options, utterances, console))
    except AsrError as error:
        sys.exit(str(error))
    result = {
        "calls": options.calls,
        "at_once": options.at_once,
        "recordings": audited.said,
        "lost": audited.lost,
        "repeated": audited.repeated,
        "final_ms": {"p50": found.final_ms_p50, "p95": found.final_ms_p95},
        "unfinished_turns": found.lost,
        "memory_mb": {"first": round(memory[0][1]), "last": round(memory[-1][1])} | growth(memory),
        "cpu_a_call": found.rtf,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
