"""Sparse term matching among hundreds of thousands of documents, in arrays that stay on disk.

Comparing a query with every document would take tens of milliseconds, for common terms are in
most of them. So it is done in two steps: `best` finds promising documents by the query's rarest
terms, `take` gives a few documents to be compared exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kb.ngram_index import Floats, NgramIndex, Weighting, weigh

Rows = NDArray[np.intp]

READ = 40_000
"""How many postings of a query are read, those of its rarest terms first."""
WEIGHED_AGAIN = 4
"""Documents compared exactly for each one wanted."""
REMEMBERED = 4
"""Questions whose weights are kept: one is compared with several sets of documents."""


@dataclass(frozen=True)
class LargeNgrams:
    """The arrays of an `NgramIndex`, by term and by document."""

    terms: Mapping[str, int]
    idf: NDArray[np.float64]
    unseen: float
    mean_length: float
    cosine: bool
    term_bounds: NDArray[np.int64]
    term_rows: NDArray[np.int32]
    """The documents of each term: `term_rows[term_bounds[t]:term_bounds[t + 1]]`."""
    bounds: NDArray[np.int64]
    numbers: NDArray[np.int32]
    """The terms of each document: `numbers[bounds[row]:bounds[row + 1]]`."""
    weights: Floats

    @staticmethod
    def arrays(index: NgramIndex, weighting: Weighting) -> dict[str, NDArray[Any]]:
        """What `of_arrays` needs, to be stored."""
        order = np.argsort(index.rows, kind="stable")
        owners = np.repeat(np.arange(len(index.terms)), np.diff(index.bounds)).astype(np.int32)
        facts = [index.rarity(""), index.mean_length, weighting == "cosine"]
        return {
            "terms": np.frombuffer("\n".join(index.terms).encode(), np.uint8),
            "idf": index.idf,
            "facts": np.array(facts, np.float64),
            "term_bounds": index.bounds.astype(np.int64),
            "term_rows": index.rows.astype(np.int32),
            "bounds": np.searchsorted(index.rows[order], np.arange(index.size + 1)),
            "numbers": owners[order],
            "weights": index.weights[order],
        }

    @staticmethod
    def of_arrays(array: Callable[[str], NDArray[Any]]) -> LargeNgrams:
        """From stored arrays, by name."""
        names = array("terms").tobytes().decode().split("\n")
        unseen, mean, cosine = array("facts")
        return LargeNgrams(
            {name: number for number, name in enumerate(names)},
            np.array(array("idf")),
            float(unseen),
            float(mean),
            bool(cosine),
            np.array(array("term_bounds")),
            array("term_rows"),
            array("bounds"),
            array("numbers"),
            array("weights"),
        )

    def rarity(self, term: str) -> float:
        """See `kb.ngram_index.Statistics`."""
        number = self.terms.get(term)
        return self.unseen if number is None else float(self.idf[number])

    @cached_property
    def asked(self) -> Callable[[tuple[str, ...]], tuple[Floats, float]]:
        """The weight of each term, (terms,), in a question, and what its scores are divided by."""
        return lru_cache(REMEMBERED)(self._asked)

    def _asked(self, terms: tuple[str, ...]) -> tuple[Floats, float]:
        weights, norm = weigh(terms, self, cosine=self.cosine)
        asked = np.zeros(len(self.terms), np.float32)
        for term, weight in weights.items():
            number = self.terms.get(term)
            if number is not None:
                asked[number] = weight
        return asked, norm

    def take(self, rows: Rows) -> Taken:
        """Some documents, in the order of `rows`."""
        lengths = self.bounds[rows + 1] - self.bounds[rows]
        owners = np.repeat(np.arange(len(rows)), lengths)
        ends = np.cumsum(lengths)
        offsets = np.arange(int(ends[-1]) if len(ends) else 0) - (ends - lengths)[owners]
        at = self.bounds[rows][owners] + offsets
        return Taken(self, len(rows), owners, self.numbers[at], self.weights[at])

    def best(
        self, terms: Sequence[str], count: int, allowed: NDArray[np.bool_] | None = None
    ) -> Rows:
        """At most `count` documents like the query, of those `allowed`, in no order."""
        known = [n for t in dict.fromkeys(terms) if (n := self.terms.get(t)) is not None]
        if not known:
            return np.zeros(0, np.intp)
        numbers = np.array(known)
        lengths = self.term_bounds[numbers + 1] - self.term_bounds[numbers]
        order = np.argsort(lengths, kind="stable")
        kept = max(1, int(np.searchsorted(np.cumsum(lengths[order]), READ, side="right")))
        numbers, lengths = numbers[order[:kept]], lengths[order[:kept]]
        rows = np.concatenate(
            [self.term_rows[self.term_bounds[n] : self.term_bounds[n + 1]] for n in numbers]
        )
        shares = np.bincount(
            rows, np.repeat(self.idf[numbers] ** 2, lengths), minlength=len(self.bounds) - 1
        )
        if allowed is not None:
            shares[~allowed] = 0
        found = np.flatnonzero(shares)
        found = found[_largest(shares[found], WEIGHED_AGAIN * count)]
        return found[_largest(self.take(found).scores(terms), count)]


@dataclass(frozen=True)
class Taken:
    """Some documents of a large index; see `kb.ngram_index.Ngrams`."""

    source: LargeNgrams
    size: int
    owners: Rows
    numbers: NDArray[np.int32]
    weights: Floats

    def scores(self, terms: Sequence[str]) -> Floats:
        asked, norm = self.source.asked(tuple(terms))
        parts = self.weights * asked[self.numbers]
        out = np.bincount(self.owners, parts, minlength=self.size)
        return (out / norm if norm else out).astype(np.float32)


def _largest(scores: NDArray[Any], count: int) -> Rows:
    if len(scores) <= count:
        return np.arange(len(scores))
    return np.argpartition(scores, len(scores) - count)[-count:]
