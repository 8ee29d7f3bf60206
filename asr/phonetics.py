"""Mandarin by sound (pinyin 拼音, fuzzy pairs 模糊音, alignment): pure, no engine, no I/O.

The one part of ``asr`` that ``kb`` and ``flows`` may use. Syllables are strings such as "zhao2"
(ASCII, v for ü, neutral tone 5).
"""

from asr.alignment import Match, PatternSet, find, find_all_patterns, find_every, similarity
from asr.confusion import distance
from asr.syllables import (
    Syllable,
    SyllableError,
    parse,
    parse_tokens,
    read_digits,
    to_syllables,
    without_tone,
)

__all__ = [
    "Match",
    "PatternSet",
    "Syllable",
    "SyllableError",
    "distance",
    "find",
    "find_all_patterns",
    "find_every",
    "parse",
    "parse_tokens",
    "read_digits",
    "similarity",
    "to_syllables",
    "without_tone",
]
