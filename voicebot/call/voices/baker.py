"""Chinese text to the phone symbols of voices trained on the Baker corpus.

Follows TensorFlowTTS's Baker processor (Apache-2.0), with tone sandhi, which the
corpus labels hold and that processor leaves out at synthesis, and without the `eos`
symbol at the end, which blurs the last syllable.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

_HANZI = re.compile(r"[\u3400-\u9fff〇]")

_LETTERS = {
    "a": "ei1", "b": "bi4", "c": "xi1", "d": "di4", "e": "yi4", "f": "ai2 fu5",
    "g": "ji4", "h": "ai2 chi5", "i": "ai4", "j": "jie4", "k": "kei4", "l": "ai2 lou5",
    "m": "ai2 mu5", "n": "en1", "o": "ou1", "p": "pi4", "q": "kiu1", "r": "a4 er5",
    "s": "ai2 si5", "t": "ti4", "u": "you1", "v": "wei1", "w": "da2 bu5 liu5",
    "x": "ai2 ke5 si5", "y": "wai4", "z": "zei4",
}  # fmt: skip
"""Latin letters as Mandarin syllables: the voice knows no others."""

_INITIALS = ("zh", "ch", "sh", *"bpmfdtnlgkhjqxrzcs")
_WHOLE = {
    "yu": "v", "yue": "ve", "yuan": "van", "yun": "vn", "yo": "iou", "you": "iou",
    "yi": "i", "yin": "in", "ying": "ing", "wu": "u", "wei": "uei", "wen": "uen",
    "weng": "ueng", "n": "en", "ng": "en", "m": "en", "hm": "en", "hng": "en", "ê": "ei",
}  # fmt: skip
_FULL = {"ui": "uei", "un": "uen", "iu": "iou", "ue": "ve"}

_NUMERALS = frozenset("零〇一二三四五六七八九十百千万亿两幺点")
_YI_ORDINAL_BEFORE = frozenset("第周期统唯之同初单专") | _NUMERALS
_YI_ORDINAL_AFTER = frozenset("月号日") | _NUMERALS


def phones(text: str) -> list[str]:
    """One clause as phone symbols: "sil n in2 #0 h ao3 sil". [] if nothing can be said."""
    said = syllables(text)
    if not said:
        return []
    symbols = ["sil"]
    for index, syllable in enumerate(said):
        if index:
            symbols.append("#0")
        symbols.extend(_phones_of(syllable))
    return [*symbols, "sil"]


def syllables(text: str) -> list[str]:
    """Toned pinyin as pronounced ("nin2", "hao3"); unknown characters are skipped."""
    said: list[str] = []
    for piece in re.findall(r"[\u3400-\u9fff〇]+|[A-Za-z]", text):
        if _HANZI.match(piece):
            said.extend(_hanzi(piece))
        else:
            said.extend(_LETTERS[piece.lower()].split())
    return said


def _hanzi(text: str) -> list[str]:
    from pypinyin import Style, lazy_pinyin
    from pypinyin.seg.mmseg import seg

    def read(parts: list[str]) -> list[str]:
        return lazy_pinyin(parts, style=Style.TONE3, neutral_tone_with_five=True, errors=_unknown)

    words = list(seg.cut(text))
    said = read(words)
    if len(said) != len(text):  # a phrase that the dictionary reads with fewer syllables
        said = [read([character])[0] for character in text]
    for phrase, sounds in pronunciations().items():
        start = text.find(phrase)
        while start >= 0:
            said[start : start + len(phrase)] = sounds
            start = text.find(phrase, start + 1)
    said = _sandhi(text, said, [len(word) for word in words])
    return [syllable for syllable in said if not syllable.startswith("?")]


def _unknown(characters: str) -> Any:
    return ["?"] * len(characters)


def _sandhi(text: str, said: list[str], word_lengths: Sequence[int]) -> list[str]:
    """Tone changes (变调) of 不, 一 and third tones, within words first."""
    said = list(said)
    for i, character in enumerate(text[:-1]):
        if character == "不" and said[i] == "bu4" and said[i + 1].endswith("4"):
            said[i] = "bu2"
        elif character == "一" and said[i].startswith("yi"):
            counted = (i > 0 and text[i - 1] in _YI_ORDINAL_BEFORE) or (
                text[i + 1] in _YI_ORDINAL_AFTER
            )
            said[i] = "yi1" if counted else "yi2" if said[i + 1].endswith("4") else "yi4"
    start = 0
    for length in word_lengths:
        _third_tones(said, start, start + length)
        start += length
    _third_tones(said, 0, len(said))
    return said


def _third_tones(said: list[str], start: int, end: int) -> None:
    """Of two third tones in a row the first becomes a second tone, pair by pair."""
    i = start
    while i + 1 < end:
        if said[i].endswith("3") and said[i + 1].endswith("3"):
            said[i] = said[i][:-1] + "2"
            i += 1
        i += 1


def _phones_of(syllable: str) -> list[str]:
    letters, tone = syllable[:-1], syllable[-1]
    rhotic = letters != "er" and letters.endswith("r")
    initial, final = _split(letters.removesuffix("r") if rhotic else letters)
    return [initial, final + tone, *(["er5"] if rhotic else [])]


def _split(letters: str) -> tuple[str, str]:
    """Pinyin letters to (initial or "^", final) in Baker's spelling."""
    letters = letters.replace("ü", "v")
    if letters in _WHOLE:
        return "^", _WHOLE[letters]
    if letters == "kiu":
        return "k", "iou"
    initial = next((i for i in _INITIALS if letters.startswith(i)), "")
    final = letters[len(initial) :]
    if not initial:
        if letters[0] == "y":
            rest = letters[1:]
            return "^", rest if rest.startswith("i") else "i" + rest
        return "^", "u" + letters[1:] if letters[0] == "w" else letters
    if initial in ("j", "q", "x") and final.startswith("u"):
        return initial, "v" + final[1:]
    if final == "i" and initial in ("z", "c", "s"):
        return initial, "ii"
    if final == "i" and initial in ("zh", "ch", "sh", "r"):
        return initial, "iii"
    if final == "o" and initial == "l":
        return initial, "uo"
    return initial, _FULL.get(final, final)


@lru_cache(maxsize=1)
def pronunciations() -> dict[str, list[str]]:
    """Words that the pinyin dictionary gets wrong, from `pronunciations.toml`."""
    text = resources.files(__package__).joinpath("pronunciations.toml").read_text("utf-8")
    return {word: str(sounds).split() for word, sounds in tomllib.loads(text).items()}
