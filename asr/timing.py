"""When each word of a text was spoken, known of another writing of the same speech.

A re-ranked reading, a text with figures and punctuation and the characters that were decoded
differ in few places. Letters that both writings share keep their times; what stands between them
shares out the time between them evenly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import accumulate, pairwise

from asr.hypothesis import Word

_HANZI = "\u3400-\u9fff"
_WORD = re.compile(rf"[{_HANZI}]|[^\W_{_HANZI}]+(?:[.'’:%-][^\W_{_HANZI}]+)*")


def later(words: Sequence[Word], seconds: float) -> tuple[Word, ...]:
    """The same with their times counted from ``seconds`` earlier."""
    return tuple(Word(word.text, word.start + seconds, word.end + seconds) for word in words)


def retimed(words: Sequence[Word], text: str) -> tuple[Word, ...]:
    """The words of ``text``: each hanzi, and each run of letters and figures.

    Args:
        words: the same speech in any writing, in order; without any, nothing is known.
        text: its blanks and punctuation are no part of any word.
    """
    times = letter_times(words, text)
    if not times:
        return ()
    found = [(match[0], letter_count(match[0])) for match in _WORD.finditer(text)]
    ends = list(accumulate(count for _, count in found))
    return tuple(
        Word(word, times[end - count][0], times[end - 1][1])
        for (word, count), end in zip(found, ends, strict=True)
    )


def letter_count(text: str) -> int:
    """Hanzi, letters and figures of a text."""
    return sum(map(str.isalnum, text))


def letter_times(words: Sequence[Word], text: str) -> list[tuple[float, float]]:
    """Start and end of each hanzi, letter and figure of ``text``, seconds; empty if unknown.

    Starts and ends never go back, and all lie between the first word's start and the last's end.
    """
    known = list(_letters(words))
    wanted = [letter.lower() for letter in text if letter.isalnum()]
    if not known or not wanted:
        return []
    heard = [letter for letter, _, _ in known]
    matcher = SequenceMatcher(None, heard, wanted, autojunk=False)
    times: list[tuple[float, float]] = []
    for kind, begin, end, first, last in matcher.get_opcodes():
        if kind == "equal":
            times += [(start, stop) for _, start, stop in known[begin:end]]
        elif last > first:
            start = known[begin][1] if begin < end else times[-1][1] if times else known[0][1]
            stop = known[end - 1][2] if begin < end else _next_start(known, begin, start)
            times += _evenly(start, max(start, stop), last - first)
    return times


def _next_start(known: Sequence[tuple[str, float, float]], index: int, otherwise: float) -> float:
    return known[index][1] if index < len(known) else otherwise


def _letters(words: Sequence[Word]) -> Iterator[tuple[str, float, float]]:
    """Each letter, its start and end; times that go back are held at the latest so far."""
    latest = 0.0
    for word in words:
        letters = [letter.lower() for letter in word.text if letter.isalnum()]
        start = max(latest, word.start)
        latest = max(start, word.end)
        for letter, (begin, end) in zip(letters, _evenly(start, latest, len(letters)), strict=True):
            yield letter, begin, end


def _evenly(start: float, end: float, count: int) -> list[tuple[float, float]]:
    if not count:
        return []
    edges = [start + (end - start) * index / count for index in range(count)] + [end]
    return list(pairwise(edges))
