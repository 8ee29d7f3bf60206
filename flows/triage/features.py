"""Wording and sound as numbers: hashed n-grams of characters and of syllables.

Sound is folded before it is hashed: tones are dropped and the pairs that telephones and
southern accents confuse (zh/z, n/l, f/h, in/ing …) become one, so that a homophone which the
transcriber wrote instead of the right word has the same features.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from asr.phonetics import to_syllables, without_tone
from flows.triage.tokens import MAX_UNITS, units

BUCKETS = 1 << 14
LONGEST = 3
_USUAL_LENGTH = 30.0
"""n-grams kinds of a line of usual length: its features have length 1."""

_FOLDED_INITIALS = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("n", "l"), ("r", "l"), ("h", "f"))
_FOLDED_FINALS = (("ang", "an"), ("eng", "en"), ("ing", "in"))

Sparse = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Bucket numbers, each once, and their values."""


@lru_cache(maxsize=4096)
def fold(syllable: str) -> str:
    """``"zhang1"`` → ``"zan"``: the syllable without what is easily misheard."""
    plain = without_tone(syllable)
    for initial, folded in _FOLDED_INITIALS:
        if plain.startswith(initial):
            plain = folded + plain[len(initial) :]
            break
    for final, folded in _FOLDED_FINALS:
        if plain.endswith(final):
            return plain[: -len(final)] + folded
    return plain


@lru_cache(maxsize=4096)
def wording(text: str) -> Sparse:
    """n-grams (1-3) of characters; a Latin word counts as one."""
    return _hashed(_n_grams(units(text)))


@lru_cache(maxsize=4096)
def sound(syllables: tuple[str, ...]) -> Sparse:
    """n-grams (1-3) of folded syllables."""
    return _hashed(_n_grams([fold(s) for s in syllables[-MAX_UNITS:]]))


def text_syllables(text: str) -> tuple[str, ...]:
    """How a text sounds; Latin words have no sound here."""
    return to_syllables(text)


def mixture(parts: Iterable[tuple[float, Sparse]]) -> Sparse:
    """The weighted sum of several; the weights should sum to 1."""
    total: dict[int, float] = {}
    for weight, (buckets, values) in parts:
        for bucket, value in zip(buckets.tolist(), values.tolist(), strict=True):
            total[bucket] = total.get(bucket, 0.0) + weight * value
    return (
        np.fromiter(total, np.int32, len(total)),
        np.fromiter(total.values(), np.float32, len(total)),
    )


def _n_grams(parts: Sequence[str]) -> Iterator[str]:
    if not parts:
        return
    padded = ["^", *parts, "$"]
    for size in range(1, LONGEST + 1):
        for start in range(len(padded) - size + 1):
            yield " ".join(padded[start : start + size])


def _hashed(grams: Iterator[str]) -> Sparse:
    """Square roots of counts. A longer text weighs more, but less than in proportion: one
    clause of danger must be seen among three of chat."""
    counts: dict[int, float] = {}
    for gram in grams:
        bucket = zlib.crc32(gram.encode()) % BUCKETS
        counts[bucket] = counts.get(bucket, 0.0) + 1.0
    buckets = np.fromiter(counts, np.int32, len(counts))
    values = np.sqrt(np.fromiter(counts.values(), np.float32, len(counts)))
    norm = max(float(np.linalg.norm(values)), 1e-9)
    weight = float(np.sqrt(len(counts) / _USUAL_LENGTH)) / norm
    return buckets, (values * weight).astype(np.float32)
