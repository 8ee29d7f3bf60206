"""Rows of numbers, as all of this package has them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def unit(rows: Floats) -> Floats:
    """Rows scaled to length 1; a zero row stays zero."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.ascontiguousarray(rows / np.maximum(lengths, 1e-12), np.float32)
