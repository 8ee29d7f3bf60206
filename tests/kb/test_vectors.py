"""Rows of numbers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kb.vectors import sums_of_each


@given(st.lists(st.integers(1, 30), max_size=40), st.integers(0, 2**32 - 1))
def test_each_group_has_the_sum_of_its_rows_and_of_no_other(counts: list[int], seed: int) -> None:
    rows = np.random.default_rng(seed).standard_normal((sum(counts), 3)).astype(np.float32)
    starts = np.cumsum([0, *counts])[:-1].astype(np.intp)
    found = sums_of_each(rows, starts)
    assert found.shape == (len(counts), 3)
    for start, count, total in zip(starts, counts, found, strict=True):
        np.testing.assert_allclose(total, rows[start : start + count].sum(axis=0), atol=1e-4)
