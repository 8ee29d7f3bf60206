"""Coverage and risk: how many questions are answered, and how many of the answers are wrong.

A search that answers only what it is surer of than some threshold answers fewer questions and
errs less (selective classification; El-Yaniv and Wiener 2010). The curve over all thresholds
compares searches whose scores mean different things; the plain one is a single number, the
cosine of sentence embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kb import regions
from kb.corpus import Labelled
from kb.eligible import Eligibility
from kb.features import Question, compare
from kb.index import Embedder, Index

_POINTS = 50
"""Of a curve as JSON."""


@dataclass(frozen=True, slots=True)
class Given:
    """What would be answered: how sure the search is, and whether it would be right."""

    score: float
    right: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """By falling threshold: of all questions, the share answered and the share answered wrongly."""

    name: str
    coverage: NDArray[np.float64]
    wrong: NDArray[np.float64]

    @staticmethod
    def of(name: str, given: Sequence[Given]) -> Curve:
        """One point for each threshold that tells questions apart, the first at no coverage."""
        ordered = sorted(given, key=lambda one: -one.score)
        scores = np.array([one.score for one in ordered])
        wrong = np.cumsum([not one.right for one in ordered])
        last = np.flatnonzero(np.append(scores[1:] != scores[:-1], [True] * bool(ordered)))
        total = max(1, len(ordered))
        return Curve(name, np.append(0.0, (last + 1) / total), np.append(0.0, wrong[last] / total))

    @property
    def risk(self) -> NDArray[np.float64]:
        """The share of the answers that is wrong."""
        return self.wrong / np.maximum(self.coverage, 1e-12)

    def wrong_at(self, coverage: float) -> float:
        """The share of all questions answered wrongly where so many are answered."""
        return float(np.interp(coverage, self.coverage, self.wrong))

    def as_dict(self) -> dict[str, Any]:
        """At most 50 points, evenly over the coverage."""
        at = np.linspace(0, float(self.coverage[-1]), min(_POINTS, len(self.coverage)))
        wrong = [self.wrong_at(point) for point in at]
        return {
            "coverage": [round(float(point), 4) for point in at],
            "risk": [
                round(share / point, 4) if point else 0.0
                for share, point in zip(wrong, at, strict=True)
            ],
        }


def by_cosine(
    index: Index, embedder: Embedder, questions: Sequence[Labelled], *, on: date
) -> dict[str, list[Given]]:
    """The plain alternative, for each encoder and for all together, whose cosines are averaged."""
    eligibility = Eligibility(index.entries)
    found: dict[str, list[Given]] = {}
    for asked in questions:
        place = regions.mentioned(asked.query) or asked.region
        eligible = eligibility.mask(on, region=place, line=None, audience=None)
        question = Question.heard(asked.query)
        question = Question(question.texts, (), embedder.embed(question.texts[:1]))
        columns = compare(index, question).columns
        each = {name: columns[f"{name}_best"] for name in index.slices if f"{name}_best" in columns}
        if len(each) > 1:
            each["+".join(sorted(each))] = np.mean(list(each.values()), axis=0)
        for name, cosines in each.items():
            allowed = np.where(eligible, cosines, -np.inf)
            best = int(np.argmax(allowed))
            given = Given(float(allowed[best]), index.entries[best].id in asked.expect)
            found.setdefault(name, []).append(given)
    return found


@dataclass(frozen=True, slots=True)
class Comparison:
    """The search against the plain alternative."""

    search: Curve
    cosine: Curve
    coverage: float
    """What the search answers at its own thresholds."""

    @staticmethod
    def of(given: Sequence[Given], plain: dict[str, list[Given]], coverage: float) -> Comparison:
        """Against the encoder, or all together, that errs least at this coverage."""
        curves = [Curve.of(f"cosine {name}", of_name) for name, of_name in plain.items()]
        cosine = min(curves, key=lambda curve: curve.wrong_at(coverage))
        return Comparison(Curve.of("search", given), cosine, coverage)

    def sentence(self) -> str:
        """For people."""
        return (
            f"  where {self.coverage:.1%} of all questions are answered, "
            f"{self.search.wrong_at(self.coverage):.1%} are answered wrongly; "
            f"by {self.cosine.name} {self.cosine.wrong_at(self.coverage):.1%}"
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "coverage": round(self.coverage, 4),
            "wrong_search": round(self.search.wrong_at(self.coverage), 4),
            "wrong_cosine": round(self.cosine.wrong_at(self.coverage), 4),
            "cosine": self.cosine.name,
            "curves": {
                "search": self.search.as_dict(),
                "cosine": self.cosine.as_dict(),
            },
        }
