"""How many real calls this machine carries, and what five times as many do to them.

    make bench-calls ARGS="--seconds 60"
    make bench-calls ARGS="--services 2 --callers 16,20,24"

`voicebot serve` and a desk of 110 in processes of their own; callers over the media
WebSocket in A-law, in real time, one call after the other on each line: questions that the
knowledge base answers, and one caller in five who says that something burns.

1. With 1, 2, 3, 4, 6, 8, … callers at once and admission out of the way: the 95th
   percentile of the reply latency (end of speech → first sound of the answer). The machine
   *carries* as many calls as leave it below the limit, with nobody left in silence.
2. The service again, with `admission.calls` set to that number: first as many callers,
   then five times as many, who call again when they are refused. What the admitted ones
   notice is the difference.

*Silent* is a call that was answered, and in which nothing was heard within 4 s of the end
of what its caller said. *Handed over* is a caller in danger who hears a person of 110.
With ``--services 2`` the callers are dealt out to two services, each with a state, a desk and
a Python interpreter of its own.
Callers, desk and service share the machine, and whatever else runs on it counts too: its
load is told before the first call. The last line of the output is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import soundfile
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from asr.engines import AUTO, capability_table
from benchmarks.bench_latency import QUESTIONS, percentile
from benchmarks.processes import descendants, seconds_of
from telephony.call_report import CallReport
from telephony.caller import place_call
from telephony.errors import CallError
from telephony.heard import UNMARKED
from voicebot.call.audio_library import open_library
from voicebot.config import Settings, load_settings
from voicebot.demo_service import DemoService, running
from voicebot.demo_state import fill
from voicebot.errors import VoicebotError
from voicebot.recognisers import engine_folders

EXAMPLES = """examples:
  python -m benchmarks.bench_calls                      about 15 minutes
  python -m benchmarks.bench_calls --seconds 30 --callers 1,4   a quick look
  VOICEBOT_ASR__ENGINE=none python -m benchmarks.bench_calls --callers 16,20,24   listener alone
  python -m benchmarks.bench_calls --services 2         as two media nodes on one machine
  python -m benchmarks.bench_calls | tail -1            for a machine
"""

COUNTS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32)
FACTOR = 5
SILENT_S = 4.0
QUIET_S = 6.0
"""How long a caller who has said everything listens to nothing before hanging up."""
MAX_CALL_S = 45.0
AGAIN_S = 5.0
"""After being refused: `admission.retry_after_s`."""
LEAST = 4
"""Calls on each line, however long they take, while there is room for all."""
DANGER_EVERY = 5
DANGER = "海口市龙华区国贸路二十八号，厨房着火了，火很大，快点派人来。"
MANY = "1000"


@dataclass(frozen=True, slots=True)
class Seen:
    """One call as its caller saw it.

    Parameters:
        danger: the caller was in danger.
        refused: not answered.
        reply_ms: to the first sound of the answer that stood; None without one.
        silent: see the module.
        handed_over: a person of 110 was heard.
        lateness_ms: by how much the caller's own clock was late.
    """

    danger: bool
    refused: bool = False
    reply_ms: float | None = None
    silent: bool = False
    handed_over: bool = False
    lateness_ms: float = 0.0


def seen(danger: bool, report: CallReport) -> Seen:
    """Pure: what a report says."""
    spoken = [each for each in report.spoken if each.complete]
    silent = not report.heard
    for each in spoken:
        ends = each.speech_end
        silent |= not any(
            heard.sound_start is not None and heard.end > ends
            and heard.sound_start <= ends + SILENT_S
            for heard in report.heard
        )  # fmt: skip
    return Seen(
        danger,
        reply_ms=report.latency[0].milliseconds if report.latency else None,
        silent=silent,
        handed_over=any(heard.purpose == UNMARKED for heard in report.heard),
        lateness_ms=report.worst_lateness_ms,
    )


@dataclass(frozen=True, slots=True)
class Round:
    """All calls with one number of callers.

    Parameters:
        callers: at once.
        p50_ms, p95_ms: reply latency of the questions that were answered; None of none.
        calls, refused: how many were answered and how many not.
        missed: questions without an answer.
        silent: see the module.
        handoffs, handed_over: callers in danger whose call was answered; of them, those who
            heard 110.
        lateness_ms: the worst of the callers' own clocks: much of it says that the machine
            was too busy to measure on.
        cores: processors that the services and the processes they started used, in the mean.
    """

    callers: int
    p50_ms: float | None
    p95_ms: float | None
    calls: int
    refused: int
    missed: int
    silent: int
    handoffs: int
    handed_over: int
    lateness_ms: float
    cores: float | None = None


def summary(callers: int, calls: Sequence[Seen]) -> Round:
    """Pure: the figures of one round."""
    answered = [each for each in calls if not each.refused]
    questions = [each for each in answered if not each.danger]
    replies = [each.reply_ms for each in questions if each.reply_ms is not None]
    danger = [each for each in answered if each.danger]
    p50, p95 = percentile(replies, 50), percentile(replies, 95)
    return Round(
        callers,
        None if p50 is None else round(p50, 1),
        None if p95 is None else round(p95, 1),
        calls=len(answered),
        refused=len(calls) - len(answered),
        missed=len(questions) - len(replies),
        silent=sum(each.silent for each in answered),
        handoffs=len(danger),
        handed_over=sum(each.handed_over for each in danger),
        lateness_ms=max((each.lateness_ms for each in answered), default=0.0),
    )


def carried(found: Round, limit_ms: float) -> bool:
    """The machine carries so many calls."""
    if found.p95_ms is None or found.p95_ms > limit_ms:
        return False
    return not found.silent and found.handed_over == found.handoffs


def machine_line(
    engines: Mapping[str, Any],
    services: int,
    carries: int,
    rounds: Iterable[Round],
    over: tuple[Round, Round] | None,
    load: float,
) -> str:
    """The JSON object that the run ends with."""
    by_calls = [
        {"calls": each.callers, "p95_ms": each.p95_ms, "cores": each.cores} for each in rounds
    ]
    overload = None
    if over is not None:
        before, during = over
        overload = {
            "factor": FACTOR,
            "p95_ms": during.p95_ms,
            "p95_ms_before": before.p95_ms,
            "silent": during.silent,
            "calls": during.calls,
            "refused": during.refused,
            "handoffs": during.handoffs,
            "handed_over": during.handed_over,
        }
    return json.dumps(
        {
            "engines": engines,
            "services": services,
            "calls_ok": carries,
            "p95_ms_by_calls": by_calls,
            "overload": overload,
            "load": round(load, 1),
        }
    )


class Bench:
    """The callers, and the services that they call.

    Parameters:
        folder: for states, logs and audio; removed by whoever made it.
        seconds: how long each round goes on placing calls.
        services: how many the callers are dealt out to.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        seconds: float,
        console: Console,
        services: int = 1,
    ) -> None:
        self._settings, self._folder = settings, folder
        self._seconds, self._console = seconds, console
        self._count = services
        self._random = Random(1)
        self._questions: list[Path] = []
        self._danger = folder / "danger.wav"
        self._people = 0

    def record(self, progress: Progress) -> None:
        """What the callers say, one WAV file each."""
        library = open_library(self._settings)
        for question in progress.track(QUESTIONS, description="questions"):
            self._questions.append(self._folder / f"{question.entry}.wav")
            speech = library.get(question.text, keep=False)
            soundfile.write(self._questions[-1], speech.pcm, speech.rate)
        speech = library.get(DANGER, keep=False)
        soundfile.write(self._danger, speech.pcm, speech.rate)

    async def rounds(self, limit_ms: float, counts: Sequence[int]) -> list[Round]:
        """More and more callers, until there are too many."""
        found: list[Round] = []
        with admitting(int(MANY)):
            async with self._services("scan") as services:
                for callers in counts:
                    found.append(await self._round(services, callers, least=LEAST))
                    if not carried(found[-1], limit_ms):
                        break
        return found

    async def overload(self, carries: int) -> tuple[Round, Round]:
        """As many callers as the services are told to answer, then `FACTOR` times as many."""
        with admitting(math.ceil(carries / self._count)):
            async with self._services("overload") as services:
                return (
                    await self._round(services, carries, least=LEAST),
                    await self._round(services, FACTOR * carries),
                )

    @asynccontextmanager
    async def _services(self, name: str) -> AsyncIterator[list[DemoService]]:
        async with AsyncExitStack() as stack:
            services = []
            for n in range(self._count):
                folder = self._folder / f"{name}-{n}"
                folder.mkdir()
                settings = fill(self._settings, folder / "state")
                services.append(
                    await stack.enter_async_context(running(settings, self._console, folder))
                )
            yield services

    async def _round(self, services: Sequence[DemoService], callers: int, least: int = 0) -> Round:
        for service in services:  # warms up, not counted
            await self._call(service, self._questions[0], danger=False)
        began, used = time.monotonic(), _used_s(services)
        ends = began + self._seconds
        lines = [
            self._line(services[n % len(services)], n / callers, ends, least)
            for n in range(callers)
        ]
        calls = [each for line in await asyncio.gather(*lines) for each in line]
        cores = (_used_s(services) - used) / (time.monotonic() - began)
        found = replace(summary(callers, calls), cores=round(cores, 2))
        self._console.print(escape(str(found)))
        return found

    async def _line(
        self, service: DemoService, place: float, ends: float, least: int
    ) -> list[Seen]:
        """One caller after the other; who is refused calls again."""
        calls: list[Seen] = []
        await asyncio.sleep(10.0 * place)
        while sum(not each.refused for each in calls) < least or time.monotonic() < ends:
            self._people += 1
            danger = self._people % DANGER_EVERY == 2
            file = self._danger if danger else self._random.choice(self._questions)
            calls.append(await self._call(service, file, danger=danger))
            while calls[-1].refused and time.monotonic() < ends:
                await asyncio.sleep(AGAIN_S)
                calls.append(await self._call(service, file, danger=danger))
        return calls

    async def _call(self, service: DemoService, file: Path, *, danger: bool) -> Seen:
        try:
            report = await place_call(
                service.media,
                [file],
                f"139{self._random.randrange(10**8):08d}",
                "12345",
                token=service.media_token,
                quiet_s=QUIET_S,
                max_s=MAX_CALL_S,
            )
        except CallError:
            return Seen(danger, refused=True)
        return seen(danger, report)


def _used_s(services: Iterable[DemoService]) -> float:
    return sum(seconds_of(descendants(each.pid)) for each in services)


@contextmanager
def admitting(calls: int) -> Any:
    """Each service that is started meanwhile answers so many calls."""
    wanted = {
        "VOICEBOT_ADMISSION__CALLS": str(calls),
        "VOICEBOT_ADMISSION__CALLS_AT_LEAST": str(calls),
        "VOICEBOT_ADMISSION__HANDOFF_LINES": MANY,
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def engines(settings: Settings) -> dict[str, Any]:
    """What recognises the callers."""
    there = [row.engine for row in capability_table(engine_folders(settings)) if row.installed]
    transcribers = [each for each in there if each != "listener"]
    named = settings.asr.engine
    named_one = None if named == "none" else named
    chosen = next(iter(transcribers), None) if named == AUTO else named_one
    return {"transcriber": chosen, "listener": "listener" in there}


async def run(
    bench: Bench, limit_ms: float, counts: Sequence[int]
) -> tuple[list[Round], int, tuple[Round, Round] | None]:
    """All rounds, how many calls are carried, and the overload with what was before."""
    rounds = await bench.rounds(limit_ms, counts)
    carries = max((each.callers for each in rounds if carried(each, limit_ms)), default=0)
    return rounds, carries, await bench.overload(carries) if carries else None


def _counts(text: str) -> tuple[int, ...]:
    counts = tuple(int(each) for each in text.split(","))
    if not counts or min(counts) < 1:
        raise argparse.ArgumentTypeError("numbers of callers, such as 1,2,4")
    return counts


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number of services, such as 2")
    return int(text)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench_calls",
        description="How many calls this machine carries, and what an overload does to them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=90.0, help="of each round (90)")
    parser.add_argument(
        "--services", type=_positive, default=1, metavar="N", help="on this machine"
    )
    parser.add_argument("--limit-ms", type=float, default=1200.0, help="p95 that is carried (1200)")
    parser.add_argument(
        "--callers",
        type=_counts,
        default=COUNTS,
        metavar="N,N,…",
        help=f"at once, one round each ({','.join(map(str, COUNTS))})",
    )
    options = parser.parse_args()
    console = Console(stderr=True)
    load = os.getloadavg()[0]
    console.print(f"load before: {load:.1f} on {os.cpu_count()} processors")
    folder = Path(tempfile.mkdtemp(prefix="bench-calls-"))
    try:
        settings = load_settings()
        bench = Bench(settings, folder, options.seconds, console, options.services)
        with Progress(console=console) as progress:
            bench.record(progress)
        rounds, carries, over = asyncio.run(run(bench, options.limit_ms, options.callers))
    except VoicebotError as error:
        console.print(f"[red]{escape(str(error))}")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not carries:
        console.print(f"Not even one call stays within {options.limit_ms:.0f} ms.")
    print(
        machine_line(engines(settings), options.services, carries, rounds, over, load), flush=True
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
