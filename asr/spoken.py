"""The syllables of a text with their places in it: what a stretch of writing sounds like."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from asr.syllables import SyllableError, parse, to_syllables

_RUN = re.compile(r"(?P<figures>[0-9０-９]+(?:[.．][0-9０-９]+)?年?)|[〇\u3400-\u9fff]+")


class Spoken(NamedTuple):
    """A syllable, and the characters ``text[start:end]`` it is spoken for.

    A hanzi has one; those of a figure share its place ("30" is san1 and shi2).
    """

    syllable: str
    start: int
    end: int


@lru_cache(maxsize=1024)
def spoken(text: str) -> tuple[Spoken, ...]:
    """Hanzi and figures → toned syllables in order; what has no sound is left out. Never raises."""
    found: list[Spoken] = []
    for run in _RUN.finditer(text):
        if run["figures"]:
            found += [Spoken(each, run.start(), run.end()) for each in to_syllables(run[0])]
        else:
            found += [
                Spoken(each, at, at + 1)
                for at, each in enumerate(_one_each(run[0]), run.start())
                if _is_syllable(each)
            ]
    return tuple(found)


def _one_each(hanzi: str) -> list[str]:
    """A syllable a character, "" for one that has none."""
    syllables = _pinyin(hanzi)
    if len(syllables) != len(hanzi):  # one that pypinyin does not know
        syllables = ["".join(_pinyin(character)) for character in hanzi]
    return syllables


def _pinyin(hanzi: str) -> list[str]:
    from pypinyin import Style, lazy_pinyin  # 0.25 s to import, and the command line must be quick

    return lazy_pinyin(hanzi, style=Style.TONE3, neutral_tone_with_five=True, errors="ignore")


def _is_syllable(text: str) -> bool:
    try:
        parse(text)
    except SyllableError:
        return False
    return True
