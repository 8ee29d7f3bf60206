"""Sparse term matching in numpy: an inverted index with cosine TF-IDF or BM25 weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_K1 = 1.2
_B = 0.75


class NgramIndex:
    """Documents as bags of terms; `scores` compares one query with all of them.

    Args:
        documents: the terms of each document.
        weighting: "cosine" for short texts of like length (result 0..1), "bm25" for documents
            of differing length (result divided by the query's own weight, about 0..1 too).
    """

    def __init__(
        self, documents: Sequence[Sequence[str]], weighting: Literal["cosine", "bm25"] = "cosine"
    ) -> None:
        self.size = size = len(documents)
        self._cosine = weighting == "cosine"
        self._terms: dict[str, int] = {}
        numbers = [self._terms.setdefault(t, len(self._terms)) for d in documents for t in d]
        lengths = np.array([len(d) for d in documents], np.int64)
        owners = np.repeat(np.arange(size), lengths)
        # One number for each (term, document) sorts the postings by term in a single pass.
        pairs, counts = np.unique(
            np.array(numbers, np.int64) * max(size, 1) + owners, return_counts=True
        )
        terms, rows = np.divmod(pairs, max(size, 1))
        self._rows = rows.astype(np.intp)
        self._bounds = np.searchsorted(terms, np.arange(len(self._terms) + 1))
        containing = np.diff(self._bounds)
        self._idf = np.log1p((size - containing + 0.5) / (containing + 0.5))
        self._unseen = float(np.log1p((size + 0.5) / 0.5))
        if self._cosine:
            weights = (1 + np.log(counts)) * self._idf[terms]
            norms = np.sqrt(np.bincount(rows, weights**2, minlength=size))
            weights /= np.maximum(norms, 1e-12)[rows]
        else:
            mean = float(lengths.sum()) / max(size, 1)
            saturation = _K1 * (1 - _B + _B * lengths / max(mean, 1.0))
            weights = counts * (_K1 + 1) / (counts + saturation[rows]) * self._idf[terms]
        self._weights = weights.astype(np.float32)

    def scores(self, terms: Sequence[str]) -> Floats:
        """Similarity of the query to every document, float32 (size,); zeros for no terms."""
        out = np.zeros(self.size, np.float32)
        total = 0.0
        for term, count in Counter(terms).items():
            number = self._terms.get(term)
            idf = self._unseen if number is None else float(self._idf[number])
            weight = (1 + float(np.log(count))) * idf if self._cosine else 1.0
            total += weight * weight if self._cosine else idf
            if number is not None:
                posting = slice(self._bounds[number], self._bounds[number + 1])
                out[self._rows[posting]] += self._weights[posting] * np.float32(weight)
        if total:
            out /= np.float32(np.sqrt(total) if self._cosine else total)
        return out
