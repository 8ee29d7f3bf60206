"""Finding phrases in a stream of syllables by sound: semi-global alignment, many patterns at once.

Dynamic programming over pattern syllables, vectorised over stream positions and over patterns. One
64-bit integer holds a cell's cost (upper part) and where its match began (lower part), so that one
minimum carries both.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.confusion import cost_matrix, encode

INSERTION = 0.5  # a syllable of the stream that the pattern has not: 嗯, 那个, a false start
DELETION = 0.7  # a syllable of the pattern that was swallowed
_GAP = 1.0  # for whole sequences
_UNHEARD = 0.3  # a syllable that one of two recognisers has alone
_UNIT = 1000  # costs are kept in thousandths
_BASE = 1 << 24  # above any stream position

Cells = npt.NDArray[np.int64]
Patterns = Sequence[Sequence[str]]


class Match(NamedTuple):
    """A pattern heard at ``stream[start:end]``; ``cost`` is per pattern syllable, 0 = exact."""

    cost: float
    start: int
    end: int


class PatternSet:
    """Patterns prepared once to be looked for in many streams.

    Args:
        patterns: each a sequence of syllables ("zhao2"); a toneless one matches every tone. Empty
            patterns are allowed and never match.
    """

    def __init__(self, patterns: Patterns) -> None:
        unique: dict[str, int] = {}
        lengths = np.array([len(p) for p in patterns], dtype=np.intp)
        # Longest first: after row i only a leading slice of the patterns is still growing.
        self._order = np.argsort(-lengths, kind="stable")
        self._lengths = lengths[self._order]
        longest = int(lengths.max(initial=0))
        self._ids = np.zeros((len(patterns), longest), dtype=np.intp)
        for row, pattern in enumerate(self._order):
            for column, syllable in enumerate(patterns[pattern]):
                self._ids[row, column] = unique.setdefault(syllable, len(unique))
        self._codes = encode(list(unique))

    def __len__(self) -> int:
        return len(self._lengths)

    def _costs(self, stream: Sequence[str]) -> Cells:
        matrix = cost_matrix(self._codes, encode(stream))
        return np.rint(matrix * _UNIT).astype(np.int64) * _BASE

    def find(
        self, stream: Sequence[str], *, max_cost: float | Sequence[float]
    ) -> list[tuple[int, Match]]:
        """The best place of every pattern heard in the stream.

        Args:
            stream: syllables, at most 16 million.
            max_cost: highest cost a syllable that counts, one for all or one for each pattern.

        Returns:
            (index of the pattern, match), cheapest first. Of equal places the earliest wins.
        """
        if not stream or not len(self):
            return []
        limits = np.broadcast_to(np.asarray(max_cost, dtype=np.float64), (len(self),))
        rows = self._last_rows(self._costs(stream), free_start=True)
        costs = rows // _BASE
        ends = costs.argmin(axis=1)
        at = np.arange(len(ends))
        cells = rows[at, ends]
        starts = _BASE - 1 - cells % _BASE
        count = len(ends)
        each = costs[at, ends] / (_UNIT * np.maximum(self._lengths[:count], 1))
        order = self._order[:count]
        good = np.flatnonzero((each <= limits[order] + 1e-9) & (starts < ends))
        found = [(int(order[i]), Match(float(each[i]), int(starts[i]), int(ends[i]))) for i in good]
        found.sort(key=lambda item: (item[1].cost, item[1].start, item[0]))
        return found

    def similarities(self, stream: Sequence[str]) -> npt.NDArray[np.float64]:
        """Likeness of the whole stream to each whole pattern, shape (patterns,), each 0..1."""
        scores = np.zeros(len(self))
        if not stream:
            scores[self._order] = self._lengths == 0
            return scores
        rows = self._last_rows(self._costs(stream), free_start=False)
        count = len(rows)
        total = (rows[:, -1] // _BASE) / _UNIT
        scores[self._order[:count]] = 1.0 - total / np.maximum(self._lengths[:count], len(stream))
        return np.clip(scores, 0.0, 1.0)

    def _last_rows(self, costs: Cells, *, free_start: bool) -> Cells:
        """The last row of each non-empty pattern's table, shape (patterns, len(stream) + 1)."""
        size = costs.shape[1] + 1
        positions = np.arange(size, dtype=np.int64)
        insertion, deletion = (INSERTION, DELETION) if free_start else (_GAP, _GAP)
        slope = positions * (round(insertion * _UNIT) * _BASE)
        skip = round(deletion * _UNIT) * _BASE
        first = _BASE - 1 - positions if free_start else slope
        alive = int(np.count_nonzero(self._lengths))
        result = np.empty((alive, size), dtype=np.int64)
        table = np.broadcast_to(first, (alive, size))
        for row in range(self._ids.shape[1]):
            entered = table + skip
            np.minimum(
                entered[:, 1:], table[:, :-1] + costs[self._ids[:alive, row]], out=entered[:, 1:]
            )
            # Insertions within the row: min over k <= j of entered[k] + insertion * (j - k).
            entered -= slope
            np.minimum.accumulate(entered, axis=1, out=entered)
            entered += slope
            growing = int(np.count_nonzero(self._lengths[:alive] > row + 1))
            result[growing:alive] = entered[growing:]
            table, alive = entered[:growing], growing
        return result


@lru_cache(maxsize=4096)
def _prepared(patterns: tuple[tuple[str, ...], ...]) -> PatternSet:
    return PatternSet(patterns)


def find_all_patterns(
    patterns: Patterns, stream: Sequence[str], *, max_cost: float | Sequence[float]
) -> list[tuple[int, Match]]:
    """``PatternSet(patterns).find(stream, …)``; the last few thousand pattern lists are kept."""
    return _prepared(tuple(tuple(p) for p in patterns)).find(stream, max_cost=max_cost)


def find(pattern: Sequence[str], stream: Sequence[str], *, max_cost: float) -> Match | None:
    """The best place of one pattern in the stream; None if nothing is as near as ``max_cost``."""
    found = find_all_patterns((pattern,), stream, max_cost=max_cost)
    return found[0][1] if found else None


def find_every(pattern: Sequence[str], stream: Sequence[str], *, max_cost: float) -> list[Match]:
    """All places of a pattern in the stream that do not overlap, in order of the stream."""
    pending, matches = [(0, len(stream))], []
    while pending:
        begin, end = pending.pop()
        match = find(pattern, stream[begin:end], max_cost=max_cost)
        if match is not None:
            shifted = Match(match.cost, match.start + begin, match.end + begin)
            matches.append(shifted)
            pending += [(begin, shifted.start), (shifted.end, end)]
    return sorted(matches, key=lambda m: m.start)


def similarity(a: Sequence[str], b: Sequence[str]) -> float:
    """Likeness of two whole sequences, 0..1 (1 = the same sounds); two empty ones are alike."""
    return float(_prepared((tuple(a),)).similarities(b)[0])


def side_by_side(a: Sequence[str], b: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Two whole sequences aligned (Needleman and Wunsch 1970): (place in a, place in b), in order.

    None stands where the other has nothing of the kind: syllables that differ by more than 0.6
    are no pair. Time and memory grow with ``len(a) * len(b)``.
    """
    matrix = cost_matrix(encode(a), encode(b)).tolist() if a and b else []
    table = [[_UNHEARD * column for column in range(len(b) + 1)]]
    for row in matrix:
        above, line = table[-1], [table[-1][0] + _UNHEARD]
        for column, cost in enumerate(row):
            line.append(
                min(above[column] + cost, above[column + 1] + _UNHEARD, line[column] + _UNHEARD)
            )
        table.append(line)
    pairs: list[tuple[int | None, int | None]] = []
    i, j = len(a), len(b)
    while i and j:
        best = table[i][j]
        if best == table[i - 1][j - 1] + matrix[i - 1][j - 1]:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif best == table[i - 1][j] + _UNHEARD:
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    pairs += [(at, None) for at in reversed(range(i))] + [(None, at) for at in reversed(range(j))]
    return pairs[::-1]
