"""From similarities to probabilities: a conditional logit over the candidates and "no entry".

Each candidate has a utility linear in its features, and so has the outcome that no entry
answers the question; the probabilities are their softmax. Fitted by maximum likelihood, they
are calibrated by construction, and those of all candidates sum to at most 1 (McFadden 1974).
There is one model for each set of views that may be at hand: both encoders, one of them, words
and sounds without an encoder, sounds alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kb.adapter import ADAPTED
from kb.entry import Entry
from kb.errors import RankerNotReadable
from kb.features import CHARACTER_VIEWS, EMBEDDED_VIEWS, SOUND_VIEWS, Mask, Views
from kb.vectors import Floats

Doubles = NDArray[np.float64]

CANDIDATES = 30
FEW = 50
"""Entries below which their own similarities tell too little of what is usual."""
_Z_SCALE = 3.0  # z-scores of the best are 3 to 6; brought near the raw similarities' range
_FORMAT = 1
FILE = Path(__file__).parent / "data" / "ranker.json"
PLAIN_FILE = FILE.with_name("ranker_plain.json")
"""Fitted on entries with their own variants alone."""
MANY_PHRASINGS = 5.0
"""Further ways to ask for each entry, in the mean, from which on `FILE` is used."""


def view_names(parts: Sequence[str], *, text: bool = True) -> tuple[str, ...]:
    """The views at hand with the encoders `parts`; without text those by sound only."""
    if not text:
        return SOUND_VIEWS
    embedded = tuple(f"{part}_{view}" for part in sorted(parts) for view in EMBEDDED_VIEWS)
    return embedded + CHARACTER_VIEWS + SOUND_VIEWS


@dataclass(frozen=True, slots=True)
class Case:
    """One question made ready for the ranker."""

    rows: NDArray[np.intp]
    """Positions of the candidates in the index, at most `CANDIDATES`."""
    candidates: Doubles
    """(candidates, features)."""
    nothing: Doubles
    """(features,) of the outcome that no entry answers."""


def prepare(
    views: Views,
    names: Sequence[str],
    eligible: Mask,
    local: Mask,
    usual: tuple[Doubles, Doubles] | None = None,
) -> Case | None:
    """Features of the most promising eligible entries; None when there are none.

    Args:
        views: similarities to all entries of the index.
        names: the model's views; all must be in `views`.
        eligible: (entries,) which may be answered at all.
        local: (entries,) which are made for the caller's own region.
        usual: what stands in for the mean and the spread of similarities, (views,) each, where
            there are fewer than `FEW` entries: of five nothing can stand out by three spreads.
    """
    places = np.flatnonzero(eligible) if views.rows is None else views.rows[eligible[views.rows]]
    if not len(places):
        return None
    raw = np.stack([views.of(name, places) for name in names], axis=1).astype(np.float64)
    others = raw if views.sample is None else np.stack([views.sample[n] for n in names], axis=1)
    mean, spread = others.mean(axis=0), others.std(axis=0) + 1e-6
    if usual is not None and len(others) < FEW:
        own = len(others) / FEW
        mean = own * mean + (1 - own) * usual[0]
        spread = own * spread + (1 - own) * usual[1]
    scores = (raw - mean) / spread
    top = np.argsort(-scores.sum(axis=1), kind="stable")[:CANDIDATES]
    candidates = np.hstack(
        [scores[top] / _Z_SCALE, raw[top], local[places][top].astype(np.float64)[:, None]]
    )
    gaps: list[float] = []
    for column, name in enumerate(names):
        for similarity in views.gaps.get(name, ()):
            gaps += [similarity, (similarity - mean[column]) / spread[column] / _Z_SCALE]
    nothing = np.concatenate(
        [[1.0], raw.max(axis=0), scores.max(axis=0) / _Z_SCALE, mean, gaps,
         [np.log1p(views.length), 1 / (1 + views.length)]]
    )  # fmt: skip
    return Case(places[top], candidates, nothing)


@dataclass(frozen=True, slots=True)
class Model:
    """Weights for one set of views, and the thresholds chosen for it."""

    views: tuple[str, ...]
    weights: Doubles
    nothing: Doubles
    typical: Doubles
    """What stands for features of "no entry" that are not-a-number: their mean in training."""
    answer: float
    """Answer when the best candidate's probability reaches this."""
    clarify: float
    """Below `answer`: ask which of the two is meant when their sum reaches this."""
    certain: float | None = None
    """Of the model that is asked first: at this probability no other need be."""
    hopeless: float | None = None
    """The same for the probability that no entry answers."""

    @property
    def encoders(self) -> frozenset[str]:
        """The encoders whose views it needs."""
        suffix = f"_{EMBEDDED_VIEWS[0]}"
        parts = {view.removesuffix(suffix) for view in self.views if view.endswith(suffix)}
        return frozenset(part.removeprefix(f"{ADAPTED} ") for part in parts - {ADAPTED})

    @property
    def usual(self) -> tuple[Doubles, Doubles]:
        """Mean and spread of the similarities in training, (views,) each, from `typical`."""
        count = len(self.views)
        best, score, mean = (self.typical[1 + i * count :][:count] for i in range(3))
        return mean, (best - mean) / (score * _Z_SCALE)

    def settles(self, scores: Doubles) -> bool:
        """Whether these (candidates,) probabilities leave so little doubt that they do."""
        if self.certain is None or self.hopeless is None or not len(scores):
            return False
        return bool(scores.max() >= self.certain or 1 - scores.sum() >= self.hopeless)

    def probabilities(self, case: Case) -> Doubles:
        """(candidates,) probability of each being the right entry."""
        nothing = np.where(np.isnan(case.nothing), self.typical, case.nothing)
        utilities = np.append(case.candidates @ self.weights, nothing @ self.nothing)
        shares = np.exp(utilities - utilities.max())
        return np.asarray(shares[:-1] / shares.sum(), np.float64)


@dataclass(frozen=True, slots=True)
class Ranker:
    """The models by the views they need, with a note of what they were fitted on."""

    models: tuple[Model, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def model_for(self, columns: Mapping[str, Floats]) -> Model | None:
        """The model that uses most of the views at hand; None if none can do with them."""
        able = [m for m in self.models if all(v in columns for v in m.views)]
        return max(able, key=lambda m: len(m.views), default=None)

    @property
    def first(self) -> Model | None:
        """The model that is asked before the slower encoders are."""
        return next((m for m in self.models if m.certain is not None), None)

    def dump(self) -> str:
        """As JSON, weights to six digits."""
        return json.dumps(
            {
                "format": _FORMAT,
                "provenance": self.provenance,
                "models": [
                    {
                        "views": model.views,
                        "answer": model.answer,
                        "clarify": model.clarify,
                        "certain": model.certain,
                        "hopeless": model.hopeless,
                        "weights": [round(float(w), 6) for w in model.weights],
                        "nothing": [round(float(w), 6) for w in model.nothing],
                        "typical": [round(float(w), 6) for w in model.typical],
                    }
                    for model in self.models
                ],
            },
            ensure_ascii=False,
            indent=1,
        )

    @staticmethod
    def parse(text: str, name: str = "the ranker's file") -> Ranker:
        """From `dump`.

        Raises:
            RankerNotReadable: not such a file, or made by another version.
        """
        try:
            data = json.loads(text)
            if data["format"] != _FORMAT:
                raise RankerNotReadable(
                    f"{name} is of format {data['format']}, this version reads {_FORMAT}: "
                    "train it again."
                )
            models = tuple(_model(fields) for fields in data["models"])
        except (ValueError, KeyError, TypeError) as error:
            raise RankerNotReadable(f"{name} is damaged ({error!r}): train it again.") from error
        return Ranker(models, data.get("provenance", {}))

    @staticmethod
    def for_entries(entries: Sequence[Entry]) -> Ranker:
        """The one of the package that was fitted on entries most like these."""
        phrasings = sum(len(entry.phrasings) for entry in entries)
        many = phrasings >= MANY_PHRASINGS * max(1, len(entries))
        return Ranker.load(FILE if many else PLAIN_FILE)

    @staticmethod
    @lru_cache(maxsize=4)
    def load(path: Path = FILE) -> Ranker:
        """The weights that come with the package, or those of `path`.

        Raises:
            RankerNotReadable: missing or damaged.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RankerNotReadable(f"{path} cannot be read: {error}.") from error
        return Ranker.parse(text, str(path))


def _model(fields: Mapping[str, Any]) -> Model:
    views = tuple(map(str, fields["views"]))
    weights = np.array(fields["weights"], np.float64)
    nothing = np.array(fields["nothing"], np.float64)
    typical = np.array(fields["typical"], np.float64)
    if len(typical) != len(nothing):
        raise ValueError("the typical features do not fit the weights")
    if len(weights) != 2 * len(views) + 1 or len(nothing) < 3 * len(views) + 3:
        raise ValueError(f"{len(weights)} weights do not fit {len(views)} views")
    if not all(np.isfinite(numbers).all() for numbers in (weights, nothing, typical)):
        raise ValueError("a weight is not a number")
    answer, clarify = float(fields["answer"]), float(fields["clarify"])
    certain, hopeless = (
        None if fields.get(name) is None else float(fields[name])
        for name in ("certain", "hopeless")
    )
    return Model(views, weights, nothing, typical, answer, clarify, certain, hopeless)
