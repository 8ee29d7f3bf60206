"""Recognition of telephone speech: accuracy, cost, and how it holds up with many calls at once.

Accuracy (`asr_accuracy`): the development speech through 8 kHz A-law in frames of 20 ms, ours
against faster-whisper called the ordinary way, utterance by utterance in one run. Calls
(`asr_calls`): 1, 2, 4, 8 and 16 callers in real time, ours against a thread pool in vosk-server's
manner and against faster-whisper after each turn.

The last line on standard output is one JSON object. ``ratio_cpu`` is plain ÷ ours; ``partials``
and ``final_ms`` are those of one call; ``calls_per_core`` is how many calls were served for each
core with p95 of the final within a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from asr.engines import EngineFolders
from asr.errors import AsrError
from asr.listener import Listener
from asr.whisper import WhisperTranscriber
from benchmarks import asr_accuracy, asr_calls, asr_charts
from benchmarks.asr_accuracy import Side
from benchmarks.asr_calls import Figures, Way
from benchmarks.speech_data import ROOT, SHARED, Utterance, listener_folder, load
from voicebot.commands.session import prepare_threads
from voicebot.config import load_settings
from voicebot.recognisers import open_apart

PICTURES = ROOT / "docs" / "pictures"
OURS, THREADS, WHOLE = "ours", "thread pool (vosk-server's way)", "faster-whisper per turn"
PLAIN = "faster-whisper, beam 5"

EXAMPLES = """examples:
  python -m benchmarks.asr                            everything, about 25 minutes
  python -m benchmarks.asr --limit 20 --calls 1,4     a quick look
  python -m benchmarks.asr --calls ""                 accuracy alone
  python -m benchmarks.asr | tail -1                  for a machine
"""


def accuracy(
    options: argparse.Namespace, utterances: Sequence[Utterance], console: Console
) -> dict[str, dict[str, float]]:
    """Errors and cost of every way to use the same model."""
    model, threads = options.models / "whisper-base", options.threads
    listener = options.listener
    ways = {OURS: asr_accuracy.both_ears(model, listener, threads)}
    if not options.limit:
        ways["ours, without the listener"] = asr_accuracy.one_ear(model, threads)
        ways["faster-whisper, greedy"] = asr_accuracy.plain(model, threads, beam=1)
    ways[PLAIN] = asr_accuracy.plain(model, threads)
    sides = [Side(label, recognise) for label, recognise in ways.items()]
    return asr_accuracy.compare(
        utterances, sides, console, f"8 kHz A-law, Whisper base, threads {threads}"
    )


async def calls(
    options: argparse.Namespace, utterances: Sequence[Utterance], console: Console
) -> list[Way]:
    """Every way with more and more calls."""
    model, threads = options.models / "whisper-base", options.threads
    settings = load_settings()
    folders = EngineFolders(whisper=model)
    whisper = open_apart(settings, "whisper", folders, threads=threads)
    several = WhisperTranscriber(model, threads=1, workers=os.cpu_count() or 1)
    plain = asr_accuracy.plain(model, threads)
    listener = Listener(options.listener) if options.listener else None
    every = settings.asr.partial_every_s
    short = [utterance for utterance in utterances if utterance.source != "long"]
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        return [
            await asr_calls.measure(label, opened, short, options.calls, options.seconds, progress)
            for label, opened in (
                (OURS, asr_calls.ours(whisper, listener, partial_every_s=every)),
                (THREADS, asr_calls.threads(several.quick, several.transcribe)),
                (WHOLE, asr_calls.whole_turns(plain)),
            )
        ]


def show(ways: Sequence[Way], console: Console) -> None:
    """The calls' figures as a table."""
    table = Table(title="calls in real time; milliseconds, p50 / p95")
    for heading in ("", "calls", "first syllables", "first text", "final", "late", "CPU a call"):
        table.add_column(heading, justify="left" if not heading else "right")
    for way in ways:
        for found in way.figures:
            table.add_row(
                way.label,
                str(found.calls),
                _number(found.first_syllables_ms_p50),
                f"{_number(found.first_ms_p50)} / {_number(found.first_ms_p95)}",
                f"{_number(found.final_ms_p50)} / {_number(found.final_ms_p95)}",
                f"{found.lost} of {found.finals + found.lost}",
                f"{found.rtf:.1%}",
            )
    console.print(table)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def calls_per_core(found: Sequence[Figures], cores: int) -> float | None:
    """The most calls with p95 of the final within a second, by core; None where none were run."""
    served = [
        each.calls
        for each in found
        if not each.lost
        and each.final_ms_p95 is not None
        and each.final_ms_p95 <= asr_charts.LIMIT_MS
    ]
    if not found:
        return None
    return max(served, default=0) / cores


def result(errors: dict[str, dict[str, float]], ways: Sequence[Way], cores: int) -> dict[str, Any]:
    """The JSON object."""
    mine, plain = errors[OURS], errors[PLAIN]
    answer: dict[str, Any] = {
        "ours": mine,
        "plain": plain,
        "ratio_cpu": round(plain["cpu_s_per_audio_s"] / mine["cpu_s_per_audio_s"], 2),
        "ways": errors,
    }
    if ways:
        found = ways[0].figures
        one = asdict(found[0])
        answer["partials"] = {
            name: one[name]
            for name in (
                "first_ms_p50",
                "first_ms_p95",
                "transcribed_ms_p50",
                "partial_every_ms_p95",
                "first_syllables_ms_p50",
                "syllables_every_ms_p95",
            )
        }
        answer["final_ms"] = {"p50": one["final_ms_p50"], "p95": one["final_ms_p95"]}
        answer["by_calls"] = [asdict(each) for each in found]
        answer["calls_per_core"] = calls_per_core(found, cores)
        answer["plain_by_calls"] = {
            way.label: [asdict(each) for each in way.figures] for way in ways[1:]
        }
    return answer


def _counts(text: str) -> list[int]:
    counts = [int(each) for each in text.split(",") if each.strip()]
    if any(count < 1 for count in counts):
        raise argparse.ArgumentTypeError("numbers of calls are positive")
    return counts


def _options() -> argparse.Namespace:
    assert __doc__
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.asr",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=SHARED / "data", help="evaluation data")
    parser.add_argument("--models", type=Path, default=ROOT / ".cache" / "models")
    parser.add_argument("--listener", type=Path, help="the listener's model folder")
    parser.add_argument("--limit", type=int, help="only so many utterances, spread over all")
    parser.add_argument("--threads", type=int, help="as configured (asr.threads) unless given")
    parser.add_argument(
        "--calls", type=_counts, default=[1, 2, 4, 8, 16], help='"1,2,4,8,16"; "" for none'
    )
    parser.add_argument("--seconds", type=float, default=45.0, help="length of a call")
    parser.add_argument(
        "--pictures", type=Path, help="folder for the curves; docs/pictures for a whole run"
    )
    options = parser.parse_args()
    options.threads = options.threads or load_settings().asr.threads
    options.listener = options.listener or listener_folder(options.models)
    if options.pictures is None and not options.limit:
        options.pictures = PICTURES
    return options


def main() -> None:
    options = _options()
    prepare_threads()
    console = Console(stderr=True)
    utterances = load(options.data, options.limit)
    cores = os.cpu_count() or 1
    try:
        errors = accuracy(options, utterances, console)
        ways = asyncio.run(calls(options, utterances, console)) if options.calls else []
    except AsrError as error:
        sys.exit(str(error))
    if ways:
        show(ways, console)
    if options.pictures:
        asr_charts.accuracy_against_cost(errors, options.pictures / "asr-accuracy.png")
        if ways:
            asr_charts.final_against_calls(ways, options.pictures / "asr-final.png", cores)
            asr_charts.partials_against_calls(ways, options.pictures / "asr-first.png", cores)
        console.print(f"Pictures in {options.pictures}")
    print(json.dumps(result(errors, ways, cores), ensure_ascii=False))


if __name__ == "__main__":
    main()
