"""Engines for a process of their own, and faults that are theirs to have."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from asr.hypothesis import Capabilities, Hypothesis, Pcm, Recognizer, RecognizerStream
from asr.streaming import ChunkedStream

ROOT = Path(__file__).resolve().parents[2]
_GROWTH: list[bytes] = []


def hear_letters(pcm: Pcm) -> Hypothesis:
    """A letter in every loud second: 0.1 → a, 0.2 → b, …"""
    seconds = [pcm[i : i + 16_000] for i in range(0, pcm.size, 16_000)]
    text = "".join(chr(96 + round(float(s[0]) * 10)) for s in seconds if s.size and s[0] > 0.05)
    return Hypothesis(
        "letters", text=text, alternatives=("x",), scores=(-0.5,), end=pcm.size / 16_000, final=True
    )


def second(letter: str) -> Pcm:
    """A second of sound that is heard as a letter."""
    return np.full(16_000, (ord(letter) - 96) / 10, np.float32)


def letters_stream() -> ChunkedStream:
    """One that decodes the whole utterance each time."""
    return ChunkedStream(
        "letters", hear_letters, hear_letters, window_seconds=1e3, partial_seconds=1e3
    )


class Letters:
    name = "letters"
    capabilities = Capabilities(
        streaming=True, n_best=True, word_times=False, hot_words=False, phonetic=False,
        languages=("en",),
    )  # fmt: skip

    def stream(self) -> ChunkedStream:
        return letters_stream()

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        return hear_letters(pcm)


class Faults:
    """A folder of faults, each for one decode; whichever process takes one has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self._order = itertools.count()

    def add(self, *faults: str) -> None:
        for fault in faults:
            (self.folder / f"{next(self._order):03d} {fault}").touch()

    @property
    def left(self) -> int:
        return len(list(self.folder.iterdir()))


def faulty(folder: Path, opens: Callable[[], Recognizer] = Letters) -> Recognizer:
    """Opens an engine that has the faults of a folder; to be made in its process."""
    return _Faulty(opens(), folder)


def sighing() -> Recognizer:
    """An engine whose errors tell what the caller said."""
    raise RuntimeError("13800138000")


class _Faulty:
    def __init__(self, engine: Recognizer, folder: Path) -> None:
        self._engine, self._folder = engine, folder
        self.name, self.capabilities = engine.name, engine.capabilities

    def stream(self) -> RecognizerStream:
        return _FaultyStream(self._engine.stream(), self._folder)  # type: ignore[return-value]

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        have_fault(self._folder)
        return self._engine.transcribe(pcm)


class _FaultyStream:
    def __init__(self, stream: RecognizerStream, folder: Path) -> None:
        self._stream, self._folder = stream, folder

    def feed(self, pcm: Pcm) -> None:
        self._stream.feed(pcm)

    def decode(self, final: bool = False) -> Hypothesis:
        have_fault(self._folder)
        return self._stream.decode(final)


def have_fault(folder: Path) -> None:
    """The next one there is."""
    fault = min(folder.iterdir(), default=None)
    if fault is None:
        return
    fault.unlink()
    match fault.name.partition(" ")[2]:
        case "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "crashes":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hangs":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "exits":
            os._exit(3)
        case "raises":
            raise RuntimeError("13800138000")
        case "grows":
            _GROWTH.append(bytes(range(256)) * (300 << 12))


def until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait for what other processes do."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def parent_of_processes(code: str) -> tuple[subprocess.Popen[bytes], list[int]]:
    """A Python process of this code, and its processes' pids, which it prints on one line."""
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    with parent.stdout:
        for line in parent.stdout:  # after what is logged
            if line.split()[0].isdigit():
                break
    return parent, [int(pid) for pid in line.split()]


def running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
