"""Many entries made searchable once, in files that are mapped into memory and never changed.

Comparing a question with each of a hundred thousand entries takes too long. A segment finds
promising ones (`near`: FAISS inverted lists of vectors in 8 bits, and n-grams of characters and
sounds) and gives them to be compared exactly (`take`). How usual a similarity is, which the
ranker has to know, is estimated on a fixed sample of entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kb.features import Mask, Terms
from kb.index import Block, Like, character_terms, part_of, sound_terms
from kb.large_ngrams import LargeNgrams
from kb.ngram_index import NgramIndex
from kb.vectors import Floats

Rows = NDArray[np.intp]

PROBES = 24
"""Inverted lists searched for a vector: at 1,000,000 vectors 16 recalled as many of the ten
nearest as 96 did, 0.963 (`benchmarks/kb_scale.py --million`)."""
NEAREST = 96
"""Wordings taken from the vectors; several are of one entry."""
ALIKE = 48
"""Wordings taken from each kind of n-grams, for each hypothesis."""
HYPOTHESES = 3
"""Later ones find no candidates of their own; they are still compared with those found."""
FEW = 256
"""If no more entries may be given at all, each is a candidate."""
BETWEEN = "\n"
"""Between the wordings of an entry, in the string of their sounds."""


@dataclass(frozen=True)
class Segment:
    """Entries by row. A row's wordings are `starts[row]` to `starts[row + 1]`."""

    path: Path
    keys: NDArray[np.void]
    """(entries,) what each was made of, see `kb.segment_build.key_of`."""
    starts: NDArray[np.int64]
    owners: NDArray[np.int32]
    slices: Mapping[str, slice]
    vectors: Any
    """faiss.IndexIVFScalarQuantizer over the wordings, all encoders' columns joined."""
    answers: NDArray[np.int8]
    """(entries, d): direction alone, whatever the length."""
    like: Like
    ngrams: Mapping[str, LargeNgrams]
    """"characters", "sounds": by wording; "entry_characters", "entry_sounds": by entry."""
    sounds: NDArray[np.uint16]
    """A character for each sound class, `BETWEEN` between wordings, UTF-16."""
    sound_bounds: NDArray[np.int64]
    """Where each entry's part of `sounds` begins."""
    letters: Mapping[str, str]
    sample: Rows
    """Entries that stand for all when a similarity is judged."""

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def row_of(self) -> Mapping[bytes, int]:
        """Each key's row."""
        return {key: row for row, key in enumerate(self.keys.tolist())}

    def near(self, asked: Terms, allowed: Mask | None = None) -> Rows:
        """Rows worth comparing with the question, ascending.

        Args:
            allowed: (entries,) which may be given; None: all.
        """
        if allowed is not None:
            if np.count_nonzero(allowed) <= FEW:
                return np.flatnonzero(allowed)
            if allowed.all():
                allowed = None
        wordings = None if allowed is None else allowed[self.owners]
        found = [self._nearest(vector, wordings) for vector in asked.vectors]
        for text in asked.characters[:HYPOTHESES]:
            found.append(self.ngrams["characters"].best(character_terms(text), ALIKE, wordings))
        for heard in asked.sounds[:HYPOTHESES]:
            found.append(self.ngrams["sounds"].best(sound_terms(heard), ALIKE, wordings))
        at = np.concatenate(found) if found else np.zeros(0, np.intp)
        return np.unique(self.owners[at]).astype(np.intp)

    def _nearest(self, vector: Floats, wordings: Mask | None) -> Rows:
        import faiss

        chosen = faiss.SearchParametersIVF()
        chosen.nprobe = PROBES
        if wordings is not None:
            bits = np.packbits(wordings, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(wordings), faiss.swig_ptr(bits))
            chosen.sel = selector
        _, places = self.vectors.search(vector[None], NEAREST, params=chosen)
        found: Rows = places[0]
        return found[found >= 0]

    def take(self, rows: Rows) -> Block:
        """Some entries, in the order of `rows`, ready to be compared."""
        counts = self.starts[rows + 1] - self.starts[rows]
        starts = np.cumsum(counts) - counts
        owners = np.repeat(np.arange(len(rows)), counts)
        wordings = self.starts[rows][owners] + np.arange(len(owners)) - starts[owners]
        vectors = np.concatenate(
            [
                self.vectors.reconstruct_batch(wordings).reshape(-1, self.answers.shape[1]),
                self.answers[rows].astype(np.float32),
            ]
        )
        return Block(
            owners=owners,
            starts=starts,
            slices=self.slices,
            parts={
                name: part_of(vectors[:, cut], owners, starts, self.like.means[name])
                for name, cut in self.slices.items()
            },
            by_characters=self.ngrams["characters"].take(wordings),
            by_sounds=self.ngrams["sounds"].take(wordings),
            entries_by_characters=self.ngrams["entry_characters"].take(rows),
            entries_by_sounds=self.ngrams["entry_sounds"].take(rows),
            gaps_by_characters=NgramIndex(()),
            gaps_by_sounds=NgramIndex(()),
            sound_strings=self._sound_strings(rows),
            sound_letters=self.letters,
        )

    def _sound_strings(self, rows: Rows) -> Sequence[str]:
        pieces = [
            self.sounds[self.sound_bounds[row] : self.sound_bounds[row + 1]].tobytes()
            for row in rows
        ]
        joined = BETWEEN.encode("utf-16-le").join(pieces).decode("utf-16-le")
        return joined.split(BETWEEN) if len(rows) else []
