"""Questions that mean the same, together: what many callers miss shows as one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kb.wording import characters, without_fillers

APART = 0.60
"""Cosine distance, about the centre, at which two groups stay apart. Of 0.45 to 0.75 it put the
variants of the demonstration's entries together best (adjusted Rand index 0.22)."""
MOST_TOGETHER = 4000
"""Distinct questions clustered at once (128 MB); rarer ones join the nearest group or none."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Questions that mean the same, by their places in what was given; the most frequent wording
    first."""

    members: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.members)


def cluster(
    texts: Sequence[str],
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
    centre: NDArray[np.float32] | None = None,
) -> list[Cluster]:
    """Average-linkage clusters by cosine, the largest first; the same texts give the same ones.

    Args:
        texts: as recognised, repeats included.
        embed: float32 (n, d).
        centre: (d,), the mean of many ordinary questions, taken off first; without it the
            texts' own, which means little for a few of them.
    """
    if not texts:
        return []
    plain = [characters(without_fillers(text)) or text for text in texts]
    counts = Counter(plain)
    distinct = sorted(counts, key=lambda text: (-counts[text], text))
    place = {text: number for number, text in reversed(list(enumerate(plain)))}
    rows = embed([texts[place[text]] for text in distinct])
    groups = _groups(rows - (rows.mean(axis=0) if centre is None else centre))
    label = dict(zip(distinct, groups, strict=True))
    members: dict[int, list[int]] = {}
    for number in sorted(range(len(texts)), key=lambda n: (-counts[plain[n]], plain[n], n)):
        members.setdefault(label[plain[number]], []).append(number)
    found = [Cluster(tuple(numbers)) for numbers in members.values()]
    return sorted(found, key=lambda each: (-len(each), plain[each.members[0]]))


def _groups(rows: Any) -> list[int]:
    """The group of each row, of which the first are the most frequent."""
    # Half the memory of scikit-learn's own of it, which a service would keep.
    from scipy.cluster.hierarchy import fcluster, linkage  # type: ignore[import-untyped]

    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    if len(rows) == 1:
        return [0]
    head = rows[:MOST_TOGETHER]
    tree = linkage(head, method="average", metric="cosine")
    labels = fcluster(tree, APART, criterion="distance") - 1
    groups = [int(label) for label in labels]
    if len(rows) > len(head):
        means = np.stack([head[labels == label].mean(axis=0) for label in range(max(groups) + 1)])
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
        for start in range(len(head), len(rows), MOST_TOGETHER):
            scores = rows[start : start + MOST_TOGETHER] @ means.T
            for nearest, score in zip(scores.argmax(axis=1), scores.max(axis=1), strict=True):
                groups.append(int(nearest) if score >= 1 - APART else len(means) + len(groups))
    return groups
