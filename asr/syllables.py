"""Mandarin syllables (音节) as data: pinyin strings in, (initial 声母, final 韵母, tone 声调) out.

Everything that compares sound uses one spelling, pypinyin's TONE3: ASCII letters, ``v`` for ü, the
tone as a final digit, 5 for the neutral tone, as in ``"zhao2"``, ``"nv3"``, ``"le5"``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

INITIALS = (
    "", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h",
    "j", "q", "x", "zh", "ch", "sh", "r", "z", "c", "s",
)  # fmt: skip

# final -> (medial 介音, nucleus 韵腹, coda 韵尾). "I" is the apical vowel of zhi and zi, "E" that
# of ie, "N" the velar nasal, "y" the vowel of ü.
FINALS: dict[str, tuple[str, str, str]] = {
    "a": ("", "a", ""), "o": ("", "o", ""), "e": ("", "e", ""), "ê": ("", "E", ""),
    "ai": ("", "a", "i"), "ei": ("", "e", "i"), "ao": ("", "a", "u"), "ou": ("", "o", "u"),
    "an": ("", "a", "n"), "en": ("", "e", "n"), "ang": ("", "a", "N"), "eng": ("", "e", "N"),
    "ong": ("u", "o", "N"), "er": ("", "e", "r"), "m": ("", "u", "N"), "n": ("", "e", "n"),
    "ng": ("", "e", "N"),
    "-i": ("", "I", ""), "i": ("", "i", ""), "ia": ("i", "a", ""), "ie": ("i", "E", ""),
    "iai": ("i", "a", "i"), "io": ("i", "o", ""),
    "iao": ("i", "a", "u"), "iou": ("i", "o", "u"), "ian": ("i", "a", "n"), "in": ("", "i", "n"),
    "iang": ("i", "a", "N"), "ing": ("", "i", "N"), "iong": ("v", "o", "N"),
    "u": ("", "u", ""), "ua": ("u", "a", ""), "uo": ("u", "o", ""), "uai": ("u", "a", "i"),
    "uei": ("u", "e", "i"), "uan": ("u", "a", "n"), "uen": ("u", "e", "n"),
    "uang": ("u", "a", "N"), "ueng": ("u", "e", "N"),
    "v": ("", "y", ""), "ve": ("v", "E", ""), "van": ("v", "a", "n"), "vn": ("", "y", "n"),
}  # fmt: skip

_NEUTRAL = 5
_TONE_MARKS = {"\u0304": 1, "\u0301": 2, "\u030c": 3, "\u0300": 4}
_LABIALS = frozenset("bpmf")
_PALATALS = frozenset("jqx")
_SIBILANTS = frozenset({"zh", "ch", "sh", "r", "z", "c", "s"})
_CONTRACTED = {"iu": "iou", "ui": "uei", "un": "uen"}
_LETTERS = re.compile(r"(zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?([aeiouvê]+(?:ng|n|r)?|m|n|ng)\Z")
_SPELLING = re.compile(r"[a-zê]+\Z")
_Y_FINALS = {"i": "i", "in": "in", "ing": "ing", "e": "ie", "ou": "iou", "o": "io", "ong": "iong",
             "u": "v", "v": "v", "ue": "ve", "ve": "ve", "uan": "van", "van": "van", "un": "vn",
             "vn": "vn"}  # fmt: skip
_W_FINALS = {"u": "u", "o": "uo", "ei": "uei", "en": "uen", "eng": "ueng", "ong": "ueng"}


class Syllable(NamedTuple):
    """One syllable by sound: yi is ("", "i"), wang ("", "uang"), yuan ("", "van").

    ``tone`` is 1-4, 5 for the neutral tone (轻声), 0 where the spelling gave none.
    """

    initial: str
    final: str
    tone: int


class SyllableError(ValueError):
    """The string is no Mandarin syllable in pinyin."""

    code = "asr.not_a_syllable"


def _split_tone(text: str) -> tuple[str, int]:
    """Take the tone out of "zháo", "zhao2" or "zhao"; ü becomes v."""
    tone = 0
    letters: list[str] = []
    for char in unicodedata.normalize("NFD", text.lower()):
        if char in _TONE_MARKS:
            tone = _TONE_MARKS[char]
        elif char == "\u0308" and letters and letters[-1] == "u":
            letters[-1] = "v"
        elif char == "\u0302" and letters and letters[-1] == "e":
            letters[-1] = "ê"
        elif char in "12345" and not tone and letters:
            tone = int(char)
        else:
            letters.append(char)
    return "".join(letters), tone


@lru_cache(maxsize=4096)
def parse(syllable: str) -> Syllable:
    """Take a pinyin syllable apart: ``"zhao2"`` or ``"zháo"`` → ``Syllable("zh", "ao", 2)``.

    Raises:
        SyllableError: the string is no pinyin syllable.
    """
    letters, tone = _split_tone(syllable.strip())
    match = _LETTERS.match(letters)
    if match is None:
        raise SyllableError(f"{syllable!r} is no pinyin syllable: expected one such as 'zhao2'.")
    initial, final = match[1] or "", match[2]
    if initial == "y":
        initial, final = "", _Y_FINALS.get(final, "i" + final)
    elif initial == "w":
        initial, final = "", _W_FINALS.get(final, "u" + final)
    elif initial in _PALATALS and final.startswith("u"):
        final = "v" + final[1:]
    elif initial in _SIBILANTS and final == "i":
        final = "-i"
    elif initial in _LABIALS and final == "o":
        final = "uo"
    final = _CONTRACTED.get(final, final)
    if final == "ue":  # nue, lue: written without the dots
        final = "ve"
    if final not in FINALS:
        raise SyllableError(f"{syllable!r} is no pinyin syllable: there is no final {final!r}.")
    return Syllable(initial, final, tone)


def without_tone(syllable: str) -> str:
    """``"zhao2"`` → ``"zhao"``."""
    return syllable.rstrip("012345")


def token_spans(tokens: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Join recogniser tokens into syllables: yields (syllable, first token, one past the last).

    A token is an initial without tone ("zh", "y") or a toned final that may stand alone ("èr").
    An initial with no final after it (the rest is still to come, or was lost) and tokens that are
    neither, such as Latin capitals, are passed over.
    """
    initial, begun = "", 0
    for index, raw in enumerate(tokens):
        letters, tone = _split_tone("líng" if raw == "○" else raw)
        if raw.isupper() or not _SPELLING.match(letters):
            initial = ""
        elif not tone and not set(letters) & set("aeiouvê"):
            initial, begun = letters, index
        else:
            for start, spelled in ((begun, initial + letters), (index, letters)):
                if _is_syllable(spelled):
                    yield f"{spelled}{tone or _NEUTRAL}", start if initial else index, index + 1
                    break
            initial = ""


def parse_tokens(tokens: Sequence[str]) -> tuple[str, ...]:
    """Recogniser tokens → toned syllables: ("zh", "áo", "h", "uǒ", "y", "ī") → ("zhao2", …)."""
    return tuple(syllable for syllable, _, _ in token_spans(tokens))


_DIGITS = dict(zip("0123456789", "零一二三四五六七八九", strict=True))
_NUMBER = re.compile(r"([0-9]+)(?:\.([0-9]+))?(年?)")
# Read digit by digit whatever their length; 12345 alone has yī and not yāo for 1.
_HOTLINES = frozenset({"110", "114", "119", "120", "122", "911"})
_CARDINAL_DIGITS = 4  # longer figures on the telephone are numbers to dial, not amounts
_UNITS = ("", "十", "百", "千")


def _read_cardinal(digits: str) -> str:
    out = ""
    for place, digit in zip(range(len(digits) - 1, -1, -1), digits, strict=True):
        if digit != "0":
            out += _DIGITS[digit] + _UNITS[place]
        elif out and not out.endswith("零"):
            out += "零"
    out = out.rstrip("零") or "零"
    return out[1:] if out.startswith("一十") else out


def _read_whole(digits: str, *, year: bool) -> str:
    if digits == "12345" or (year and len(digits) == _CARDINAL_DIGITS):
        return "".join(_DIGITS[d] for d in digits)
    if digits in _HOTLINES or len(digits) > _CARDINAL_DIGITS or digits[0] == "0" != digits:
        return "".join("幺" if d == "1" else _DIGITS[d] for d in digits)
    return _read_cardinal(digits)


def _read_number(match: re.Match[str]) -> str:
    whole, fraction, year = match.groups()
    spoken = _read_whole(whole, year=bool(year))
    if fraction:
        spoken += "点" + "".join(_DIGITS[d] for d in fraction)
    return spoken + year


def read_digits(text: str) -> str:
    """Write Arabic figures out as they are said: "110" → "幺幺零", "30块" → "三十块"."""
    return _NUMBER.sub(_read_number, unicodedata.normalize("NFKC", text))


@lru_cache(maxsize=8192)
def to_syllables(text: str) -> tuple[str, ...]:
    """Hanzi → toned syllables, heteronyms (多音字) read by phrase, figures read as they are said.

    Anything that is neither hanzi nor a figure is skipped. Never raises.
    """
    from pypinyin import Style, lazy_pinyin  # 0.25 s to import, and the command line must be quick

    spoken = lazy_pinyin(
        read_digits(text), style=Style.TONE3, neutral_tone_with_five=True, errors="ignore"
    )
    return tuple(s for s in spoken if _is_syllable(s))


def _is_syllable(text: str) -> bool:
    try:
        parse(text)
    except SyllableError:
        return False
    return True
