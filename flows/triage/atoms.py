"""Looking many words up in one stream: exactly, by their units, or by sound.

An *atom* is a run of units (hanzi, Latin words, figures) that phrases are put together from.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.phonetics import PatternSet, find_all_patterns, to_syllables, without_tone
from flows.triage.tokens import Units

BREAK = "|"
"""Stands between two streams that are searched together; it is no syllable."""

_MAX_COST = (0.0, 0.0, 0.08, 0.12, 0.15)
_MAX_COST_LONG = 0.17
"""Highest cost a syllable by length of the atom: the shorter, the nearer it must sound."""
_NEAR = 0.35
"""A syllable of an atom that has nothing this near in the stream is as good as missing."""


class Place(NamedTuple):
    """An atom at ``[start, end)`` of a stream; `cost` a syllable, 0 where it is exact."""

    start: int
    end: int
    cost: float


Places = dict[int, list[Place]]


class ExactIndex:
    """Atoms by their units."""

    def __init__(self, atoms: Sequence[Units]) -> None:
        self._numbers: dict[Units, list[int]] = {}
        for number, atom in enumerate(atoms):
            if atom:
                self._numbers.setdefault(atom, []).append(number)
        self._lengths = sorted({len(atom) for atom in self._numbers})

    def find(self, stream: Sequence[str]) -> Places:
        """Every place of every atom."""
        stream = tuple(stream)
        found: Places = {}
        for start in range(len(stream)):
            for length in self._lengths:
                if start + length > len(stream):
                    break
                for number in self._numbers.get(stream[start : start + length], ()):
                    found.setdefault(number, []).append(Place(start, start + length, 0.0))
        return found


class SoundIndex:
    """Atoms by how they sound; those with Latin words have no sound and are never found."""

    def __init__(self, atoms: Sequence[Units]) -> None:
        self._owners: list[int] = []
        self._patterns: list[tuple[str, ...]] = []
        for number, atom in enumerate(atoms):
            for pattern in readings(atom):
                self._owners.append(number)
                self._patterns.append(pattern)
        known = sorted({syllable for pattern in self._patterns for syllable in pattern})
        column = {syllable: index for index, syllable in enumerate(known)}
        self._syllables = PatternSet([(syllable,) for syllable in known])
        self._lengths = np.array([len(pattern) for pattern in self._patterns])
        longest = int(self._lengths.max(initial=1))
        self._nearness = lru_cache(maxsize=4096)(self._measure)
        # One more column than there are syllables: what pads the shorter patterns costs nothing.
        self._columns = np.full((len(self._patterns), longest), len(known))
        for row, pattern in enumerate(self._patterns):
            self._columns[row, : len(pattern)] = [column[syllable] for syllable in pattern]
        limits = [
            _MAX_COST[length] if length < len(_MAX_COST) else _MAX_COST_LONG
            for length in self._lengths
        ]
        self._limits = np.array(limits)

    def find(self, stream: Sequence[str]) -> Places:
        """The best place of every atom that can be heard."""
        found: Places = {}
        if not stream or not self._patterns:
            return found
        nearest = np.minimum.reduce([self._nearness(syllable) for syllable in set(stream)])
        # No alignment can cost less than the nearest syllables do: few patterns survive this.
        least = nearest[self._columns].sum(axis=1)
        rows = np.flatnonzero(least <= self._limits * self._lengths + 1e-9)
        patterns = [self._patterns[row] for row in rows]
        for index, match in find_all_patterns(
            patterns, stream, max_cost=[float(self._limits[row]) for row in rows]
        ):
            owner = self._owners[rows[index]]
            if owner not in found and BREAK not in stream[match.start : match.end]:
                found[owner] = [Place(match.start, match.end, match.cost)]
        return found

    def _measure(self, syllable: str) -> NDArray[np.float64]:
        """How near each syllable of the patterns is to this one, at most `_NEAR`."""
        nearest = np.full(len(self._syllables) + 1, _NEAR)
        nearest[-1] = 0.0
        for index, match in self._syllables.find((syllable,), max_cost=_NEAR):
            nearest[index] = match.cost
        return nearest


@lru_cache(maxsize=8192)
def readings(atom: Units) -> tuple[tuple[str, ...], ...]:
    """How an atom may be said; 110 has two readings (幺幺零, 一一零). Latin words have none."""
    if any(unit[0].isascii() and unit[0].isalpha() for unit in atom):
        return ()
    spoken = to_syllables("".join(atom))
    if "110" not in atom:
        return (spoken,) if spoken else ()
    return spoken, tuple(s.replace("yao1", "yi1") for s in spoken)


def toneless(syllables: Sequence[str]) -> Units:
    return tuple(without_tone(syllable) for syllable in syllables)
