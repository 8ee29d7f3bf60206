"""How alike two Mandarin syllables sound over a telephone: costs between initials, finals, tones.

The pairs are those of the handbooks on Southern Mandarin accents (平翘舌 zh/z, 鼻边音 n/l, 前后鼻音
in/ing, h/f, r/l) and of articulation: same place or same manner is nearer than neither. Nothing is
fitted to the evaluation recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from asr.syllables import FINALS, INITIALS, SyllableError, parse

INITIAL_WEIGHT, FINAL_WEIGHT, TONE_WEIGHT = 0.40, 0.45, 0.15

_INITIAL_PAIRS: dict[float, str] = {
    0.2: "zh/z ch/c sh/s n/l",
    0.3: "f/h",
    0.35: "r/l",
    0.5: (
        "b/p d/t g/k j/q zh/ch z/c j/zh j/z q/ch q/c x/sh x/s sh/ch m/n r/n h/ r/ "
        "zh/c ch/z zh/sh sh/c"
    ),
    0.6: "s/c s/z x/q x/j b/d p/t d/g t/k h/k r/zh r/sh n/ l/ f/ l/d b/m g/h f/p m/ s/ch",
}
_NUCLEUS_PAIRS: dict[float, str] = {
    0.3: "u/y",
    0.4: "i/y o/e I/e",
    0.5: "i/I u/o e/E i/E",
    0.6: "a/o a/e a/E",
    0.7: "i/e o/E I/E u/e",
}
_CODA_PAIRS: dict[float, str] = {0.2: "n/N", 0.4: "r/", 0.5: "n/ N/ i/ u/", 0.7: "i/n u/N i/u"}
_MEDIAL_PAIRS: dict[float, str] = {0.3: "i/v", 0.4: "i/ u/ u/v", 0.6: "v/ i/u"}
_NUCLEUS_SHARE = 0.8
_NEUTRAL_TONE, _TONE_NOT_GIVEN, _NO_TONE = 5, 0, 6
_NO_SYLLABLE = (len(INITIALS), len(FINALS), _NO_TONE)

Codes = npt.NDArray[np.intp]


def _pair_costs(pairs: dict[float, str]) -> dict[frozenset[str], float]:
    return {
        frozenset(pair.split("/")): cost for cost, text in pairs.items() for pair in text.split()
    }


def _initial_table() -> npt.NDArray[np.float64]:
    costs = _pair_costs(_INITIAL_PAIRS)
    size = len(INITIALS)
    table = np.ones((size + 1, size + 1))
    for i, a in enumerate(INITIALS):
        for j, b in enumerate(INITIALS):
            table[i, j] = 0.0 if a == b else costs.get(frozenset({a, b}), 1.0)
    return table


def _final_table() -> npt.NDArray[np.float64]:
    medial, nucleus, coda = map(_pair_costs, (_MEDIAL_PAIRS, _NUCLEUS_PAIRS, _CODA_PAIRS))

    def part(costs: dict[frozenset[str], float], a: str, b: str) -> float:
        return 0.0 if a == b else costs.get(frozenset({a, b}), 1.0)

    parts = list(FINALS.values())
    table = np.ones((len(parts) + 1, len(parts) + 1))
    for i, a in enumerate(parts):
        for j, b in enumerate(parts):
            cost = (
                part(medial, a[0], b[0])
                + _NUCLEUS_SHARE * part(nucleus, a[1], b[1])
                + part(coda, a[2], b[2])
            )
            table[i, j] = min(1.0, cost)
    return table


def _tone_table() -> npt.NDArray[np.float64]:
    table = 1.0 - np.eye(7)
    table[_NEUTRAL_TONE, 1:5] = table[1:5, _NEUTRAL_TONE] = 0.4
    table[2, 3] = table[3, 2] = 0.6  # third-tone sandhi (三声变调) turns 3 into 2
    table[_TONE_NOT_GIVEN, :] = table[:, _TONE_NOT_GIVEN] = 0.0
    table[_NO_TONE, :] = table[:, _NO_TONE] = 1.0
    return table


_INITIAL_COST = INITIAL_WEIGHT * _initial_table()
_FINAL_COST = FINAL_WEIGHT * _final_table()
_TONE_COST = TONE_WEIGHT * _tone_table()
_INITIAL_CODE = {initial: code for code, initial in enumerate(INITIALS)}
_FINAL_CODE = {final: code for code, final in enumerate(FINALS)}


@lru_cache(maxsize=8192)
def _code(syllable: str) -> tuple[int, int, int]:
    try:
        initial, final, tone = parse(syllable)
    except SyllableError:
        return _NO_SYLLABLE
    return _INITIAL_CODE[initial], _FINAL_CODE[final], tone


def encode(syllables: Sequence[str]) -> Codes:
    """Syllables → integer codes, shape (n, 3); what is no syllable is at distance 1 from all."""
    return _encode(tuple(syllables))


@lru_cache(maxsize=512)
def _encode(syllables: tuple[str, ...]) -> Codes:
    return np.array([_code(s) for s in syllables], dtype=np.intp).reshape(-1, 3)


def cost_matrix(a: Codes, b: Codes) -> npt.NDArray[np.float64]:
    """Distances of all pairs, shape (len(a), len(b)), each 0..1."""
    return np.asarray(
        _INITIAL_COST[a[:, :1], b[None, :, 0]]
        + _FINAL_COST[a[:, 1:2], b[None, :, 1]]
        + _TONE_COST[a[:, 2:], b[None, :, 2]],
        dtype=np.float64,
    )


@lru_cache(maxsize=65536)
def distance(a: str, b: str) -> float:
    """How unlike two syllables sound, 0 (the same) to 1; symmetric. Never raises.

    A tone costs at most 0.15, a fuzzy pair such as zh/z or in/ing about 0.08, a tone not given
    nothing. What is no syllable is at distance 1 from everything.
    """
    x, y = _code(a), _code(b)
    return float(_INITIAL_COST[x[0], y[0]] + _FINAL_COST[x[1], y[1]] + _TONE_COST[x[2], y[2]])
