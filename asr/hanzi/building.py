"""Making a lexicon: a list of words with frequencies, and texts of the domain to count.

Words follow each other by a bigram model with absolute discounting, interpolated with the
frequencies of words by themselves (Ney, Essen and Kneser 1994, "On structuring probabilistic
dependences in stochastic language modelling"), which in turn mix domain and general language.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import numpy.typing as npt

from asr.hanzi.lexicon import COST_STEP, Stored, pair, sound
from asr.syllables import SyllableError, parse, read_digits, without_tone

BEGIN = ""
"""The word before the first."""

_HANZI = re.compile(r"[\u4e00-\u9fff]+")
_LONGEST = 8
_FIGURES = "零一二三四五六七八九幺"


@dataclass(frozen=True, slots=True)
class Weights:
    """How texts become costs.

    Args:
        domain: share of the domain in a word's own probability.
        discount: taken from each count of a pair for pairs never seen.
        prior: words seen after any word beyond those counted, with their own probability: keeps
            a word met once from deciding what follows it.
        figures: counts of each pair of figures; numbers are any.
        most_rare: the highest cost of a reading of a character that is kept.
    """

    domain: float = 0.7
    discount: float = 0.75
    prior: float = 3.0
    figures: int = 2
    most_rare: float = 5.0


def build(
    frequencies: Mapping[str, int],
    texts: Iterable[str] = (),
    names: Iterable[str] = (),
    weights: Weights | None = None,
) -> Stored:
    """A lexicon.

    Args:
        frequencies: the words of the general language; what is not all hanzi is left out.
        texts: of the domain, figures and punctuation in them as written.
        names: words of the domain that `frequencies` may lack; each counts as a text too.
    """
    weights = weights or Weights()
    general = {word: n for word, n in frequencies.items() if n > 0 and _is_word(word)}
    names = [name for name in names if len(name) > 1 and _is_word(name)]
    total = sum(general.values())
    known = {word: -math.log(n / total) for word, n in general.items()}
    for name in names:
        known.setdefault(name, -math.log(1 / total))
    lines = [list(segment(run, known)) for text in (*texts, *names) for run in runs(text)]
    if lines:
        lines += [list(two) for two in product(_FIGURES, repeat=2)] * weights.figures
    singles = Counter(word for line in lines for word in line)
    pairs = Counter(two for line in lines for two in pairwise([BEGIN, *line]))
    words = [BEGIN, *sorted(known.keys() | singles.keys())]
    own = _own_probabilities(words, general, singles, weights.domain)
    return _stored(words, own, _pair_costs(words, own, pairs, weights), weights)


def runs(text: str) -> Iterator[str]:
    """The stretches of hanzi in a text, figures as they are said."""
    yield from _HANZI.findall(read_digits(text))


def _is_word(text: str) -> bool:
    return len(text) <= _LONGEST and _HANZI.fullmatch(text) is not None


def segment(run: str, cost: Mapping[str, float]) -> Iterator[str]:
    """Hanzi → the cheapest words of which they consist; a character that is none stands alone."""
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(run) + 1):
        options = [
            (best[begin][0] + cost[run[begin:end]], begin)
            for begin in range(max(0, end - _LONGEST), end)
            if run[begin:end] in cost
        ]
        best.append(min(options, default=(best[end - 1][0] + 30.0, end - 1)))
    cuts = [len(run)]
    while cuts[-1]:
        cuts.append(best[cuts[-1]][1])
    yield from (run[begin:end] for begin, end in pairwise(reversed(cuts)))


def _own_probabilities(
    words: Sequence[str], general: Mapping[str, int], domain: Counter[str], share: float
) -> dict[str, float]:
    counted, total = domain.total(), sum(general.values())
    share = share if counted else 0.0
    return {
        word: (share * domain[word] / counted if counted else 0.0)
        + (1 - share) * general.get(word, 1) / total
        for word in words
    }


def _pair_costs(
    words: Sequence[str],
    own: Mapping[str, float],
    pairs: Counter[tuple[str, str]],
    weights: Weights,
) -> tuple[dict[int, float], list[float]]:
    """The cost of each pair that was counted, and for each word that of any other after it."""
    number = {word: index for index, word in enumerate(words)}
    follow: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for (first, second), n in pairs.items():
        follow[first].append((second, n))
    counted, others = {}, [0.0] * len(words)
    for first, seconds in follow.items():
        all_of_them = sum(n for _, n in seconds) + weights.prior
        left = (weights.discount * len(seconds) + weights.prior) / all_of_them
        others[number[first]] = -math.log(left)
        for second, n in seconds:
            probability = (n - weights.discount) / all_of_them + left * own[second]
            counted[pair(number[first], number[second])] = -math.log(probability)
    return counted, others


def _stored(
    words: list[str],
    own: Mapping[str, float],
    pair_costs: tuple[dict[int, float], list[float]],
    weights: Weights,
) -> Stored:
    readings = _readings(words, own, weights.most_rare)
    sounds = sorted({without_tone(s) for _, reading, _ in readings for s in reading})
    letter = {text: sound(index) for index, text in enumerate(sounds)}
    by_key: dict[str, list[tuple[int, int, float]]] = defaultdict(list)
    for word, reading, rarity in readings:
        key = "".join(letter[without_tone(syllable)] for syllable in reading)
        tones = sum(int(syllable[-1]) << 3 * i for i, syllable in enumerate(reading))
        by_key[key].append((word, tones, rarity))
        for end in range(1, len(key)):
            by_key.setdefault(key[:end], [])
    keys = sorted(by_key)
    own_log = [math.log(own[word]) for word in words]
    entries = [
        entry for key in keys for entry in sorted(by_key[key], key=lambda e: e[2] - own_log[e[0]])
    ]
    pairs, others = pair_costs
    order = sorted(pairs)
    return Stored(
        sounds, keys,
        np.cumsum([0, *(len(by_key[key]) for key in keys)]).astype(np.int32),
        np.array([word for word, _, _ in entries], np.int32),
        np.array([tones for _, tones, _ in entries], np.int32),
        _steps([rarity for _, _, rarity in entries]),
        words,
        _steps([-value for value in own_log]),
        _steps(others),
        np.array(order, np.int64),
        _steps([pairs[two] for two in order]),
    )  # fmt: skip


def _steps(costs: Sequence[float]) -> npt.NDArray[np.uint16]:
    return np.round(np.array(costs) / COST_STEP).clip(0, 65535).astype(np.uint16)


def _readings(
    words: Sequence[str], own: Mapping[str, float], most_rare: float
) -> list[tuple[int, tuple[str, ...], float]]:
    """(word, its toned syllables, cost of that reading); a character may have several.

    How common each reading of a character is, the longer words that hold it tell.
    """
    from pypinyin import Style, lazy_pinyin, pinyin

    found: list[tuple[int, tuple[str, ...], float]] = []
    in_words: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for index, word in enumerate(words):
        if len(word) > 1:
            reading = tuple(lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True))
            if len(reading) == len(word) and all(map(_is_syllable, reading)):
                found.append((index, reading, 0.0))
                for character, syllable in zip(word, reading, strict=True):
                    in_words[character][syllable] += own[word]
    for index, word in enumerate(words):
        if len(word) == 1:
            [possible] = pinyin(
                word, style=Style.TONE3, heteronym=True, neutral_tone_with_five=True
            )
            shares = {s: in_words[word][s] + 1e-9 for s in possible if _is_syllable(s)}
            total = sum(shares.values())
            for syllable, share in shares.items():
                if (rarity := -math.log(share / total)) <= most_rare:
                    found.append((index, (syllable,), rarity))
    return found


def _is_syllable(text: str) -> bool:
    try:
        return parse(text).tone > 0
    except SyllableError:
        return False
