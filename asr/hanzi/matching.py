"""Which words of a lexicon syllables may be, and what it costs that they were heard so."""

from __future__ import annotations

from functools import lru_cache
from heapq import nsmallest
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from asr.confusion import cost_matrix, encode
from asr.hanzi.lexicon import Lexicon, sound
from asr.syllables import SyllableError, parse, without_tone

UNKNOWN = 0
"""The word that no text has: a syllable that stands as it came."""

# In nats. Chosen on the development sentences of the tests; the figures are flat around them.
_UNKNOWN_COST = 25.0
_SOUND_WEIGHT = 30.0  # for a distance of 1 between initials and finals (asr.confusion)
_FARTHEST = 0.26  # beyond this distance a syllable is another one
_MOST_OFF = 9.0  # all sounds of a word together
_TONE_OFF, _TONE_NEUTRAL, _TONE_SANDHI = 1.6, 0.8, 0.8
# What keeps a decode cheap: doubling these changes no figure.
_MOST_SOUNDS = 8
_MOST_BEGINNINGS = 16
_MOST_HOMOPHONES, _MOST_FUZZY = 24, 6
_MOST_MATCHES = 12  # of one length from one place


class Match(NamedTuple):
    """A word that the next ``length`` syllables may be; ``cost`` of being heard as these."""

    word: int
    length: int
    cost: float


@lru_cache(maxsize=1024)
def matches(lexicon: Lexicon, heard: tuple[str, ...]) -> tuple[Match, ...]:
    """The words that `heard` may begin with, the likeliest of each length; at least one."""
    beginnings = [("", 0.0)]
    rows: list[tuple[float, ...]] = []
    found: list[Match] = []
    for syllable in heard:
        sounds = _sounds(lexicon, without_tone(syllable))
        beginnings = [
            (key + letter, cost + more)
            for key, cost in beginnings
            for letter, more in sounds
            if cost + more <= _MOST_OFF and key + letter in lexicon
        ]
        if not beginnings:
            break
        if len(beginnings) > _MOST_BEGINNINGS:
            beginnings = nsmallest(_MOST_BEGINNINGS, beginnings, key=itemgetter(1))
        rows.append(_TONES[_tone(syllable)])
        found += _likeliest(lexicon, beginnings, rows)
    if not found or found[0].length > 1:
        found.append(Match(UNKNOWN, 1, _UNKNOWN_COST))
    return tuple(found)


def _likeliest(
    lexicon: Lexicon, beginnings: list[tuple[str, float]], rows: list[tuple[float, ...]]
) -> list[Match]:
    length = len(rows)
    best: dict[int, tuple[float, float]] = {}
    for key, off in beginnings:
        most = _MOST_HOMOPHONES if off == 0.0 else _MOST_FUZZY
        for word, tones, rarity, own in lexicon.read_as(key)[:most]:
            cost = off + rarity
            for row in rows:
                cost += row[tones & 7]
                tones >>= 3
            if word not in best or cost + own < best[word][0]:
                best[word] = cost + own, cost
    words = sorted(best, key=best.__getitem__)[:_MOST_MATCHES]
    return [Match(word, length, best[word][1]) for word in words]


@lru_cache(maxsize=2048)
def _sounds(lexicon: Lexicon, toneless: str) -> tuple[tuple[str, float], ...]:
    """The syllables that may have been heard as this one, with the cost of each."""
    try:
        parse(toneless)
    except SyllableError:
        return ()
    distances = cost_matrix(encode([toneless]), lexicon.sounds)[0]
    nearest = np.argsort(distances, kind="stable")[:_MOST_SOUNDS]
    return tuple(
        (sound(int(i)), float(_SOUND_WEIGHT * distances[i]))
        for i in nearest
        if distances[i] <= _FARTHEST
    )


def _tone(syllable: str) -> int:
    try:
        return parse(syllable).tone
    except SyllableError:
        return 0


def _tone_row(heard: int) -> tuple[float, ...]:
    """What tone 0..5 of a word costs, given the one that was heard; 0 is not given."""
    row = [_TONE_OFF] * 6
    row[0] = row[heard] = 0.0
    if heard == 0:
        return (0.0,) * 6
    if heard == 5:
        row = [cost and _TONE_NEUTRAL for cost in row]
    else:
        row[5] = _TONE_NEUTRAL
    if heard == 2:
        row[3] = _TONE_SANDHI  # third-tone sandhi (三声变调)
    return tuple(row)


_TONES = tuple(_tone_row(heard) for heard in range(6))
