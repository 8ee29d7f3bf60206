"""An index of many entries: a segment on disk, and what has changed since it was made.

A publication changes few entries. Those are a small index of their own (`fresh`), searched
together with the segment, whose rows of changed and withdrawn entries are dead. When too much
is fresh the segment is made anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kb.entry import Entry
from kb.features import Mask, Question, Terms, Views, compare, compare_terms
from kb.index import Block, Embed, Embedder, Index, build, texts_of
from kb.large_gaps import Asked
from kb.segment import Segment
from kb.vectors import Floats

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class LargeIndex:
    """See above. Immutable and thread-safe; a publication makes a new one."""

    entries: tuple[Entry, ...]
    keys: tuple[bytes, ...]
    """`kb.segment_build.key_of` each entry."""
    segment: Segment
    places: Rows
    """(rows of the segment,) positions in `entries`, -1 for those that are dead."""
    fresh: Index
    """The entries that are in no row, and the gaps."""
    fresh_places: Rows
    """Positions in `entries` of those of `fresh`, ascending."""
    sample: Block
    asked: Asked | None
    """None as long as no gap was known."""

    @property
    def gaps(self) -> tuple[str, ...]:
        return self.fresh.gaps

    @cached_property
    def wordings(self) -> tuple[str, ...]:
        return tuple(wording for entry in self.entries for wording in entry.wordings)

    def compare(self, question: Question, eligible: Mask) -> Views:
        """Views of the entries that are worth it, among those that are `eligible`."""
        asked = Terms.of(question)
        allowed = (self.places >= 0) & eligible[self.places]
        rows = self.segment.near(asked, allowed)
        chosen = compare_terms(self.segment.take(rows), asked)
        fresh = compare_terms(self.fresh, asked)
        places = np.concatenate([self.places[rows], self.fresh_places])
        order = np.argsort(places)
        columns = {
            name: np.concatenate([column, fresh.columns[name]])[order]
            for name, column in chosen.columns.items()
        }
        sample = compare_terms(self.sample, asked)
        return Views(columns, fresh.gaps, fresh.length, places[order], sample.columns)


def compare_eligible(index: Index | LargeIndex, question: Question, eligible: Mask) -> Views:
    """All views of a small index; of a large one those of the most promising entries."""
    if isinstance(index, LargeIndex):
        return index.compare(question, eligible)
    return compare(index, question)


def fresh_entries(segment: Segment, keys: Sequence[bytes]) -> tuple[Rows, Rows]:
    """(`places`, `fresh_places`) of entries with these keys."""
    rows = np.array([segment.row_of.get(key, -1) for key in keys], np.intp)
    places = np.full(len(segment), -1, np.intp)
    kept = np.flatnonzero(rows >= 0)
    places[rows[kept]] = kept
    return places, np.flatnonzero(rows < 0)


def join(
    segment: Segment,
    entries: Sequence[Entry],
    keys: Sequence[bytes],
    embedder: Embedder,
    *,
    gaps: Sequence[str] = (),
    embed: Embed | None = None,
    previous: LargeIndex | None = None,
) -> LargeIndex:
    """The index of `entries`, as far as possible from `segment`: embeds only what is not in it.

    Args:
        gaps: known gaps; those that an entry has filled are left out.
        previous: an earlier one, whose vectors need not be made again.
    """
    places, fresh_places = fresh_entries(segment, keys)
    known: dict[str, Floats] = {}
    sample: Block | None = None
    asked: Asked | None = None
    if previous is not None:
        old = previous.fresh
        known = dict(zip(texts_of(old.entries, old.gaps), old.vectors, strict=True))
        if previous.segment is segment:
            sample, asked = previous.sample, previous.asked
    if gaps and asked is None:
        asked = Asked.of(entries, places)
    fresh = build(
        [entries[place] for place in fresh_places],
        embedder,
        gaps=asked.open_gaps(gaps, entries, places, fresh_places) if asked is not None else (),
        embed=embed,
        known=known,
        like=segment.like,
    )
    return LargeIndex(
        tuple(entries),
        tuple(keys),
        segment,
        places,
        fresh,
        fresh_places,
        sample or segment.take(segment.sample),
        asked,
    )
