"""How much of a turn says what it is about, once the words that any matter begins with are out."""

from __future__ import annotations

from collections.abc import Sequence

from flows.triage.atoms import ExactIndex, readings, toneless
from flows.triage.tokens import Units

_LEAST_HEARD = 2
"""Syllables of a frame that is known by its sound: 我 alone may be anything."""


class Frames:
    """Words that tell nothing of the matter: 我想反映一个情况, 快一点, 你好."""

    def __init__(self, words: Sequence[Units]) -> None:
        self._written = ExactIndex(words)
        heard = [toneless(reading) for word in words for reading in readings(word)[:1]]
        self._heard = ExactIndex([word for word in heard if len(word) >= _LEAST_HEARD])

    def content(self, units: Units, syllables: Sequence[str]) -> int:
        """Units that no frame covers; syllables where there is no text."""
        stream, index = (units, self._written) if units else (toneless(syllables), self._heard)
        covered = {
            position
            for places in index.find(stream).values()
            for place in places
            for position in range(place.start, place.end)
        }
        return len(stream) - len(covered)
