"""Sparse term matching in numpy: an inverted index with cosine TF-IDF or BM25 weights."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Weighting = Literal["cosine", "bm25"]

_K1 = 1.2
_B = 0.75


class Ngrams(Protocol):
    """Documents that a query's terms can be compared with."""

    def scores(self, terms: Sequence[str]) -> Floats:
        """Similarity of the query to every document, float32 (documents,); 0 for no terms."""
        ...


class Statistics(Protocol):
    """How rare terms are among many documents, and how long these are on average."""

    @property
    def mean_length(self) -> float: ...

    def rarity(self, term: str) -> float:
        """Inverse document frequency; that of a term in no document if it is unknown."""
        ...


class NgramIndex:
    """Documents as bags of terms; `scores` compares one query with all of them.

    Args:
        documents: the terms of each document.
        weighting: "cosine" for short texts of like length (result 0..1), "bm25" for documents
            of differing length (result divided by the query's own weight, about 0..1 too).
        like: rarities of a larger collection that these documents are to be compared with.
    """

    def __init__(
        self,
        documents: Iterable[Sequence[str]],
        weighting: Weighting = "cosine",
        like: Statistics | None = None,
    ) -> None:
        terms, rows, counts = self._count(documents)
        self._cosine, self._like = weighting == "cosine", like
        size = self.size
        self.rows = rows
        self.bounds = np.searchsorted(terms, np.arange(len(self.terms) + 1))
        containing = np.diff(self.bounds)
        self.idf = np.log1p((size - containing + 0.5) / (containing + 0.5))
        self.mean_length = float(self._lengths.sum()) / max(size, 1)
        self._unseen = float(np.log1p((size + 0.5) / 0.5))
        if like is not None:
            self.idf = np.array([like.rarity(term) for term in self.terms], np.float64)
            self.mean_length = like.mean_length
        if self._cosine:
            weights = (1 + np.log(counts)) * self.idf[terms]
            norms = np.sqrt(np.bincount(rows, weights**2, minlength=size))
            weights /= np.maximum(norms, 1e-12)[rows]
        else:
            saturation = _K1 * (1 - _B + _B * self._lengths / max(self.mean_length, 1.0))
            weights = counts * (_K1 + 1) / (counts + saturation[rows]) * self.idf[terms]
        self.weights = weights.astype(np.float32)

    def _count(
        self, documents: Iterable[Sequence[str]]
    ) -> tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.int64]]:
        """(term, document, count) of every posting, sorted by term, then by document."""
        self.terms: dict[str, int] = {}
        known = self.terms
        numbers, lengths = array("i"), array("i")
        for document in documents:
            numbers.extend([known.setdefault(term, len(known)) for term in document])
            lengths.append(len(document))
        self.size = len(lengths)
        self._lengths = np.array(lengths, np.int64)
        # One number for each (term, document) sorts the postings by term in a single pass.
        pairs = np.array(numbers, np.int64) * max(self.size, 1)
        pairs += np.repeat(np.arange(self.size), self._lengths)
        pairs, counts = np.unique(pairs, return_counts=True)
        terms, rows = np.divmod(pairs, max(self.size, 1))
        return terms, rows.astype(np.intp), counts

    def rarity(self, term: str) -> float:
        """See `Statistics`."""
        number = self.terms.get(term)
        if number is not None:
            return float(self.idf[number])
        return self._unseen if self._like is None else self._like.rarity(term)

    def scores(self, terms: Sequence[str]) -> Floats:
        """See `Ngrams`."""
        out = np.zeros(self.size, np.float32)
        if not self.size:
            return out
        weights, norm = weigh(terms, self, cosine=self._cosine)
        for term, weight in weights.items():
            number = self.terms.get(term)
            if number is not None:
                posting = slice(self.bounds[number], self.bounds[number + 1])
                out[self.rows[posting]] += self.weights[posting] * np.float32(weight)
        if norm:
            out /= np.float32(norm)
        return out


def weigh(
    terms: Sequence[str], statistics: Statistics, *, cosine: bool
) -> tuple[Mapping[str, float], float]:
    """The weight of each term of a query, and what its scores are divided by (0 for no terms)."""
    weights: dict[str, float] = {}
    total = 0.0
    for term, count in Counter(terms).items():
        idf = statistics.rarity(term)
        repeated = 1 + float(np.log(count)) if count > 1 else 1.0
        weight = repeated * idf if cosine else 1.0
        total += weight * weight if cosine else idf
        weights[term] = weight
    return weights, float(np.sqrt(total)) if cosine else total
