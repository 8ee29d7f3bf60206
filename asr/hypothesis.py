"""What every recogniser answers with, and the interface they all share.

Audio is always float32 mono at 16 kHz in -1..1; times are seconds from the start of the stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Pcm = npt.NDArray[np.float32]

Span = tuple[int, int]
"""A stretch ``[start:end]`` of characters or syllables."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word, or a syllable of a phonetic engine, with its place in time."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What was recognised in one utterance so far (假设), partial or final."""

    engine: str
    text: str = ""
    """Simplified hanzi, no punctuation at the end; "" of a phonetic engine, or when none spoke."""
    alternatives: tuple[str, ...] = ()
    """Other readings of the same audio, best first, all different from ``text``."""
    syllables: tuple[str, ...] = ()
    """Toned pinyin ("zhao2") of a phonetic engine."""
    start: float = 0.0
    end: float = 0.0
    final: bool = False
    stable: int = 0
    """How many leading characters (syllables, where there is no text) the hypothesis before had
    too; of a final, all. A later hypothesis may still take them back."""
    words: tuple[Word, ...] = ()
    scores: tuple[float, ...] = ()
    """Mean log-probability a token of ``text`` and then of each alternative, where known."""
    language: str = "unknown"
    """Of a final: "zh", "en" or "other" where the engine is sure of it."""
    intelligible: float = 1.0
    """Of a final that both ears heard, 0..1: how far they agree that these were words."""
    unheard: tuple[Span, ...] = ()
    """Of a final that both ears heard: stretches of ``text`` in which the listener heard nothing
    of the kind."""
    unwritten: tuple[Span, ...] = ()
    """Of a final that both ears heard: stretches of the listener's syllables that ``text`` has
    nothing of."""

    @property
    def n_best(self) -> tuple[str, ...]:
        """``text`` and then the alternatives; empty when nothing was recognised."""
        return (self.text, *self.alternatives) if self.text else ()

    def __bool__(self) -> bool:
        return bool(self.text or self.syllables)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do, so that the application chooses by ability and not by name."""

    streaming: bool
    """Partial results come while audio is fed; otherwise ``decode(final=False)`` makes them."""
    n_best: bool
    word_times: bool
    hot_words: bool
    phonetic: bool
    """Gives syllables and no text."""
    languages: tuple[str, ...]
    sample_rates: tuple[int, ...] = (16_000,)


class RecognizerStream(Protocol):
    """One call's audio. ``feed`` may be called while another thread is inside ``decode``."""

    def feed(self, pcm: Pcm) -> None:
        """Take the next samples, any number of them."""

    def hypothesis(self) -> Hypothesis | None:
        """The newest partial result of this utterance without computing, None before the first."""

    def decode(self, final: bool = False) -> Hypothesis:
        """Recognise what was fed since the last reset. Blocks; the interpreter lock is released.

        ``final=False`` is a quick partial. ``final=True`` is the best the engine can do, with
        alternatives, and may be asked for speculatively: more audio may follow.
        """

    def finish(self) -> Hypothesis:
        """The utterance is over: its final result. What is fed from now on, even while this call
        is still at work, belongs to the next one."""

    def reset(self, *, keep_seconds: float = 0.0) -> None:
        """Begin a new utterance with the last ``keep_seconds`` of audio; the rest is forgotten."""


class Recognizer(Protocol):
    """A loaded model, shared by all calls and threads."""

    @property
    def name(self) -> str:
        """The engine's name as in ``Hypothesis.engine``."""

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do."""

    def stream(self) -> RecognizerStream:
        """A new stream for one call."""

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        """The final hypothesis of one utterance, at most about 30 s of it."""


def as_pcm(samples: npt.ArrayLike) -> Pcm:
    """Any samples → clean mono float32: not-a-number becomes silence, values kept within ±1."""
    pcm = np.asarray(samples, dtype=np.float32).reshape(-1)
    if pcm.size and not (np.isfinite(pcm).all() and np.abs(pcm).max() <= 1.0):
        pcm = np.clip(np.nan_to_num(pcm, nan=0.0, posinf=1.0, neginf=-1.0), -1.0, 1.0)
    return pcm
