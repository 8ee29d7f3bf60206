"""Both ears' evidence in one hypothesis (融合): order, words of the domain, and who heard what.

The transcriber writes words, the listener hears sounds, and they err differently. Its sounds
choose among the readings (asr.rerank), bear out or refuse a domain word in the place of what was
written, and show what only one of the two heard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from asr.alignment import side_by_side
from asr.domain import LONGEST, NO_WORDS, DomainWords, Likeness
from asr.hypothesis import Hypothesis, Span
from asr.phonetics import distance
from asr.rerank import rerank, toneless
from asr.spoken import spoken
from asr.timing import retimed

_APART, _UNHEARD = 0.25, 0.2
"""Highest mean cost a syllable of a word against what was written, and against what was heard."""
_FUZZY = 0.05
"""Mean cost up to which a long word needs no support of the listener's: one fuzzy pair."""
_LONG = 4
_WRITTEN_OTHERWISE, _HEARD_OTHERWISE, _SUPPORT = 6.0, 1.5, 3.0
"""Syllables' worth of evidence that a mean cost of 1 takes away or gives."""
_ENOUGH, _ORDINARY = 1.4, 1.5
"""Syllables' worth that a correction needs, and that everyday words in its place add."""
_FIGURES = frozenset("〇零一二三四五六七八九十百千万亿两幺")
_SHORTEST_FLAG = 2
"""Syllables; one alone is swallowed or doubled too easily to mean anything."""


@dataclass(frozen=True, slots=True)
class _Correction:
    start: int
    word: str
    strength: float

    @property
    def end(self) -> int:
        return self.start + len(self.word)


def fused(
    hypothesis: Hypothesis, syllables: Sequence[str], words: DomainWords = NO_WORDS
) -> Hypothesis:
    """The transcriber's final after the listener was asked.

    Its readings are in the order in which both ears believe in them; where the first sounds like
    words of the domain and the listener heard those, it is written with them, and the reading as
    it was stays first among the alternatives, under the same score. ``unheard`` and ``unwritten``
    say what one ear had alone; ``words`` are those of what is written now. English, an empty text
    and a silent listener change nothing.

    Args:
        hypothesis: with text and alternatives.
        syllables: the listener's toned syllables of the same stretch of audio.
        words: of the domain.
    """
    if hypothesis.language == "en" or not hypothesis.text or not syllables:
        return hypothesis
    chosen = _corrected(rerank(hypothesis, syllables, words), syllables, words)
    return _flagged(replace(chosen, words=retimed(hypothesis.words, chosen.text)), syllables)


def _flagged(hypothesis: Hypothesis, syllables: Sequence[str]) -> Hypothesis:
    said = spoken(hypothesis.text)
    pairs = side_by_side(toneless([each.syllable for each in said]), toneless(syllables))
    written = {i for i, j in pairs if i is not None and j is not None}
    heard = {j for i, j in pairs if i is not None and j is not None}
    unheard = _runs(len(said), written)
    return replace(
        hypothesis,
        unheard=tuple((said[first].start, said[last - 1].end) for first, last in unheard),
        unwritten=tuple(_runs(len(syllables), heard)),
    )


def _runs(length: int, taken: set[int]) -> Iterator[Span]:
    """The stretches of ``range(length)`` without any of `taken` that are long enough to tell."""
    start = 0
    for at in range(length + 1):
        if at == length or at in taken:
            if at - start >= _SHORTEST_FLAG:
                yield start, at
            start = at + 1


def _corrected(hypothesis: Hypothesis, syllables: Sequence[str], words: DomainWords) -> Hypothesis:
    text = hypothesis.text
    chosen = _chosen(text, syllables, words)
    if not chosen:
        return hypothesis
    characters = list(text)
    for each in chosen:
        characters[each.start : each.end] = each.word
    better = "".join(characters)
    others = [reading for reading in hypothesis.n_best if reading != better]
    scores = dict(zip(hypothesis.n_best, hypothesis.scores, strict=False))
    return replace(
        hypothesis,
        text=better,
        alternatives=tuple(others),
        scores=tuple(scores.get(reading, scores[text]) for reading in (better, *others))
        if scores
        else (),
    )


def _chosen(text: str, syllables: Sequence[str], words: DomainWords) -> list[_Correction]:
    """Corrections that do not overlap, those with most evidence first."""
    if not words:
        return []
    evidence = _Evidence(text, syllables, words)
    found = [each for like in evidence.alike() if (each := evidence.judge(like)) is not None]
    found.sort(key=lambda each: (-each.strength, each.start))
    chosen: list[_Correction] = []
    for each in found:
        if all(each.end <= other.start or other.end <= each.start for other in chosen):
            chosen.append(each)
    return chosen


class _Evidence:
    """What both ears say for and against domain words in a text."""

    def __init__(self, text: str, syllables: Sequence[str], words: DomainWords) -> None:
        self._text, self._words = text, words
        self._said = spoken(text)
        self._own = toneless([each.syllable for each in self._said])
        self._heard = toneless(syllables)
        pairs = side_by_side(self._own, self._heard)
        self._pairs = {i: j for i, j in pairs if i is not None and j is not None}
        self._guarded = tuple(self._sounding_protected())

    def alike(self) -> Iterator[Likeness]:
        """Domain words that some stretch of the text sounds like."""
        return self._words.like(self._own, max_cost=_APART)

    def judge(self, like: Likeness) -> _Correction | None:
        """The correction, if what both ears have is evidence enough for it."""
        start, size = self._said[like.start].start, len(like.word)
        end = start + size
        written = self._text[start:end]
        if self._said[like.start + size - 1].end != end or not written.isalpha():
            return None  # a figure, or a mark within
        changed = {start + at for at in range(size) if written[at] != like.word[at]}
        if not changed or not self._may_change(changed, start, like.word):
            return None
        everyday = self._everyday(changed, start, end)
        strength = self._strength(like)
        if everyday is None or strength is None:
            return None
        surplus = strength - _ENOUGH - _ORDINARY * everyday
        return _Correction(start, like.word, surplus + size) if surplus >= 0 else None

    def _strength(self, like: Likeness) -> float | None:
        """Syllables' worth of evidence; None where the listener heard something else."""
        size = len(like.word)
        places = [at for at in range(size) if like.start + at in self._pairs]
        if len(places) < max(size - 1, 2):
            return None
        wanted = toneless([each.syllable for each in spoken(like.word)])
        against = for_text = 0.0
        for at in places:
            sound = self._heard[self._pairs[like.start + at]]
            against += distance(wanted[at], sound) / len(places)
            for_text += distance(self._own[like.start + at], sound) / len(places)
        support = for_text - against
        if against > _UNHEARD:
            return None
        if like.cost > 0 and support <= 0 and not (size >= _LONG and like.cost <= _FUZZY):
            return None
        return size * (
            1 - _WRITTEN_OTHERWISE * like.cost - _HEARD_OTHERWISE * against + _SUPPORT * support
        )

    def _may_change(self, changed: set[int], start: int, word: str) -> bool:
        """Figures and protected words stay; so do everyday characters that make up all of a short
        word, or follow or precede a domain word: 三亚玩 is not 三亚湾."""
        text, words = self._text, self._words
        if any(text[at] in _FIGURES for at in changed):
            return False
        better = text[:start] + word + text[start + len(word) :]
        for first, last in self._guarded:
            if changed & set(range(first, last)) and (
                text[first:last] in words.protected or better[first:last] not in words.protected
            ):
                return False
        if not all(text[at] in words.ordinary for at in changed):
            return True
        rest = "".join(c for at, c in enumerate(word, start) if at not in changed)
        return len(word) > 2 and rest not in words.known and rest not in words.ordinary

    def _sounding_protected(self) -> Iterator[Span]:
        """Stretches of characters that sound like protected words."""
        sounds = self._words.protected_sounds
        longest = max(map(len, sounds), default=0)
        for first in range(len(self._own)):
            for last in range(first + 2, min(first + longest, len(self._own)) + 1):
                if self._own[first:last] in sounds:
                    yield self._said[first].start, self._said[last - 1].end

    def _everyday(self, changed: set[int], start: int, end: int) -> int | None:
        """What a correction would break: 1 for words within it, 1 for words across its edges.

        None where what is to be changed is part of a domain word as long.
        """
        text, words = self._text, self._words
        within = across = 0
        for first in range(max(0, start - LONGEST + 1), end):
            for last in range(max(first + 2, start + 1), min(len(text), first + LONGEST) + 1):
                written = text[first:last]
                known = written in words.known
                if not known and written not in words.ordinary:
                    continue
                touched = bool(changed & set(range(first, last)))
                if known and touched and last - first >= end - start:
                    return None
                if start <= first and last <= end:
                    within |= touched
                else:
                    across |= touched or end - start == 2
        return within + across
