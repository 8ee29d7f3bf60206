"""Whose life is most at risk among callers for whom 110 has no line: explained, as data. Pure.

A level comes from the worst that was said (`data/risk.toml`), or from what the call is; it never
falls while the caller waits. Within a level children, several people and a scream go first, then
who has waited longest. Waiting raises a caller by one level each `AGEING_S`, so that nobody waits
for ever behind ever new ones.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from asr.phonetics import to_syllables, without_tone

DEFAULT_FILE = Path(__file__).with_name("data") / "risk.toml"

AGEING_S = 180.0
"""Seconds of waiting that weigh as much as one level."""

DANGER, ORDINARY = 3.0, 1.0
"""Levels of a call of which no more is known: danger, and an ordinary matter of 110's."""

_MORE = {"child": (0.3, "有孩子"), "scream": (0.2, "尖叫"), "crying": (0.1, "哭泣")}
"""What flags of the hand-off add within a level."""
_SEVERAL = re.compile(
    r"(?:[二两三四五六七八九十几]|好几|十几|几十|[2-9]|[1-9]\d+)(?:十|百)?(?:多)?个?"
    r"(?:人|小孩|孩子|老人|学生)"
)
_SEVERAL_ADDS = 0.3
_DENIED = re.compile(r"(?:没有?|不是|未|没有人|没人|不会|并非)$")
_OWN_DENIAL = ("没", "不")


class RiskError(ValueError):
    """The file of risks cannot be used; the message names the sign."""

    code = "flows.risk"


@dataclass(frozen=True, slots=True)
class Sign:
    """What a caller says who is in such danger.

    Parameters:
        level: 1 to 10, the higher the sooner.
        words: one of them is said …
        beside: … and one of these, if there are any.
    """

    id: str
    name: str
    level: float
    words: tuple[str, ...]
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Risk:
    """How much a life is at risk.

    Parameters:
        score: 0 to 11; its whole part is the level.
        reasons: names of the signs with the words that showed them, the worst first.
    """

    score: float = ORDINARY
    reasons: tuple[str, ...] = ()

    def urgency(self, waited_s: float) -> float:
        """Of those who wait the greatest goes first."""
        return urgency(self.score, waited_s)


def urgency(score: float, waited_s: float) -> float:
    """Of those who wait the greatest goes first; it grows with each second alike for all."""
    return score + max(0.0, waited_s) / AGEING_S


def precedence(score: float, waited_s: float, call: str) -> tuple[float, float, str]:
    """Sorts those who wait, at whichever node: the most urgent first."""
    return -urgency(score, waited_s), -waited_s, call


def load_signs(path: Path = DEFAULT_FILE) -> tuple[Sign, ...]:
    """The signs, the worst first.

    Raises:
        RiskError: the file cannot be read, or a sign lacks its name, level 1-10 or words.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RiskError(f"{path}: the risks cannot be read: {error}") from error
    signs = []
    for id_, table in tables.items():
        try:
            words, beside = tuple(table["words"]), tuple(table.get("and", ()))
            sign = Sign(id_, str(table["name"]), float(table["level"]), words, beside)
        except (KeyError, TypeError, ValueError) as error:
            raise RiskError(f"{path}: sign {id_}: {error!r}") from error
        said = [*words, *beside]
        if not (words and all(isinstance(word, str) and word for word in said)):
            raise RiskError(f"{path}: sign {id_} needs words")
        if not 1 <= sign.level <= 10:
            raise RiskError(f"{path}: sign {id_} has the level {sign.level}; 1 to 10 are possible")
        signs.append(sign)
    return tuple(sorted(signs, key=lambda sign: -sign.level))


SIGNS = load_signs()


def risk(reason: str, flags: Iterable[str], said: Iterable[tuple[str, tuple[str, ...]]]) -> Risk:
    """The risk of one call.

    Parameters:
        reason, flags: of its hand-off.
        said: transcript and toned syllables of each of the caller's turns.
    """
    level = ORDINARY if reason == "police_matter" else DANGER
    reasons: list[str] = []
    several = False
    worst: dict[str, tuple[Sign, str]] = {}
    for text, syllables in said:
        for sign, word in _signs(text, syllables):
            worst.setdefault(sign.id, (sign, word))
        several = several or _SEVERAL.search(text) is not None
    for sign, word in sorted(worst.values(), key=lambda found: -found[0].level):
        level = max(level, sign.level)
        reasons.append(f"{sign.name}（{word}）")
    more = [_MORE[flag] for flag in dict.fromkeys(flags) if flag in _MORE]
    if several:
        more.append((_SEVERAL_ADDS, "不止一个人"))
    reasons += [name for _, name in more]
    return Risk(level + min(0.9, sum(added for added, _ in more)), tuple(reasons))


@lru_cache(maxsize=8192)
def _signs(text: str, syllables: tuple[str, ...]) -> tuple[tuple[Sign, str], ...]:
    """The signs in one turn: by its words, and by its sounds, which the text may have wrong."""
    found = []
    stream = tuple(without_tone(each) for each in syllables)
    for sign in SIGNS:
        word = _first(sign.words, text, stream)
        if word and (not sign.beside or _first(sign.beside, text, stream)):
            found.append((sign, word))
    return tuple(found)


def _first(words: tuple[str, ...], text: str, stream: tuple[str, ...]) -> str:
    said = next((word for word in words if _said(word, text)), "")
    # A word that stands in the text was judged with what goes before it (没有人受伤).
    return said or next((w for w in words if w not in text and _sounds(w, stream)), "")


def _said(word: str, text: str) -> bool:
    at = text.find(word)
    while at >= 0:
        if word.startswith(_OWN_DENIAL) or not _DENIED.search(text[max(0, at - 3) : at]):
            return True
        at = text.find(word, at + 1)
    return False


_SHORTEST_SOUND = 3
"""Syllables: shorter words sound like too many others."""


def _sounds(word: str, stream: tuple[str, ...]) -> bool:
    sound = _sound(word)
    if len(sound) < _SHORTEST_SOUND:
        return False
    return any(stream[at : at + len(sound)] == sound for at in range(len(stream) - len(sound) + 1))


@lru_cache(maxsize=1024)
def _sound(word: str) -> tuple[str, ...]:
    return tuple(without_tone(syllable) for syllable in to_syllables(word))
