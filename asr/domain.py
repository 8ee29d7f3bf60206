"""Words of the hotline's own world by sound (领域词): what a recogniser's homophone errors hide.

Whisper writes 修英区 for 秀英区 and 单周 for 儋州: the sounds are right and the words are not its
own. Asr knows none of them; the application hands them in.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.confusion import cost_matrix, encode
from asr.spoken import spoken
from asr.syllables import without_tone

LONGEST = 12
_HANZI = re.compile(rf"[\u3400-\u9fff]{{2,{LONGEST}}}")


class Likeness(NamedTuple):
    """A word that the syllables from ``start`` on sound like; ``cost`` is a syllable's mean."""

    word: str
    start: int
    cost: float


@dataclass(frozen=True)
class DomainWords:
    """Words that may be put in the place of what sounds like them; made once, shared by all calls.

    Args:
        words: hanzi, two to twelve of them; others are passed over. Of several that sound the
            same the first counts.
        ordinary: words of everyday language, single characters too: what was written with them
            needs more evidence to be taken for a mistake.
        protected: words that are never changed, nor what sounds the same (danger).
    """

    words: Collection[str] = ()
    ordinary: Collection[str] = frozenset()
    protected: Collection[str] = frozenset()

    def __post_init__(self) -> None:
        """No caller waits for the tables to be made."""
        _ = self.known, self.protected_sounds, self._by_length

    def __bool__(self) -> bool:
        return bool(self.words)

    @cached_property
    def known(self) -> frozenset[str]:
        """``words``, to look one up."""
        return frozenset(word for word in self.words if _HANZI.fullmatch(word))

    @cached_property
    def protected_sounds(self) -> frozenset[tuple[str, ...]]:
        """Toneless syllables of what is protected."""
        return frozenset(sounds for _, sounds in _with_sounds(self.protected))

    @cached_property
    def _sounds(self) -> dict[tuple[str, ...], str]:
        """The first word of each sound."""
        sounds: dict[tuple[str, ...], str] = {}
        for word, syllables in _with_sounds(self.words):
            sounds.setdefault(syllables, word)
        return sounds

    @cached_property
    def _syllables(self) -> list[str]:
        return sorted({syllable for sounds in self._sounds for syllable in sounds})

    @cached_property
    def _by_length(self) -> dict[int, tuple[list[str], npt.NDArray[np.intp]]]:
        """Words of each length, and of each the places of its syllables in `_syllables`."""
        place = {syllable: at for at, syllable in enumerate(self._syllables)}
        grouped: dict[int, list[tuple[str, ...]]] = defaultdict(list)
        for sounds in self._sounds:
            grouped[len(sounds)].append(sounds)
        return {
            length: (
                [self._sounds[sounds] for sounds in group],
                np.array([[place[s] for s in sounds] for sounds in group], dtype=np.intp),
            )
            for length, group in grouped.items()
        }

    def share(self, text: str) -> float:
        """How much of a text is written with these words, 0..1."""
        inside: set[int] = set()
        for start in range(len(text)):
            for end in range(start + 2, min(len(text), start + LONGEST) + 1):
                if text[start:end] in self.known:
                    inside.update(range(start, end))
        return len(inside) / max(1, len(text))

    def like(self, syllables: Sequence[str], *, max_cost: float) -> Iterator[Likeness]:
        """Every word at every place where as many toneless syllables sound like it."""
        if not self._sounds or not syllables:
            return
        costs = cost_matrix(encode(self._syllables), encode(syllables))
        for length, (words, sounds) in self._by_length.items():
            places = len(syllables) - length + 1
            if places <= 0:
                continue
            total = np.zeros((len(words), places))
            for at in range(length):
                total += costs[sounds[:, at], at : at + places]
            for row, start in np.argwhere(total <= max_cost * length + 1e-9):
                yield Likeness(words[row], int(start), float(total[row, start]) / length)


def _with_sounds(words: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for word in words:
        if _HANZI.fullmatch(word):
            sounds = _toneless(word)
            if len(sounds) == len(word):
                yield word, sounds


@lru_cache(1 << 14)
def _toneless(word: str) -> tuple[str, ...]:
    """Nearly all words of a publication are those of the one before."""
    return tuple(without_tone(each.syllable) for each in spoken(word))


NO_WORDS = DomainWords()
