"""What one text became: pieces that stayed, went and came, by words and characters (逐字比较).

Chinese is written without blanks, so that a character is what a word is elsewhere; figures and
Latin words stay whole (0898 did not become 0899 by its last figure).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

Kind = Literal["same", "removed", "added"]

SHORTEST_ISLAND = 3
"""Unchanged characters between two changes that are worth showing as such; fewer only disturb."""
_UNITS = re.compile(r"[0-9]+(?:[.:][0-9]+)*|[A-Za-z]+|\s+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of the text, and what became of it."""

    kind: Kind
    text: str


def word_diff(before: str, after: str) -> tuple[Piece, ...]:
    """The pieces in order; those that stayed or went make up `before`, the others `after`."""
    old, new = _UNITS.findall(before), _UNITS.findall(after)
    found = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return tuple(_joined(_without_islands(found, old, new)))


def list_diff(before: Sequence[str], after: Sequence[str]) -> tuple[Piece, ...]:
    """The same of two lists of texts, each a piece."""
    pieces: list[Piece] = []
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for tag, first, last, start, end in matcher.get_opcodes():
        if tag == "equal":
            pieces += [Piece("same", text) for text in before[first:last]]
        else:
            pieces += [Piece("removed", text) for text in before[first:last]]
            pieces += [Piece("added", text) for text in after[start:end]]
    return tuple(pieces)


def _without_islands(
    found: Sequence[tuple[str, int, int, int, int]], old: Sequence[str], new: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """(what, before, after) of each stretch; a short one that stayed between two changes went."""
    for number, (tag, first, last, start, end) in enumerate(found):
        before, after = "".join(old[first:last]), "".join(new[start:end])
        within = 0 < number < len(found) - 1
        island = tag == "equal" and within and len(before) < SHORTEST_ISLAND
        yield ("changed" if island or tag != "equal" else "same"), before, after


def _joined(stretches: Iterator[tuple[str, str, str]]) -> Iterator[Piece]:
    removed = added = ""
    for what, before, after in stretches:
        if what == "changed":
            removed, added = removed + before, added + after
            continue
        yield from _changed(removed, added)
        removed = added = ""
        yield Piece("same", before)
    yield from _changed(removed, added)


def _changed(removed: str, added: str) -> Iterator[Piece]:
    if removed:
        yield Piece("removed", removed)
    if added:
        yield Piece("added", added)
