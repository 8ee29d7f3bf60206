"""A question that sounds exactly like an approved wording is that wording.

The recogniser errs mostly by homophones (补办 → 不办), and embeddings of a sentence with
one wrong character can lie far from the right one. The sound is then the better witness.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAME = 0.93
"""Similarity of toneless sounds (`kb.features`, near_sounds) above which it is the same
wording, up to one syllable in fourteen: in a short question one other word is another
matter."""
SHORTEST = 6
"""Syllables; shorter questions sound like too many things."""
APART = 0.08
"""By how much the next entry must sound less alike."""
_EQUAL = 1e-6
CERTAINTY = 0.92
"""Probability of being right that such a match is given: what the ranker gives to the same
wording spelt right."""

Scores = NDArray[np.float64]


def same_wording(scores: Scores, near: NDArray[np.float32], syllables: int) -> Scores:
    """(candidates,) probabilities in which a match by sound counts.

    Entries with the same wording (two cities' own) share it: which of them is meant is asked.

    Args:
        scores: (candidates,) from the ranker, sum at most 1.
        near: (candidates,) similarity of sound, 0..1.
        syllables: length of the question.
    """
    if syllables < SHORTEST or not len(near):
        return scores
    best = near >= near.max() - _EQUAL
    others = near[~best]
    if near.max() < SAME or (len(others) and near.max() - others.max() < APART):
        return scores
    if scores[best].sum() >= CERTAINTY:
        return scores
    rest = float(scores[~best].sum())
    changed = scores * ((1 - CERTAINTY) / max(rest, 1 - CERTAINTY))
    changed[best] = CERTAINTY / np.count_nonzero(best)
    return changed
