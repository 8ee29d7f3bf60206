"""Where one speaker's utterances begin and end: a pure machine on voice activity.

An utterance is over after a silence; one that never ends is cut. Where the audio is cut into
chunks makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from asr.service.wire import RATE, Int16


class VoiceActivity(Protocol):
    """Says where in one stream of audio there is a voice."""

    def probabilities(self, pcm: Int16) -> list[tuple[float, int]]:
        """The next PCM (n,) at 16 kHz → (probability 0..1, samples) of each window it completes."""
        ...


@dataclass(frozen=True, slots=True)
class UtteranceLimits:
    """Seconds, and the probability from which a window counts as voice."""

    threshold: float = 0.6
    start_s: float = 0.1
    """Voice needed before an utterance begins: a click is none."""
    silence_s: float = 0.6
    """Silence that ends it."""
    longest_s: float = 24.0
    """From then on the shortest pause ends it; without any it is cut at a quarter more."""
    before_s: float = 0.4
    """Audio taken from before the voice was sure: soft first syllables."""


@dataclass(frozen=True, slots=True)
class Began:
    """An utterance began; ``at`` is the second of the stream at which its audio starts."""

    at: float


@dataclass(frozen=True, slots=True)
class Speech:
    """Audio of the utterance, and whether a voice is in it."""

    pcm: Int16
    voiced: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The utterance is over at the second ``at`` of the stream."""

    at: float


Found = Began | Speech | Ended


class UtteranceFinder:
    """Follows one side; reads no clock and holds no more audio than ``before_s``."""

    def __init__(self, limits: UtteranceLimits) -> None:
        self._limits = limits
        self._audio = np.zeros(0, np.int16)
        self._first = self._at = 0
        """Samples of the stream: where `_audio` begins, and up to where it was judged."""
        self._inside = False
        self._onset = self._silence = self._length = 0

    def push(self, pcm: Int16, windows: Iterable[tuple[float, int]]) -> Iterator[Found]:
        """The next audio, and what `VoiceActivity` said of the windows it completed."""
        self._audio = np.concatenate([self._audio, pcm])
        for probability, samples in windows:
            self._at += samples
            yield from self._window(probability, samples)

    def finish(self) -> Iterator[Found]:
        """The stream is over, and with it the utterance that was begun."""
        if self._inside:
            self._at = self._first + self._audio.size
            yield Speech(self._take(), voiced=False)
            yield self._end()

    def _window(self, probability: float, samples: int) -> Iterator[Found]:
        limits = self._limits
        # Once within, a weaker voice counts: word ends fade.
        voiced = probability >= limits.threshold - (0.2 if self._inside else 0.0)
        if not self._inside:
            self._onset = self._onset + samples if voiced else 0
            if self._onset < limits.start_s * RATE:
                self._forget()
                return
            self._inside, self._silence = True, 0
            self._length = self._at - self._first
            yield Began(self._first / RATE)
            yield Speech(self._take(), voiced=True)
            return
        self._length += samples
        self._silence = 0 if voiced else self._silence + samples
        yield Speech(self._take(), voiced)
        long = self._length >= limits.longest_s * RATE
        if self._silence >= limits.silence_s * RATE or (long and not voiced):
            yield self._end()
        elif self._length >= 1.25 * limits.longest_s * RATE:
            yield Ended(self._at / RATE)
            yield Began(self._at / RATE)
            self._length = 0

    def _end(self) -> Ended:
        self._inside, self._onset = False, 0
        return Ended(self._at / RATE)

    def _take(self) -> Int16:
        count = self._at - self._first
        pcm, self._audio = self._audio[:count], self._audio[count:]
        self._first = self._at
        return pcm

    def _forget(self) -> None:
        old = self._at - self._onset - round(self._limits.before_s * RATE) - self._first
        if old > 0:
            self._audio = self._audio[old:]
            self._first += old
