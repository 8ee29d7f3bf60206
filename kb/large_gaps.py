"""Which known gaps an entry has filled, among many entries and without a look at each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kb.entry import Entry
from kb.wording import characters

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a segment's entries are asked by, for who looks up one wording. Made once for each."""

    hashes: NDArray[np.int64]
    """Of the bare characters of each wording, ascending; true in this process alone."""
    rows: Rows
    """Whose wording each is."""
    known: NDArray[np.bool_]
    """(rows of the segment,) whose wordings are among them: those in force when it was made."""

    @staticmethod
    def of(entries: Sequence[Entry], places: Rows) -> Asked:
        """`places`: positions in `entries` of the segment's rows, -1 for those that are dead."""
        found = np.array(
            [
                (hash(characters(wording)), row)
                for row, place in enumerate(places.tolist())
                if place >= 0
                for wording in entries[place].wordings
            ],
            np.int64,
        ).reshape(-1, 2)
        found = found[np.argsort(found[:, 0], kind="stable")]
        return Asked(found[:, 0].copy(), found[:, 1].astype(np.intp), places >= 0)

    def open_gaps(
        self, gaps: Sequence[str], entries: Sequence[Entry], places: Rows, fresh_places: Rows
    ) -> tuple[str, ...]:
        """As `kb.index.open_gaps`.

        Args:
            places, fresh_places: of a `LargeIndex` of `entries`.
        """
        elsewhere = [*fresh_places, *places[(places >= 0) & ~self.known]]
        filled = {characters(w) for place in elsewhere for w in entries[place].wordings}

        def is_filled(text: str) -> bool:
            first, last = (
                int(np.searchsorted(self.hashes, hash(text), side)) for side in ("left", "right")
            )
            return text in filled or any(
                characters(wording) == text
                for place in places[self.rows[first:last]].tolist()
                if place >= 0
                for wording in entries[place].wordings
            )

        bare = {gap: characters(gap) for gap in gaps}
        return tuple(gap for gap, text in bare.items() if text and not is_filled(text))
