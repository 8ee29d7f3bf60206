"""A text and what it was made from: which characters became which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Characters ``start``..``end`` of a text are written as ``text``; an insertion is empty."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Written:
    """The raw text with rewrites in order, none touching what another has changed."""

    raw: str
    rewrites: tuple[Rewrite, ...] = ()

    @property
    def text(self) -> str:
        """The text as it is written."""
        return "".join(text for _, _, text in self._pieces())

    def raw_range(self, start: int, end: int) -> tuple[int, int]:
        """Where ``text[start:end]`` comes from in ``raw``: a figure stands for all its words.

        Raises:
            ValueError: not a range of ``text``.
        """
        return self._translated(start, end, of_raw=False)

    def text_range(self, start: int, end: int) -> tuple[int, int]:
        """Where ``raw[start:end]`` is in ``text``: a part of a number is the whole figure.

        Raises:
            ValueError: not a range of ``raw``.
        """
        return self._translated(start, end, of_raw=True)

    def and_then(self, marks: Iterable[Rewrite]) -> Written:
        """With insertions too, as punctuation is; those within a rewrite fall away."""
        inserted = [mark for mark in marks if not self._rewritten(mark.start)]
        # At one place: what ends there, the mark, what begins there.
        both = sorted((*self.rewrites, *inserted), key=lambda r: (r.end, r.start == r.end))
        return Written(self.raw, tuple(both))

    def _rewritten(self, place: int) -> bool:
        return any(rewrite.start < place < rewrite.end for rewrite in self.rewrites)

    def _pieces(self) -> Iterator[tuple[int, int, str]]:
        """The raw range and the text of each stretch, kept or rewritten."""
        done = 0
        for rewrite in self.rewrites:
            if done < rewrite.start:
                yield done, rewrite.start, self.raw[done : rewrite.start]
            yield rewrite.start, rewrite.end, rewrite.text
            done = rewrite.end
        if done < len(self.raw):
            yield done, len(self.raw), self.raw[done:]

    def _translated(self, start: int, end: int, *, of_raw: bool) -> tuple[int, int]:
        length = len(self.raw if of_raw else self.text)
        if not 0 <= start <= end <= length:
            raise ValueError(f"{start}..{end} is no range of a text of {length} characters.")
        first: int | None = None
        last = offset = 0
        for raw_start, raw_end, text in self._pieces():
            raw_place, text_place = (raw_start, raw_end), (offset, offset + len(text))
            offset += len(text)
            here, there = (raw_place, text_place) if of_raw else (text_place, raw_place)
            if here[1] <= start:
                last = there[1]
                continue
            if here[0] >= end:
                break
            kept = self.raw[raw_start:raw_end] == text
            low, high = there
            if kept:
                low += max(0, start - here[0])
                high -= max(0, here[1] - end)
            first = low if first is None else first
            last = high
        return (last if first is None else first), last
