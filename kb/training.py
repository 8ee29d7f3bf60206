"""Fitting the ranker: one reproducible function from the files in `kb/data` to its weights.

Two sources of questions: the tuning split (gate queries, with and without made-up recognition
errors), and each extra phrasing of an entry asked against an index that lacks it. Thresholds are
chosen on out-of-fold probabilities of the tuning split, never on the ones fitted on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kb import regions
from kb.adapter import ADAPTED, Adapter, adapted
from kb.corpus import Labelled
from kb.entry import Entry
from kb.features import Question, Views, compare
from kb.fitting import (
    Cases,
    Flags,
    Judged,
    figures_of,
    first_thresholds,
    fit,
    joined,
    probabilities,
    settled_share,
    thresholds,
)
from kb.index import Embed, Embedder, Index, build
from kb.noise import Homophones
from kb.ranker import CANDIDATES, Case, Model, Ranker, prepare, view_names
from kb.vectors import Floats

FOLDS = 10
PARTS = 8
"""The phrasings are left out of the index in so many turns, two or three of an entry in each."""
PHRASING_WEIGHT = 0.03
"""Phrasings are many and alike: together they count as a fifth of the tuning queries."""
TWIN_WEIGHT = 0.3
"""Of a tuning query with made-up recognition errors, and of one without the place's name."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A question with its similarities, and which entries were eligible."""

    views: Views
    eligible: Flags
    local: Flags
    ids: tuple[str, ...]
    expect: frozenset[str]


def train(
    entries: Sequence[Entry],
    tuning: Sequence[Labelled],
    embedder: Embedder,
    *,
    gaps: Sequence[str] = (),
    embed: Embed | None = None,
    quickest: str = "",
    adapters: tuple[Adapter, ...] | None = None,
    resolve_region: Callable[[str], str | None] = regions.mentioned,
    on: date,
    progress: Callable[[str], None] = lambda _: None,
) -> Ranker:
    """Fit all models of the ranker: about 3 minutes, most of it embedding.

    Args:
        entries: published on the day `on`, with their phrasings.
        tuning: questions that played no part in writing the entries or the phrasings.
        embed: a faster way to embed many texts.
        quickest: the encoder that is to be asked first; none by default.
        adapters: those whose views are weighed; by default the package's.
    """
    texts = [text for entry in entries for text in entry.wordings]
    known: dict[str, Floats] = {}

    def vectors(wanted: Sequence[str]) -> Floats:
        missing = [t for t in dict.fromkeys(wanted) if t not in known]
        if missing:
            known.update(zip(missing, (embed or embedder.embed)(missing), strict=True))
        return np.stack([known[t] for t in wanted])

    def seen(index: Index, asked: Labelled) -> _Seen:
        question = Question.heard(asked.query)
        question = replace(question, vectors=vectors(question.texts[:1]))
        place = resolve_region(asked.query) or asked.region
        return _Seen(
            compare(index, question),
            np.array([regions.covers(e.region, place) for e in index.entries], bool),
            np.array([bool(e.region) and bool(place) for e in index.entries], bool),
            tuple(e.id for e in index.entries),
            asked.expect & {e.id for e in index.entries},
        )

    progress("embedding the entries")
    index = build(entries, embedder, gaps=gaps, embed=vectors, adapters=adapters)
    progress("embedding the tuning queries")
    noise = Homophones(texts)
    spoilt = [replace(a, query=noise.spoil(a.query, a.id)) for a in tuning]
    placeless = [_place_unsaid(a, resolve_region) for a in tuning]
    phrasings = [p for e in entries for p in e.phrasings]
    asked_texts = [*(a.query for a in (*tuning, *spoilt, *placeless)), *phrasings]
    vectors([t for text in asked_texts for t in Question.heard(text).texts])
    clean, noisy, unnamed = (
        [seen(index, asked) for asked in questions] for questions in (tuning, spoilt, placeless)
    )
    progress("asking each phrasing against an index without it")
    left_out: list[_Seen] = []
    for part in range(PARTS if any(e.phrasings for e in entries) else 0):
        rest = [replace(e, phrasings=_others(e.phrasings, part)) for e in entries]
        partial = build(rest, embedder, gaps=gaps, embed=vectors, adapters=adapters)
        left_out += [
            seen(partial, Labelled(e.id, phrasing, frozenset({e.id}), e.region or None))
            for e in entries
            for phrasing in e.phrasings[part::PARTS]
        ]
    folds = np.array([_fold(asked.id) for asked in tuning])
    encoders = sorted(embedder.parts)
    maps = {adapter.name for adapter in index.adapters}
    fitted: dict[str, tuple[Model, Judged]] = {}
    figures: dict[str, Any] = {}
    for label, views in _sets_of_views(encoders, maps).items():
        progress(f"fitting {label}")
        model, judged, figures[label] = _fit_one(views, clean, (noisy, unnamed), left_out, folds)
        fitted[label] = model, judged
    if quickest in fitted and len(encoders) > 1:
        first, judged = fitted[quickest]
        certain, hopeless = first_thresholds(judged, fitted["+".join(encoders)][1])
        fitted[quickest] = replace(first, certain=certain, hopeless=hopeless), judged
        figures[quickest]["settled"] = settled_share(judged, certain, hopeless)
    provenance = {
        "made_by": "kb.training.train",
        "on": on.isoformat(),
        "entries": len(entries),
        "phrasings": sum(len(e.phrasings) for e in entries),
        "tuning_queries": len(tuning),
        "tuning_sha256": hashlib.sha256("\n".join(a.query for a in tuning).encode()).hexdigest(),
        "gaps": len(index.gaps),
        "cross_validation": figures,
    }
    return Ranker(tuple(model for model, _ in fitted.values()), provenance)


def _sets_of_views(encoders: Sequence[str], adapters: Set[str]) -> dict[str, tuple[str, ...]]:
    """What may be at hand, by a label: all encoders, one, none; with their adapters or, in an
    index of many entries, without."""
    alone = [(name,) for name in encoders] if len(encoders) > 1 else []
    sets: dict[str, tuple[str, ...]] = {}
    for names in (tuple(encoders), *alone):
        label = "+".join(names)
        own = {adapted(name) for name in names} | ({ADAPTED} if len(names) > 1 else set())
        sets[label] = view_names([*names, *(own & adapters)])
        if own & adapters:
            sets[f"{label} unadapted"] = view_names(names)
    return sets | {"words": view_names([]), "sound": view_names([], text=False)}


def _place_unsaid(asked: Labelled, resolve_region: Callable[[str], str | None]) -> Labelled:
    """The same question from a caller whose place is known and who does not say it."""
    place = resolve_region(asked.query) or asked.region
    query = regions.without_name(asked.query, place) or asked.query
    return replace(asked, query=query, region=place)


def _others(items: tuple[str, ...], part: int) -> tuple[str, ...]:
    return tuple(item for place, item in enumerate(items) if place % PARTS != part)


def _fold(name: str) -> int:
    """Stable from run to run, and the same for a query and its noisy twin."""
    return hashlib.sha256(name.encode()).digest()[0] % FOLDS


def _fit_one(
    views: tuple[str, ...],
    clean: Sequence[_Seen],
    twins: Sequence[Sequence[_Seen]],
    left_out: Sequence[_Seen],
    folds: NDArray[np.int_],
) -> tuple[Model, Judged, dict[str, Any]]:
    """One model, and its out-of-fold probabilities and figures."""
    main = _cases(clean, views, 1.0)
    noisy, unnamed = (_cases(twin, views, TWIN_WEIGHT) for twin in twins)
    extra = [_cases(left_out, views, PHRASING_WEIGHT)] if left_out else []
    width = main.candidates.shape[2]
    held_out = np.zeros((3, len(clean), CANDIDATES))
    for fold in range(FOLDS):
        kept = folds != fold
        fitted = fit(joined([c.where(kept) for c in (main, noisy, unnamed)] + extra))
        for row, cases in enumerate((main, noisy, unnamed)):
            held_out[row, ~kept] = probabilities(fitted, cases.where(~kept))[:, :-1]
    answer, clarify = thresholds(held_out[0], main)
    final = fit(joined([main, noisy, unnamed, *extra]))
    figures = {
        name: figures_of(rows, cases, answer, clarify)
        for name, rows, cases in zip(
            ("clean", "noisy", "place_unsaid"), held_out, (main, noisy, unnamed), strict=True
        )
    }
    typical = main.nothing.mean(axis=0)
    model = Model(views, final[:width], final[width:], typical, answer, clarify)
    return model, Judged(held_out[0], main, answer, clarify), figures


def _cases(seen: Sequence[_Seen], views: tuple[str, ...], weight: float) -> Cases:
    made: list[tuple[_Seen, Case]] = []
    for one in seen:
        case = prepare(one.views, views, one.eligible, one.local)
        if case is None:
            raise ValueError("Training needs at least one entry that every question may have.")
        made.append((one, case))
    n, f = len(made), len(made[0][1].candidates[0])
    candidates = np.zeros((n, CANDIDATES, f))
    present = np.zeros((n, CANDIDATES), bool)
    right = np.zeros((n, CANDIDATES + 1), bool)
    for row, (one, case) in enumerate(made):
        count = len(case.rows)
        candidates[row, :count] = case.candidates
        present[row, :count] = True
        right[row, :count] = [one.ids[place] in one.expect for place in case.rows]
        right[row, -1] = not right[row, :count].any()
    return Cases(
        candidates,
        present,
        np.nan_to_num(np.stack([case.nothing for _, case in made])),
        right,
        np.array([bool(one.expect) for one, _ in made]),
        np.full(n, weight),
    )
