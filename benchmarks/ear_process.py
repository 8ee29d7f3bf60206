"""What callers' ears cost this process, and what they cost where they are heard.

    python -m benchmarks.ear_process                       20 callers, ear process and thread
    python -m benchmarks.ear_process --callers 1,10,20 --seconds 30

Callers who speak give 20 ms of audio each 20 ms, through `CallerEar` alone: no line, no turn, no
transcriber. *Loop* is the processor time of the event loop's thread, less that of the same callers
with ears that answer at once; *ears* that of the ear thread, or of the ear process. Both are per
piece of 20 ms. Memory is told once they have spoken.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import soundfile as sf

from asr.listener import Listener
from asr.supervised.wear import Limits
from telephony.codecs import FRAME_SECONDS, Int16
from voicebot.call.caller_ear import CallerEar, Listened, Sensed, Senses, ThreadEar
from voicebot.call.turn_audio import RATE
from voicebot.call.voice import VoiceDetector
from voicebot.config import Settings, load_settings
from voicebot.ear_process.keeper import EarProcesses
from voicebot.ear_process.senses import open_senses

FRAME = round(RATE * FRAME_SECONDS)


class AtOnce:
    """An ear that hears nothing."""

    listens = True

    def hear(self, pcm: Int16) -> Awaitable[Sensed]:
        answer: asyncio.Future[Sensed] = asyncio.get_running_loop().create_future()
        answer.set_result(Sensed((), (), None))
        return answer

    def settle(self, cut: bool) -> Awaitable[Listened]:
        raise NotImplementedError

    def close(self) -> None: ...


def speech(settings: Settings, seconds: float) -> Int16:
    """People, one after the other."""
    found, samples = [], 0
    for path in sorted((settings.paths.shared / "data" / "speech" / "aishell1_s0150").iterdir()):
        pcm, _ = sf.read(path, dtype="int16")
        found.append(np.concatenate([pcm, np.zeros(RATE, np.int16)]))
        samples += len(found[-1])
        if samples > seconds * RATE:
            break
    return np.concatenate(found)[: round(seconds * RATE)]


def processor_s(task: Path) -> float:
    """That a thread or a process of one thread has used."""
    return int((task / "schedstat").read_text().split()[0]) / 1e9


@contextmanager
def used(task: Path, pieces: int, told: list[float]) -> Iterator[None]:
    """Appends µs of processor time a piece."""
    before = processor_s(task)
    yield
    told.append((processor_s(task) - before) * 1e6 / pieces)


async def speak(ears: list[CallerEar], pcm: Int16) -> None:
    """All of them, in real time, their packets spread as lines' are."""

    async def one(number: int, ear: CallerEar) -> None:
        began = time.monotonic() + FRAME_SECONDS * number / len(ears)
        for piece in range(len(pcm) // FRAME):
            wait = began + piece * FRAME_SECONDS - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            await ear.hear(pcm[piece * FRAME : (piece + 1) * FRAME])

    await asyncio.gather(*(one(*each) for each in enumerate(ears)))


def memory_mb(pid: int) -> tuple[float, float]:
    """Resident, and what no other process has of it."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kb = {line.split(":")[0]: int(line.split()[1]) for line in rollup if line.endswith("kB")}
    return kb["Rss"] / 1024, (kb["Private_Clean"] + kb["Private_Dirty"]) / 1024


async def measure(callers: int, seconds: float) -> None:
    settings = load_settings()
    folder = settings.paths.listener_folder()
    if folder is None:
        raise SystemExit("The listener's model is not there. Run `make setup`.")
    listener, pcm = Listener(folder), speech(settings, seconds)
    executor = ThreadPoolExecutor(1)
    ear_thread = executor.submit(threading.get_native_id).result()
    here = Path("/proc/self/task")
    pieces = callers * (len(pcm) // FRAME)

    def senses(listens: bool) -> Senses:
        return Senses(VoiceDetector(), listener.stream())

    senses(True).hear(pcm[:RATE])

    async def run(name: str, new: Callable[[], CallerEar], ears: Path | None) -> None:
        loop_us: list[float] = []
        ears_us: list[float] = []
        opened = [new() for _ in range(callers)]
        with used(here / str(os.getpid()), pieces, loop_us):
            if ears is None:
                await speak(opened, pcm)
            else:
                with used(ears, pieces, ears_us):
                    await speak(opened, pcm)
        for ear in opened:
            ear.close()
        least.extend(loop_us if ears is None else ())
        told = f"{callers:3} callers, {name:12} loop {loop_us[0] - least[0]:6.1f} µs"
        print(told + (f"   ears {ears_us[0]:6.1f} µs" if ears_us else ""), flush=True)

    least: list[float] = []
    await run("nothing", AtOnce, None)
    thread = partial(lambda: ThreadEar(senses(True), executor, listens=True))
    await run("thread", thread, here / str(ear_thread))
    apart = EarProcesses(
        partial(open_senses, folder), senses, executor, limits=Limits(), spare=True
    )
    await apart.start()
    while len(apart.pids) < 2:  # noqa: ASYNC110 - another process has no event
        await asyncio.sleep(0.1)
    await run("ear process", apart.ear, Path(f"/proc/{apart.pids[0]}"))
    for name, pid in zip(("at work", "spare"), apart.pids, strict=True):
        print(f"ear process {name}: %.0f MB, %.0f its own" % memory_mb(pid))
    await apart.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--callers", default="20", help="how many at once, e.g. 1,10,20")
    parser.add_argument("--seconds", type=float, default=20.0, help="that each speaks")
    arguments = parser.parse_args()
    for count in arguments.callers.split(","):
        asyncio.run(measure(int(count), arguments.seconds))
