"""Training the classifier of departments: one reproducible function (`voicebot dispatch train`).

From matters as callers tell them (``data/train.tsv``), the knowledge base's questions and the
duties' own words. Temperature and threshold are set on lines left out of the fit, fold by fold,
those of the knowledge base, which others wrote, as much as the written ones;
``data/held_out.tsv`` is only measured on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.dispatch.duties import Catalogue, read_catalogue
from flows.dispatch.lines import TRAINING, Line, read_lines
from flows.dispatch.model import (
    EMBEDDING_SCALE,
    NEAR_SCALE,
    WEIGHTS,
    WORDING_SCALE,
    DispatchModel,
    Weights,
    digest,
    nearness,
    save,
)
from flows.triage.features import BUCKETS, wording

Embed = Callable[[Sequence[str]], NDArray[np.float32]]

INVERSE_PENALTY = 3.0
KNOWLEDGE_WEIGHT = 0.05
"""How much a question of the knowledge base counts beside a written line or a duty's word: there
are many of them, of few departments. Then all departments are made to count the same."""
FOLDS = 4
PRECISION = 0.9
"""Share of right proposals, among lines left out, that the threshold must keep."""
SEED = 20221027


def train(
    embed: Embed,
    knowledge: Sequence[Sequence[Line]] = (),
    *,
    training: Path = TRAINING,
    catalogue: Catalogue | None = None,
    target: Path = WEIGHTS,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> DispatchModel:
    """Fit, calibrate and store the classifier; a minute or two.

    Args:
        embed: texts → float32 (n, d), rows of length 1.
        knowledge: the knowledge base's questions, those of an entry together.
        progress: is told how many of the fits are done.

    Raises:
        DispatchError: duties or labelled lines are wrong.
    """
    catalogue = catalogue or read_catalogue()
    lines = _Lines(read_lines(training, catalogue), knowledge, duty_lines(catalogue))
    texts = [line.text for line in lines.every]
    vectors = np.asarray(embed(texts), np.float32)
    features, names = _features(vectors, texts), sorted(catalogue.departments)
    truth = np.array([names.index(line.department) for line in lines.every], np.int32)
    scores = np.zeros((len(texts), len(names)), np.float64)
    for fold in range(FOLDS):
        left = lines.folds == fold
        scores[left] = _scored(features, vectors, truth, lines, left, len(names))
        progress(fold + 1, FOLDS + 1)
    out = lines.folds >= 0
    temperature = _temperature(scores[out], truth[out], lines.shares[out])
    threshold = _threshold(scores[out] / temperature, truth[out], lines.shares[out])
    fitted = _fit(features, truth, lines.weights(truth, np.ones(len(texts), bool)))
    size = vectors.shape[1]
    found = Weights(
        tuple(names),
        fitted.intercept_.astype(np.float32),
        fitted.coef_[:, :size].T.astype(np.float32),
        fitted.coef_[:, size:].T.astype(np.float32),
        temperature,
        threshold,
        vectors[lines.known],
        truth[lines.known],
        digest(catalogue),
    )
    save(found, target)
    progress(FOLDS + 1, FOLDS + 1)
    return DispatchModel(found, catalogue)


def duty_lines(catalogue: Catalogue) -> list[Line]:
    """The names of duties and of their matters, as lines."""
    return [Line(duty.department, words) for duty in catalogue.duties for words in duty.words]


class _Lines:
    """All examples: written ones, the knowledge base's, the duties' own words, in this order."""

    def __init__(
        self, written: Sequence[Line], knowledge: Sequence[Sequence[Line]], duties: Sequence[Line]
    ) -> None:
        questions = [line for entry in knowledge for line in entry]
        self.every = [*written, *questions, *duties]
        rng = np.random.default_rng(SEED)
        by_entry = rng.permutation(len(knowledge)) % FOLDS
        self.folds = np.concatenate(
            [
                rng.permutation(len(written)) % FOLDS,
                np.repeat(by_entry, [len(entry) for entry in knowledge]),
                np.full(len(duties), -1),
            ]
        ).astype(np.int32)
        """In which it is left out; an entry's questions together; -1: in none."""
        self._own = np.array(
            [1.0] * len(written) + [KNOWLEDGE_WEIGHT] * len(questions) + [1.0] * len(duties)
        )
        self.shares = np.array(
            [1.0 / max(1, len(written))] * len(written)
            + [1.0 / max(1, len(questions))] * len(questions)
            + [0.0] * len(duties)
        )
        """What each counts in the calibration: both writers' lines the same in all."""
        self.known = np.ones(len(self.every), bool)
        self.known[len(written) : len(written) + len(questions)] = False

    def weights(self, truth: NDArray[np.int32], kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        """What each of the kept counts in a fit: all departments the same."""
        own, owners = self._own[kept], truth[kept]
        totals = np.bincount(owners, weights=own)
        return np.asarray(own * (own.sum() / np.count_nonzero(totals)) / totals[owners], np.float64)


def _scored(
    features: Any,
    vectors: NDArray[np.float32],
    truth: NDArray[np.int32],
    lines: _Lines,
    left: NDArray[np.bool_],
    departments: int,
) -> NDArray[np.float64]:
    """The scores of the lines left out, by a fit on the others."""
    kept = ~left
    fitted = _fit(features[kept], truth[kept], lines.weights(truth, kept))
    scores = np.full((int(left.sum()), departments), -50.0)
    scores[:, fitted.classes_] = fitted.decision_function(features[left])
    known = lines.known & kept
    near = nearness(vectors[left] @ vectors[known].T, truth[known], departments)
    return np.asarray(scores + NEAR_SCALE * near, np.float64)


def _features(vectors: NDArray[np.float32], texts: Sequence[str]) -> Any:
    """(texts, numbers of an embedding + BUCKETS), sparse, scaled as the model does."""
    from scipy.sparse import csr_matrix, hstack  # type: ignore[import-untyped]

    rows = [wording(text) for text in texts]
    ends = np.cumsum([0] + [len(buckets) for buckets, _ in rows])
    hashed = csr_matrix(
        (
            np.concatenate([values for _, values in rows]),
            np.concatenate([buckets for buckets, _ in rows]),
            ends,
        ),
        shape=(len(texts), BUCKETS),
    )
    return hstack([csr_matrix(vectors * EMBEDDING_SCALE), hashed * WORDING_SCALE]).tocsr()


def _fit(features: Any, truth: NDArray[np.int32], weights: NDArray[np.float64]) -> Any:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=200)
    return model.fit(features, truth, sample_weight=weights)


def _temperature(
    scores: NDArray[np.float64], truth: NDArray[np.int32], counts: NDArray[np.float64]
) -> float:
    """That which makes the truth likeliest."""
    grid = np.linspace(0.5, 5.0, 91)
    own = np.arange(len(truth))
    losses = [-(counts * np.log(_shares(scores / each)[own, truth] + 1e-12)).sum() for each in grid]
    return float(grid[int(np.argmin(losses))])


def _threshold(
    scores: NDArray[np.float64], truth: NDArray[np.int32], counts: NDArray[np.float64]
) -> float:
    """The least probability above which `PRECISION` of the proposals are right."""
    shares = _shares(scores)
    best = shares.max(axis=1)
    order = np.argsort(-best, kind="stable")
    right = (shares.argmax(axis=1) == truth)[order]
    weights = counts[order]
    precision = np.cumsum(weights * right) / np.cumsum(weights)
    enough = np.flatnonzero(precision >= PRECISION)
    return float(best[order][enough[-1]]) if len(enough) else 1.0


def _shares(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float64)
