"""What is compared when two questions are compared: words without fillers, sounds, n-grams."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from asr import phonetics

_OPENINGS = (
    "我想问一下", "我想问下", "我想问问", "想问一下", "想问下", "请问一下", "请问下", "请问",
    "我想咨询一下", "我想咨询", "咨询一下", "我想了解一下", "我要咨询", "麻烦问一下", "问一下",
    "跟你打听一下", "打听一下", "是这样的", "是这样", "你好", "您好", "喂",
)  # fmt: skip
_HESITATIONS = (
    "那个那个",
    "那个",
    "就是说",
    "就是",
    "呃",
    "嗯",
    "额",
    "唉",
    "哎呀",
    "哎",
    "诶",
    "啊",
    "哦",
    "噢",
)
_MARKS = "，。！？、；：,.!?;:…~ \t\r\n\"'“”‘’（）()《》【】"

_FILLER = re.compile("|".join(map(re.escape, sorted(_OPENINGS, key=len, reverse=True))))
_HESITATION = re.compile(
    # 那个 and 就是 are fillers only where a pause follows or the sentence begins.
    r"(?:^|(?<=[，。！？、,.!?… ]))(?:{})+|(?:那个|就是说|就是)(?=[，、,… ])|[呃嗯额]".format(
        "|".join(map(re.escape, sorted(_HESITATIONS, key=len, reverse=True)))
    )
)
_REPEATED_MARKS = re.compile(r"[，、,… ]{2,}")
_SHORTEST = 2


def without_fillers(text: str) -> str:
    """`text` without openings and hesitations (我想问一下、那个、呃); itself if nothing is left."""
    plain = _HESITATION.sub("", _FILLER.sub("", text.strip()))
    plain = _REPEATED_MARKS.sub("，", plain).strip(_MARKS)
    return plain if len(plain) >= _SHORTEST else text.strip(_MARKS)


def characters(text: str) -> str:
    """Lower-case characters without punctuation and spaces, figures as they are said."""
    spoken = phonetics.read_digits(text).lower()
    return "".join(c for c in spoken if c not in _MARKS)


def ngrams(items: Sequence[str], sizes: Iterable[int]) -> list[str]:
    """All runs of `sizes` items, joined by a space where an item is longer than one letter."""
    joint = "" if isinstance(items, str) else " "
    return [
        joint.join(items[start : start + size])
        for size in sizes
        for start in range(len(items) - size + 1)
    ]


_FUZZY_INITIALS = {"zh": "z", "ch": "c", "sh": "s", "n": "l", "r": "l", "f": "h"}
_FUZZY_FINALS = {
    "ing": "in", "eng": "en", "ang": "an", "iang": "ian", "uang": "uan", "ueng": "uen",
    "uo": "o",
}  # fmt: skip


@lru_cache(maxsize=4096)
def sound_class(syllable: str) -> str:
    """The class of syllables that telephone and accent confuse: "zhang1" and "zan4" → "zan".

    Toneless; zh/z, ch/c, sh/s, n/l/r, f/h and -ng/-n fall together. An unreadable syllable is
    its own class.
    """
    try:
        initial, final, _ = phonetics.parse(syllable)
    except phonetics.SyllableError:
        return syllable
    return _FUZZY_INITIALS.get(initial, initial) + _FUZZY_FINALS.get(final, final)


def sounds(text: str) -> tuple[str, ...]:
    """The sound classes of `text`."""
    return tuple(sound_class(s) for s in phonetics.to_syllables(text))
