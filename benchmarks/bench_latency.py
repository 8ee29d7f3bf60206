"""Reply latency: end of the caller's speech → first sound of the answer, over real calls.

Ours (`voicebot serve`, a process of its own) against an ordinary pipecat pipeline with the
same Whisper model (`benchmarks.plain_pipecat`, another), in one run: the same questions,
the same answers' audio, the same test caller over the same media WebSocket in A-law, one
question a call, ours and plain in turn. The caller measures on the waveform: last sample of
its speech above −45 dBFS → first 20 ms of *answer* audio above it. A greeting, a prompt or
a filler does not count; an answer does, even when it is another entry than expected. Where
one was taken back and another followed, the one that stood counts, and both are shown.

The questions are variants of approved entries, and both have the same entries and variants:
the benchmark is about time, so questions were kept that both sides answered when they were
chosen. One call each before the run is not counted.

The last line on standard output is one JSON object; ``ratio_p50`` is plain ÷ ours, and
``missed`` counts the calls in which no answer came, which no percentile contains.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import json
import os
import re
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import soundfile
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from flows.prompts import load_prompts
from telephony.call_report import CallReport
from telephony.caller import place_call
from telephony.errors import CallError
from telephony.loopback_server import free_port
from voicebot.call.audio_library import open_library
from voicebot.config import Settings, load_settings
from voicebot.errors import VoicebotError

ROOT = Path(__file__).resolve().parents[1]
KNOWLEDGE = ROOT / "kb" / "data"

AUDIO = "audio"
"""Folder of rendered audio within a state folder (`voicebot.call.audio_library.open_library`)."""

SHARED = (AUDIO, "vectors.sqlite")
"""What the benchmark's state folder has in common with the service's own."""

EXAMPLES = """examples:
  python -m benchmarks.bench_latency                 ten calls to each, about twelve minutes
  python -m benchmarks.bench_latency --calls 3       a quick look
  python -m benchmarks.bench_latency --calls 20      each question once
  python -m benchmarks.bench_latency | tail -1       for a machine
"""

READY_TIMEOUT_S = 240.0
QUIET_S = 6.0
"""How long the caller waits for an answer: later ones are missed."""

MAX_CALL_S = 50.0
"""The longest answer is over by then; a dialogue without one need not be heard out."""

MAX_LATENESS_MS = 40.0
"""Frames later than this mean that something else kept the machine busy."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the caller asks, and the entry that answers it."""

    entry: str
    text: str


QUESTIONS: tuple[Question, ...] = tuple(
    Question(*each)
    for each in (
        ("sb-001", "社保卡不见了要去哪里补"),
        ("mz-001", "结婚要预约吗"),
        ("jg-007", "买了新车上牌要带什么"),
        ("sb-011", "失业保险金怎么申请"),
        ("sb-016", "劳动仲裁要交费吗"),
        ("gjj-003", "买房想用公积金贷款"),
        ("mz-002", "离婚冷静期多久"),
        ("jg-001", "驾照六年到期怎么弄"),
        ("sb-021", "年假天数怎么算"),
        ("ms-001", "免税额度是多少"),
        ("hz-005", "租房子能办居住证吗"),
        ("sb-002", "手机上社保卡在哪里领"),
        ("yb-008", "我的医保能给小孩看病付钱吗"),
        ("crj-003", "港澳通行证怎么办"),
        ("mz-003", "低保要什么条件"),
        ("jt-001", "带车过海要提前约吗"),
        ("zj-007", "房东不退押金"),
        ("jy-004", "转学要户口吗"),
        ("jg-002", "驾照不见了怎么办"),
        ("gs-002", "居民阶梯电价怎么算"),
    )
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One question as its caller saw it.

    Parameters:
        question: what was asked.
        milliseconds: to the first sound of the answer that stood; None when none came.
        entry: what was answered.
        taken_back: an answer was cut before its end, this one or one before it.
        lateness_ms: by how much the caller's frame clock was once late.
        instead: what was heard when no answer came: `prompt`, `safety`, or nothing.
        failure: why there was no call at all.
    """

    question: Question
    milliseconds: float | None = None
    entry: str | None = None
    taken_back: bool = False
    lateness_ms: float = 0.0
    instead: str = ""
    failure: str = ""

    @property
    def right(self) -> bool:
        return self.entry == self.question.entry


def attempt(question: Question, report: CallReport) -> Attempt:
    """The answer to the only question of a call."""
    if not report.latency:
        asked = report.spoken[0].speech_start if report.spoken else 0.0
        said = (heard.purpose for heard in report.heard if heard.start > asked)
        return Attempt(question, lateness_ms=report.worst_lateness_ms, instead=next(said, ""))
    answer = report.latency[0]
    taken_back = any(heard.purpose == "answer" and not heard.complete for heard in report.heard)
    return Attempt(
        question, answer.milliseconds, answer.entry, taken_back, report.worst_lateness_ms
    )


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Between the two nearest values, linearly; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


@dataclass(frozen=True, slots=True)
class Summary:
    """One side's figures; milliseconds of the answered calls, None where there is none."""

    calls: int
    answered: int
    right: int
    taken_back: int
    p50: float | None
    p95: float | None
    fastest: float | None
    slowest: float | None

    @property
    def missed(self) -> int:
        return self.calls - self.answered


def summarise(attempts: Sequence[Attempt]) -> Summary:
    times = [each.milliseconds for each in attempts if each.milliseconds is not None]
    return Summary(
        calls=len(attempts),
        answered=len(times),
        right=sum(each.right for each in attempts),
        taken_back=sum(each.taken_back for each in attempts),
        p50=percentile(times, 50),
        p95=percentile(times, 95),
        fastest=min(times, default=None),
        slowest=max(times, default=None),
    )


def machine_line(ours: Summary, plain: Summary) -> str:
    """The JSON object that the run ends with."""

    def figures(side: Summary) -> dict[str, Any]:
        return {"p50_ms": _rounded(side.p50), "p95_ms": _rounded(side.p95), "missed": side.missed}

    ratio = None
    # An answer that begins before the caller has finished has no ratio to anything.
    if ours.p50 is not None and plain.p50 is not None and ours.p50 > 0:
        ratio = round(plain.p50 / ours.p50, 2)
    return json.dumps(
        {
            "ours": figures(ours),
            "plain": figures(plain),
            "ratio_p50": ratio,
            "calls": ours.calls,
        }
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def table(sides: dict[str, Summary]) -> Table:
    """For a person."""
    made = Table(title="end of speech → first sound of the answer, milliseconds")
    made.add_column("")
    for heading in ("n", "p50", "p95", "min", "max", "missed", "other entry", "taken back"):
        made.add_column(heading, justify="right")
    for name, side in sides.items():
        times = (side.p50, side.p95, side.fastest, side.slowest)
        made.add_row(
            name,
            str(side.answered),
            *("–" if value is None else f"{value:.0f}" for value in times),
            f"{side.missed} of {side.calls}",
            str(side.answered - side.right),
            str(side.taken_back),
        )
    return made


@dataclass(frozen=True, slots=True)
class Entry:
    """An approved entry: all wordings of its question, and the answer's text."""

    id: str
    questions: tuple[str, ...]
    answer: str


def read_faq(folder: Path = KNOWLEDGE) -> list[Entry]:
    """The approved entries of the demonstration knowledge base, with all their wordings."""
    more: dict[str, list[str]] = defaultdict(list)
    for row in _rows(folder / "phrasings.csv"):
        more[row["id"]].append(row["phrasing"])
    return [
        Entry(
            row["id"],
            (row["question"], *filter(None, row["variants"].split("|")), *more[row["id"]]),
            row["answer"],
        )
        for row in _rows(folder / "faq.csv")
        if row["status"] == "approved"
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def greeting() -> str:
    """What both sides say first."""
    return load_prompts()["greeting"].fill({})


class BenchFailed(Exception):
    """A process did not start; the message says why."""


@dataclass(frozen=True, slots=True)
class Side:
    """A server that takes calls."""

    name: str
    url: str
    token: str | None = None


@contextlib.asynccontextmanager
async def process(
    *command: str, log: Path, environment: dict[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python module run until the block ends; all that it prints goes to `log`."""
    with _open_private(log) as file:
        started = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
        try:
            yield started
        finally:
            with contextlib.suppress(ProcessLookupError):
                started.terminate()
            try:
                await asyncio.wait_for(started.wait(), 10)
            except TimeoutError:
                started.kill()
                await started.wait()


async def until_ready(
    running: asyncio.subprocess.Process, log: Path, look: Callable[[], Awaitable[Side | None]]
) -> Side:
    """Asks `look` until it finds the server. Errors: BenchFailed with the end of its log."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while running.returncode is None and time.monotonic() < deadline:
        side = await look()
        if side is not None:
            return side
        await asyncio.sleep(0.2)
    reason = "ended" if running.returncode is not None else "did not become ready"
    raise BenchFailed(f"`{log.stem}` {reason}; see {log}. It ends:\n{_tail(log)}")


def _open_private(path: Path) -> BinaryIO:
    """A service's first start prints its tokens: for the owner's eyes alone."""
    return open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600))


def _read(path: Path) -> str:
    return path.read_text("utf-8", "replace")


def _tail(log: Path) -> str:
    """The last lines of a log, without the tokens of a first start."""
    return "\n".join([line for line in _read(log).splitlines() if "token" not in line][-12:])


@contextlib.asynccontextmanager
async def our_side(state: Path, shared: Path, log: Path) -> AsyncIterator[Side]:
    """`voicebot serve` on a free port, with `state` as its state folder."""
    port = free_port()
    environment = {
        "VOICEBOT_PATHS__STATE": str(state),
        "VOICEBOT_PATHS__SHARED": str(shared),
        "VOICEBOT_SERVER__PORT": str(port),
        "VOICEBOT_SIP__ENABLED": "false",
    }
    async with (
        process("voicebot.cli", "serve", log=log, environment=environment) as running,
        httpx.AsyncClient(trust_env=False) as client,
    ):

        async def look() -> Side | None:
            with contextlib.suppress(OSError, httpx.HTTPError):
                token = (state / "secrets" / "media.token").read_text("ascii").strip()
                health = await client.get(
                    f"http://127.0.0.1:{port}/health", headers={"Authorization": f"Bearer {token}"}
                )
                if health.status_code == 200:
                    return Side("ours", f"ws://127.0.0.1:{port}/media", token)
            return None

        yield await until_ready(running, log, look)


@contextlib.asynccontextmanager
async def plain_side(settings: Settings, log: Path) -> AsyncIterator[Side]:
    """The ordinary pipeline, on a port of its own choosing."""
    audio = settings.paths.state / AUDIO
    command = ("benchmarks.plain_pipecat", str(settings.paths.models), str(audio))
    async with process(*command, settings.speech.voice, log=log) as running:

        async def look() -> Side | None:
            found = re.search(r"^ws://\S+/media$", _read(log), re.MULTILINE)
            return Side("plain", found.group()) if found else None

        yield await until_ready(running, log, look)


def prepare(settings: Settings, folder: Path, progress: Progress) -> dict[Question, Path]:
    """Renders what both sides say, and the questions: one WAV file each."""
    library = open_library(settings)
    said = [greeting(), *(entry.answer for entry in read_faq())]
    bar = progress.add_task("answers", total=len(said))
    library.prepare(said, lambda done, _: progress.update(bar, completed=done))
    files = {}
    for question in progress.track(QUESTIONS, description="questions"):
        speech = library.get(question.text, keep=False)
        files[question] = folder / f"{question.entry}.wav"
        soundfile.write(files[question], speech.pcm, speech.rate)
    return files


async def ask(side: Side, question: Question, file: Path, number: int) -> Attempt:
    """One call with one question."""
    try:
        report = await place_call(
            side.url,
            [file],
            f"1390000{number:04d}",
            "12345",
            token=side.token,
            quiet_s=QUIET_S,
            max_s=MAX_CALL_S,
        )
    except CallError as error:
        return Attempt(question, failure=error.message)
    return attempt(question, report)


async def run(calls: int, shared: Path, console: Console) -> dict[str, list[Attempt]]:
    """Everything; one Attempt a call and side. Errors: BenchFailed."""
    settings = load_settings()
    folder = settings.paths.state / "bench-latency"
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    state = folder / "state"
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        waiting = progress.add_task("publishing", total=None)
        await publish(settings, state, folder / "publish.log")
        files = await asyncio.to_thread(prepare, settings, folder, progress)
        progress.update(waiting, description="starting both")
        async with (
            our_side(state, shared, folder / "ours.log") as ours,
            plain_side(settings, folder / "plain.log") as plain,
        ):
            progress.remove_task(waiting)
            results: dict[str, list[Attempt]] = {ours.name: [], plain.name: []}
            bar = progress.add_task("warming up", total=2 * (calls + 1))
            # Call 0 warms up; the last question is the one that is asked least.
            for number in range(calls + 1):
                question = QUESTIONS[(number - 1) % len(QUESTIONS)]
                for side in (ours, plain):
                    done = await ask(side, question, files[question], number)
                    if number:
                        results[side.name].append(done)
                    progress.update(bar, advance=1, description=f"calls, {side.name}")
    return results


async def publish(settings: Settings, state: Path, log: Path) -> None:
    """Makes our service's state folder; what an earlier run made in it is kept.

    Errors: BenchFailed.
    """
    await asyncio.to_thread(_share, settings, state)
    environment = {"VOICEBOT_PATHS__STATE": str(state)}
    command = ("voicebot.cli", "kb", "publish", "--demo")
    async with process(*command, log=log, environment=environment) as running:
        if await running.wait():
            raise BenchFailed(f"The knowledge base was not published:\n{_tail(log)}")


def _share(settings: Settings, state: Path) -> None:
    """What setup has rendered and embedded is used, not made again."""
    state.mkdir(parents=True, exist_ok=True)
    (settings.paths.state / AUDIO).mkdir(exist_ok=True)
    for name in SHARED:
        link, made = state / name, settings.paths.state / name
        if made.exists() and not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(made)


def notes(results: dict[str, list[Attempt]]) -> Iterator[str]:
    """What a reader of the table should know about single calls."""
    for name, attempts in results.items():
        for each in attempts:
            if each.failure:
                yield f"{name}: {each.question.text}: no call: {each.failure}"
            elif each.milliseconds is None:
                yield f"{name}: {each.question.text}: no answer, but {each.instead or 'silence'}"
            elif not each.right:
                yield f"{name}: {each.question.text}: answered with {each.entry}"
        late = [each.lateness_ms for each in attempts if each.lateness_ms > MAX_LATENESS_MS]
        if late:
            yield (
                f"{name}: in {len(late)} calls the caller itself ran up to {max(late):.0f} ms "
                "late: something else kept the machine busy"
            )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench_latency",
        description="Reply latency over real calls, ours against an ordinary pipecat pipeline.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--calls", type=_positive, default=10, help="to each side (10)")
    parser.add_argument(
        "--data",
        type=Path,
        default=ROOT.parent / "shared" / "data",
        help="evaluation data; only the listener's model beside it is used (../shared/data)",
    )
    options = parser.parse_args()
    console = Console(stderr=True)
    try:
        results = asyncio.run(run(options.calls, options.data.resolve().parent, console))
    except (BenchFailed, VoicebotError) as error:
        console.print(f"[red]{escape(str(error))}")
        return 1
    except KeyboardInterrupt:
        return 130
    sides = {name: summarise(attempts) for name, attempts in results.items()}
    console.print(table(sides))
    for note in notes(results):
        console.print(escape(note))
    print(machine_line(sides["ours"], sides["plain"]), flush=True)
    return 0


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least one call is needed")
    return value


if __name__ == "__main__":
    sys.exit(main())
