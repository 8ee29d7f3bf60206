"""Scripted senses for an ear process, and faults that are its to have."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from asr.hypothesis import Hypothesis, Pcm, Word
from telephony.codecs import Int16
from tests.asr.supervised_doubles import have_fault
from voicebot.call.caller_ear import Senses

RATE = 16_000
WINDOW = 512
SYLLABLE = RATE // 5
POISON = 6666
"""A sample that no process survives."""


def tone(seconds: float, height: int) -> Int16:
    """Sound whose every fifth of a second is a syllable that tells its height."""
    return np.full(round(seconds * RATE), height, np.int16)


def silence(seconds: float) -> Int16:
    return np.zeros(round(seconds * RATE), np.int16)


class Loudness:
    """In place of Silero: how loud the loudest sample is."""

    def __init__(self) -> None:
        self._left = np.zeros(0, np.int16)

    def probabilities(self, pcm: Int16) -> list[tuple[float, int]]:
        audio = np.concatenate([self._left, pcm])
        whole = len(audio) // WINDOW * WINDOW
        self._left = audio[whole:]
        return [
            (min(1.0, int(np.abs(window).max()) / 4000), WINDOW)
            for window in audio[:whole].reshape(-1, WINDOW)
        ]


class LoudIsVoice:
    """In place of Silero."""

    def __init__(self) -> None:
        self._left = np.zeros(0, np.int16)

    def probabilities(self, pcm: Int16) -> list[tuple[float, int]]:
        audio = np.concatenate([self._left, pcm])
        whole = len(audio) // 512 * 512
        self._left = audio[whole:]
        windows = audio[:whole].reshape(-1, 512).astype(int)
        return [(float(np.abs(window).max() > 500), 512) for window in windows]

    async def close(self) -> None: ...


class CountingStream:
    """A syllable for each fifth of a second of sound."""

    def __init__(self) -> None:
        self._loud = 0

    def feed(self, pcm: Any) -> None:
        self._loud += int((np.abs(pcm) > 0.03).sum()) * 2

    def hypothesis(self) -> Hypothesis | None:
        return None

    def decode(self, final: bool = False) -> Hypothesis:
        return Hypothesis("counting", syllables=("ma1",) * (self._loud // 3200), final=final)

    def finish(self) -> Hypothesis:
        heard = self.decode(final=True)
        self._loud = 0
        return heard

    def reset(self, *, keep_seconds: float = 0.0) -> None:
        self._loud = 0


class Tones:
    """In place of the listener: a syllable for each fifth of a second of a tone, at its time."""

    def __init__(self) -> None:
        self._pcm: list[Pcm] = []
        self._fed = self._began = 0

    def feed(self, pcm: Pcm) -> None:
        self._pcm.append(pcm)
        self._fed += len(pcm)

    def hypothesis(self) -> Hypothesis | None:
        return None

    def decode(self, final: bool = False) -> Hypothesis:
        pcm = np.rint(np.concatenate([*self._pcm, np.zeros(0, np.float32)]) * 32768)
        edges = np.flatnonzero(np.diff(pcm, prepend=0, append=0))
        words = [
            Word(
                f"t{int(pcm[at])}",
                round((self._began + at) / RATE, 3),
                round((self._began + at + SYLLABLE) / RATE, 3),
            )
            for first, after in pairwise(edges)
            if pcm[first]
            for at in range(first, after - SYLLABLE + 1, SYLLABLE)
        ]
        start = words[0].start if words else self._began / RATE
        return Hypothesis(
            "tones", syllables=tuple(w.text for w in words), words=tuple(words), start=start
        )

    def finish(self) -> Hypothesis:
        heard = self.decode(final=True)
        self.reset()
        return heard

    def reset(self, *, keep_seconds: float = 0.0) -> None:
        self._pcm, self._began = [], self._fed


class _Faulty(Tones):
    def __init__(self, folder: Path | None) -> None:
        super().__init__()
        self._folder = folder

    def feed(self, pcm: Pcm) -> None:
        if self._folder is not None:
            have_fault(self._folder)
        if np.any(np.rint(pcm * 32768) == POISON):
            os.abort()
        super().feed(pcm)


def tones() -> Senses:
    return Senses(Loudness(), Tones())


def deaf() -> Senses:
    return Senses(Loudness(), None)


def opens_faulty(folder: Path | None) -> Callable[[], Senses]:
    """In the process: senses with the faults of a folder (`tests.asr.supervised_doubles.Faults`)
    that do not survive poison."""
    return lambda: Senses(Loudness(), _Faulty(folder))


def opens_nothing() -> Callable[[], Senses]:
    """A model that does not load."""
    raise RuntimeError("13800138000")


def opens_broken() -> Callable[[], Senses]:
    """Loads, and makes no caller's senses."""

    def broken() -> Senses:
        raise RuntimeError("13800138000")

    return broken


def opens_once(folder: Path, faults: Path | None = None) -> Callable[[], Senses]:
    """The first process loads, those after it never do."""
    if (folder / "loaded").exists():
        signal.pause()
    (folder / "loaded").touch()
    return opens_faulty(faults)


def opens_counting() -> Callable[[], Senses]:
    return lambda: Senses(LoudIsVoice(), CountingStream())
