"""Training lines as the telephone and the transcriber would have them.

Recognition errors are imitated by sound: characters are replaced by others that sound the same or
are one of the usual confusions away (FINDINGS.md section 2), taken from the training texts
themselves, so that nothing is fitted to a recogniser's output on evaluation lines.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from asr.phonetics import to_syllables, without_tone
from flows.triage.examples import Example
from flows.triage.features import fold

_HAN = re.compile(r"[一-鿿]")
_STOPS = re.compile(r"[，。！？；：、,.!?;:…\s]+")
_FILLERS = ("嗯", "呃", "那个", "就是", "啊", "喂", "这个")
_DECISIVE = frozenset({"110_now"})
Names = Callable[[str], bool]
"""Whether a text names a danger or a matter of the police (`Reading.named`)."""

SAME_SOUND, CONFUSED_SOUND, LOST = 0.75, 0.2, 0.05
"""How errors divide: homophone, confused initial or final, character lost."""


class Homophones:
    """Which characters of the texts sound alike, exactly and nearly."""

    def __init__(self, texts: Iterable[str]) -> None:
        same: dict[str, dict[str, None]] = defaultdict(dict)
        near: dict[str, dict[str, None]] = defaultdict(dict)
        for character in dict.fromkeys("".join(_HAN.findall("".join(texts)))):
            for syllable in to_syllables(character):
                same[without_tone(syllable)][character] = None
                near[fold(syllable)][character] = None
        self._same = {sound: tuple(found) for sound, found in same.items()}
        self._near = {sound: tuple(found) for sound, found in near.items()}

    def misheard(self, text: str, rate: float, chance: random.Random) -> str:
        """The text with about `rate` of its hanzi replaced or lost, and without stops."""
        return "".join(
            self._other(character, chance)
            if _HAN.match(character) and chance.random() < rate
            else character
            for character in unpunctuated(text)
        )

    def _other(self, character: str, chance: random.Random) -> str:
        syllables = to_syllables(character)
        if not syllables or chance.random() < LOST:
            return ""
        exact = chance.random() < SAME_SOUND / (SAME_SOUND + CONFUSED_SOUND)
        sound = without_tone(syllables[0]) if exact else fold(syllables[0])
        return chance.choice((self._same if exact else self._near).get(sound, (character,)))


def misheard_syllables(
    syllables: Sequence[str], rate: float, chance: random.Random
) -> tuple[str, ...]:
    """Syllables as the listener has them: tones wrong, fuzzy pairs taken for each other, some
    lost or replaced by others."""
    heard = []
    for syllable in syllables:
        sound = without_tone(syllable)
        if chance.random() < rate:
            kind = chance.random()
            if kind < 0.15:
                continue
            sound = fold(sound) if kind < 0.6 else without_tone(chance.choice(syllables))
        tone = str(chance.randint(1, 4)) if chance.random() < rate else syllable[-1:]
        heard.append(sound + tone)
    return tuple(heard)


def unpunctuated(text: str) -> str:
    """Stops and spaces out, but for those between Latin words."""
    return re.sub(r"(?<![a-z0-9]) | (?![a-z0-9])", "", _STOPS.sub(" ", text.lower())).strip()


def own_chance(seed: int, example: Example) -> random.Random:
    """A line's own: what is made of it stays the same when lines are added to others, so that
    their embeddings need not be made again."""
    return random.Random(f"{seed} {example.text}")  # noqa: S311 - reproducible noise, not a secret


def noisy_copies(examples: Sequence[Example], seed: int) -> list[Example]:
    """One misheard copy of each example, at 5 to 30 % errors, half of them with fillers."""
    homophones = Homophones(example.text for example in examples)
    copies = []
    for example in examples:
        chance = own_chance(seed, example)
        text = homophones.misheard(example.text, chance.uniform(0.05, 0.3), chance)
        if chance.random() < 0.5:
            text = chance.choice(_FILLERS) + text
        copies.append(replace(example, text=text))
    return [copy for copy in copies if copy.text]


def prefixes(examples: Sequence[Example], seed: int, names: Names) -> list[Example]:
    """The beginnings of lines without danger: a partial hypothesis must not raise the alarm.

    A danger line's beginning is left out: whether it is decisive yet cannot be told. So is that
    of a matter for the police in which nothing of it was said yet (`names`).
    """
    harmless = [e for e in examples if not e.accept & _DECISIVE and len(e.text) >= 12]
    begun = []
    for example in harmless:
        chance = own_chance(seed, example)
        if chance.random() < 0.5:
            length = int(len(example.text) * chance.uniform(0.4, 0.8))
            begun.append(replace(example, text=example.text[:length]))
    return [e for e in begun if "110" not in e.accept or names(e.text)]


def openings(examples: Sequence[Example], seed: int, names: Names) -> list[Example]:
    """The first two to eight characters of harmless lines, where no danger is named in them."""
    harmless = [e for e in examples if not e.accept & {*_DECISIVE, "110"} and len(e.text) >= 10]
    begun = []
    for example in harmless:
        chance = own_chance(seed, example)
        if chance.random() < 0.5:
            begun.append(replace(example, text=example.text[: chance.randint(2, 8)]))
    known = {e.text for e in examples}
    return [e for e in begun if e.text not in known and not names(e.text)]


def cries(examples: Sequence[Example], names: Names) -> list[Example]:
    """Short clauses of danger lines in which the danger is named: as short as `openings`."""
    known = {e.text for e in examples}
    return [
        replace(example, text=clause, tags=example.tags | {"fragment"})
        for example in examples
        if example.accept == _DECISIVE
        for clause in dict.fromkeys(_STOPS.split(example.text))
        if 2 <= len(clause) <= 8 and clause not in known and names(clause)
    ]


def pairs(examples: Sequence[Example], count: int, seed: int) -> list[Example]:
    """Two lines said one after the other: danger after chat, one matter after another.

    A danger line makes the whole 110_now, whichever comes first; two harmless lines of one
    route keep it. This is how the text of a whole conversation looks and, every second one
    without stops, what a caller says in one breath (请问社保卡怎么补办哎呀厨房着火了).
    """
    chance = random.Random(seed)  # noqa: S311 - reproducible noise, not a secret
    danger = [e for e in examples if e.accept == _DECISIVE]
    harmless = {
        route: [e for e in examples if e.accept == {route}] for route in ("12345", "neither")
    }
    made = []
    for number in range(count):
        first = chance.choice(harmless[chance.choice(("12345", "12345", "neither"))])
        if chance.random() < 0.45:
            second = chance.choice(danger)
            ordered = (first, second) if chance.random() < 0.6 else (second, first)
            made.append(replace(second, text=_joined(number, *ordered)))
        else:
            second = chance.choice(harmless["12345"])
            made.append(replace(second, text=_joined(number, first, second)))
    return made


def _joined(number: int, first: Example, second: Example) -> str:
    text = first.text + "。" + second.text
    return unpunctuated(text) if number % 2 else text
