"""The words that explain syllables best: Viterbi over a lattice of words with a bigram model.

Each word costs what it costs after the word before it, and what it costs that it was heard as
these syllables. Other readings come by A* backwards over the same lattice, with the costs of the
forward pass as the exact heuristic (Nagata 1994, "A stochastic Japanese morphological analyzer
using a forward-DP backward-A* N-best search algorithm").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush, nsmallest
from typing import NamedTuple

from asr.hanzi.lexicon import Lexicon, pair, standard
from asr.hanzi.matching import UNKNOWN, Match, matches

_BEAM = 10
_MOST_STEPS = 400


class Word(NamedTuple):
    """A word of a reading, for the syllables ``[start, end)``."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to write syllables down.

    ``cost`` is the negative log-probability of the text and of its being heard so, in nats: the
    difference between two readings of the same syllables tells how much likelier one is.
    """

    text: str
    cost: float
    words: tuple[Word, ...]


class _Node(NamedTuple):
    """A word that ends at some place, at the least cost with which the words before it do."""

    cost: float
    word: int
    match: Match | None


def decode(
    syllables: Sequence[str], lexicon: Lexicon | None = None, *, most: int = 5
) -> tuple[Reading, ...]:
    """Toned syllables ("zhao2") → readings in hanzi, the best first, all texts different.

    There is one character for each syllable; what is no syllable, or one that no word has, stands
    in the text as it came. Tones and pairs that the telephone blurs (zh/z, n/l, in/ing) are
    weighed softly. Nothing for no syllables. Never raises for any strings.

    Args:
        syllables: as a ``Hypothesis`` of the listener has them.
        lexicon: the one that comes with the project where none is given.
        most: readings at most; there are fewer where the lattice has no more.
    """
    heard = tuple(syllables)
    if not heard:
        return ()
    lexicon = lexicon or standard()
    return _best(heard, _forward(heard, lexicon), lexicon, most)


def _forward(heard: tuple[str, ...], lexicon: Lexicon) -> list[list[_Node]]:
    """The nodes that end before each syllable and after the last, those of the beam."""
    ending: list[dict[tuple[int, int], _Node]] = [{} for _ in range(len(heard) + 1)]
    ending[0][0, 0] = _Node(0.0, 0, None)
    beams: list[list[_Node]] = []
    pairs, own, others = lexicon.pairs, lexicon.cost, lexicon.others
    for at in range(len(heard)):
        beam = nsmallest(_BEAM, ending[at].values())
        beams.append(beam)
        least = min(node.cost + others[node.word] for node in beam)
        counted = [(node.cost, pair(node.word, 0)) for node in beam if others[node.word]]
        for match in matches(lexicon, heard[at : at + lexicon.longest]):
            word = match.word
            cost = least + own[word]
            for before, first in counted:
                after = pairs.get(first + word)
                if after is not None and before + after < cost:
                    cost = before + after
            cost += match.cost
            there = ending[at + match.length]
            known = there.get((match.length, word))
            if known is None or cost < known.cost:
                there[match.length, word] = _Node(cost, word, match)
    beams.append(nsmallest(_BEAM, ending[-1].values()))
    return beams


def _best(
    heard: tuple[str, ...], beams: list[list[_Node]], lexicon: Lexicon, most: int
) -> tuple[Reading, ...]:
    found: dict[str, Reading] = {}
    order = 0  # equal costs come in the order in which they were found
    # (cost of the whole, order, cost of what follows the node, the node, its end, what follows)
    open_: list[tuple[float, int, float, _Node, int, tuple[Word, ...]]] = []
    for node in beams[-1]:
        order += 1
        heappush(open_, (node.cost, order, 0.0, node, len(heard), ()))
    for _ in range(_MOST_STEPS + len(heard)):
        if not open_ or len(found) == most:
            break
        whole, _, behind, node, end, after = heappop(open_)
        match = node.match
        if match is None:
            text = "".join(word.text for word in after)
            found.setdefault(text, Reading(text, whole, after))
            continue
        start = end - match.length
        spelled = heard[start] if match.word == UNKNOWN else lexicon.words[match.word]
        words = (Word(spelled, start, end), *after)
        for before in beams[start]:
            step = behind + match.cost + _after(lexicon, before.word, match.word)
            order += 1
            heappush(open_, (before.cost + step, order, step, before, start, words))
    return tuple(found.values())


def _after(lexicon: Lexicon, first: int, second: int) -> float:
    counted = lexicon.pairs.get(pair(first, second))
    return lexicon.others[first] + lexicon.cost[second] if counted is None else counted
