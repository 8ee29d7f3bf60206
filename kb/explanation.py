"""Why a search found what it found: which wording matched, by its words, its sound, its meaning.

For the people who keep the answers. A call never asks for it: it takes as long as the search again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from kb.entry import Entry
from kb.features import CHARACTER_VIEWS, SOUND_VIEWS, Terms, near_wordings
from kb.index import Block, Index, character_terms
from kb.large_index import LargeIndex
from kb.search import Decision, Examined, Ranked
from kb.vectors import Floats, unit

Way = Literal["text", "sound", "meaning", "place"]
Kind = Literal["question", "variant", "phrasing", "local"]

WAYS: tuple[Way, ...] = get_args(Way)
GAP = 0.5
"""Similarity of the words from which a known gap is told of."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """The wording of an entry that is nearest in one way; `similarity` is within 0..1.

    `kind`: the question itself, a variant, a further phrasing, or one of them without the place.
    """

    wording: str
    kind: Kind
    similarity: float


@dataclass(frozen=True, slots=True)
class Reason:
    """One candidate, its probability, and what speaks for it.

    `nearest` has the ways that could be compared. `weight` says for each way how much it puts
    this entry ahead of the average candidate (log-odds; below 0: behind).
    """

    id: str
    score: float
    nearest: Mapping[Way, Likeness]
    weight: Mapping[Way, float]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A search's result, and how it came about.

    An entry is answered whose probability reaches `answer_at`; two are asked about whose sum
    reaches `clarify_at`. `nothing` is the probability that no entry answers, `gap` the known gap
    that the question resembles, `encoders` who were asked for the meaning.
    """

    decision: Decision
    entry: str | None
    answer_at: float
    clarify_at: float
    nothing: float
    place: str | None
    encoders: tuple[str, ...]
    candidates: tuple[Reason, ...]
    gap: Likeness | None = None


def explain(index: Index | LargeIndex, examined: Examined) -> Explanation:
    """What `kb.search.Searcher.examine` of this index found, with reasons. About 10 ms.

    Of candidates that the caller has left out of `examined.result` nothing is said.
    """
    found, ranked = examined.result, examined.ranked
    if ranked is None:
        return Explanation(found.decision, found.entry, 1.0, 1.0, 1.0, examined.place, (), ())
    asked = Terms.of(ranked.question)
    place_of = {name: number for number, name in enumerate(ranked.names)}
    weights = _weights(ranked)
    compared: dict[int, tuple[Block, Mapping[Way, Floats]]] = {}
    reasons = []
    for candidate in found.candidates:
        number = place_of[candidate.id]
        position = int(ranked.case.rows[number])
        block, row = _block(index, position)
        if id(block) not in compared:
            compared[id(block)] = block, _similarities(block, asked)
        similarities = compared[id(block)][1]
        nearest = _nearest(index.entries[position], block, row, similarities)
        reasons.append(Reason(candidate.id, candidate.score, nearest, weights[number]))
    return Explanation(
        found.decision,
        found.entry,
        ranked.model.answer,
        ranked.model.clarify,
        round(max(0.0, 1.0 - float(ranked.scores.sum())), 4),
        examined.place,
        _encoders(index, asked),
        tuple(reasons),
        _gap(index, asked),
    )


def _block(index: Index | LargeIndex, position: int) -> tuple[Block, int]:
    """Where the entry at that position is compared: a block, and its row in it."""
    if isinstance(index, Index):
        return index, position
    at = int(np.searchsorted(index.fresh_places, position))
    if at < len(index.fresh_places) and index.fresh_places[at] == position:
        return index.fresh, at
    return index.segment.take(np.flatnonzero(index.places == position)), 0


def _similarities(block: Block, asked: Terms) -> Mapping[Way, Floats]:
    """Of every wording of the block to the question, (wordings,) for each way at hand."""
    ways: dict[Way, Floats] = {}
    if asked.characters:
        ways["text"] = _best(
            [block.by_characters.scores(character_terms(text)) for text in asked.characters]
        )
    if asked.sounds:
        ways["sound"] = _best([near_wordings(block, sounds) for sounds in asked.sounds])
    meanings = []
    for name, cut in block.slices.items():
        if len(asked.vectors) and asked.vectors[:, cut].any():
            row = unit(asked.vectors[:, cut])[0]
            meanings.append(block.parts[name].similarities(row))
    if meanings:
        ways["meaning"] = np.mean(meanings, axis=0, dtype=np.float32)
    return ways


def _best(similarities: Sequence[Floats]) -> Floats:
    best: Floats = np.maximum.reduce(list(similarities))
    return best


def _nearest(
    entry: Entry, block: Block, row: int, similarities: Mapping[Way, Floats]
) -> dict[Way, Likeness]:
    start = int(block.starts[row])
    wordings = entry.wordings
    nearest: dict[Way, Likeness] = {}
    for way, values in similarities.items():
        of_entry = values[start : start + len(wordings)]
        best = int(np.argmax(of_entry))
        wording = wordings[best]
        nearest[way] = Likeness(wording, _kind(entry, wording), _share(of_entry[best]))
    return nearest


def _kind(entry: Entry, wording: str) -> Kind:
    if wording == entry.question:
        return "question"
    if wording in entry.variants:
        return "variant"
    return "phrasing" if wording in entry.phrasings else "local"


def _weights(ranked: Ranked) -> list[dict[Way, float]]:
    """For each candidate what each way adds, against the mean of the candidates."""
    shares = ranked.case.candidates * ranked.model.weights
    shares = shares - shares.mean(axis=0)
    ways = np.array([_way(view) for view in ranked.model.views] * 2 + ["place"])
    return [
        {way: round(float(row[ways == way].sum()), 2) for way in WAYS if (ways == way).any()}
        for row in shares
    ]


def _way(view: str) -> Way:
    if view in CHARACTER_VIEWS:
        return "text"
    return "sound" if view in SOUND_VIEWS else "meaning"


def _encoders(index: Index | LargeIndex, asked: Terms) -> tuple[str, ...]:
    slices = index.slices if isinstance(index, Index) else index.fresh.slices
    if not len(asked.vectors):
        return ()
    return tuple(name for name, cut in slices.items() if asked.vectors[:, cut].any())


def _gap(index: Index | LargeIndex, asked: Terms) -> Likeness | None:
    block = index if isinstance(index, Index) else index.fresh
    if not block.gaps or not asked.characters:
        return None
    scores = block.gaps_by_characters.scores(character_terms(asked.characters[0]))
    best = int(np.argmax(scores))
    likeness = Likeness(block.gaps[best], "question", _share(scores[best]))
    return likeness if likeness.similarity >= GAP else None


def _share(value: np.float32 | float) -> float:
    return round(min(1.0, max(0.0, float(value))), 3)
