"""Callers' matters put to topics by what they mean; many without one make a new topic.

Compared are sentence embeddings about the centre of ordinary questions, as `kb.clusters` does.
A matter that fits no topic waits for others like it for a day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kb.clusters import APART, cluster
from voicebot.figures.matters import Matter

Vectors = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]

LEAST_CALLS = 3
"""Different calls that make a topic."""
EXAMPLES = 3
WAITS_S = 24 * 3600.0
MOST_WAITING = 4000
"""Matters without a topic that are kept; the oldest go first."""
_BATCH = 16


@dataclass(frozen=True, slots=True)
class Topic:
    """`examples` are masked wordings, the most frequent first; `id` is the database's."""

    id: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Matters of one topic: of a known one, or of a new one (`topic` None) with its wordings."""

    topic: int | None
    matters: tuple[Matter, ...]
    examples: tuple[str, ...] = ()


@dataclass(slots=True)
class Topics:
    """What is known of topics, with the vectors that compare them; kept in memory alone.

    Parameters:
        embed: float32 (n, d), rows of length 1.
        centre: (d,), the mean of many ordinary questions.
    """

    embed: Embed
    centre: Vectors
    _known: dict[int, Vectors] = field(default_factory=dict)
    _waiting: list[tuple[Matter, Vectors]] = field(default_factory=list)

    def know(self, topics: Sequence[Topic]) -> None:
        """Topics to put matters to from now on; those known before and not named are left out."""
        known = {topic.id: self._known.get(topic.id) for topic in topics}
        for topic in topics:
            if known[topic.id] is None:
                known[topic.id] = self._vector(topic.examples)
        self._known = {name: vector for name, vector in known.items() if vector is not None}

    def take(self, matters: Sequence[Matter], now: float) -> list[Found]:
        """What came of these matters and of those that still wait.

        The new topics are known only after `know`.
        """
        found: dict[int, list[Matter]] = {}
        for start in range(0, len(matters), _BATCH):
            batch = matters[start : start + _BATCH]
            for matter, row in zip(batch, self._rows([m.text for m in batch]), strict=True):
                topic = self._nearest(row)
                if topic is None:
                    self._waiting.append((matter, row))
                else:
                    found.setdefault(topic, []).append(matter)
        self._waiting = [each for each in self._waiting if each[0].at > now - WAITS_S]
        del self._waiting[:-MOST_WAITING]
        return [Found(topic, tuple(each)) for topic, each in found.items()] + self._new()

    def _new(self) -> list[Found]:
        """Groups among those who wait; who joins one waits no more."""
        rows = {matter.text: row for matter, row in self._waiting}
        matters = [matter for matter, _ in self._waiting]
        new: list[Found] = []
        taken: set[int] = set()
        groups = cluster(
            [matter.text for matter in matters],
            lambda texts: np.stack([rows[text] for text in texts]),
            np.zeros_like(self.centre),  # taken off already
        )
        for group in groups:
            members = [matters[number] for number in group.members]
            if len({matter.call_id for matter in members}) < LEAST_CALLS:
                continue
            new.append(Found(None, tuple(members), _examples(members, rows)))
            taken.update(group.members)
        self._waiting = [each for n, each in enumerate(self._waiting) if n not in taken]
        return new

    def _nearest(self, row: Vectors) -> int | None:
        if not self._known:
            return None
        names, vectors = list(self._known), np.stack(list(self._known.values()))
        scores = vectors @ row
        best = int(scores.argmax())
        return names[best] if scores[best] >= 1 - APART else None

    def _rows(self, texts: Sequence[str]) -> Vectors:
        """About the centre, and of length 1 again."""
        return _unit(self.embed(texts) - self.centre)

    def _vector(self, examples: Sequence[str]) -> Vectors:
        mean: Any = self._rows(examples).mean(axis=0)
        unit: Vectors = _unit(mean[None, :])[0]
        return unit


def _examples(members: Sequence[Matter], rows: Mapping[str, Vectors]) -> tuple[str, ...]:
    """The most frequent wordings; of equally frequent ones those in the middle of the group."""
    counts = Counter(matter.text for matter in members)
    middle: Any = sum(rows[text] * count for text, count in counts.items())
    order = sorted(counts, key=lambda text: (-counts[text], -float(rows[text] @ middle), text))
    return tuple(order[:EXAMPLES])


def _unit(rows: Any) -> Vectors:
    unit: Vectors = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return unit
