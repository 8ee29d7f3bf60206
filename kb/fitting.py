"""Maximum likelihood for the ranker's conditional logit, and thresholds that keep promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kb.ranker import Doubles

PENALTY = 1e-4
"""Of the squared weights; 1e-3 answered 3 % fewer in cross-validation."""
WRONG_LIMIT = 0.02
"""At most this share of the answerable may be answered wrongly."""
FALSE_LIMIT = 0.05
"""At most this share of the unanswerable may be answered at all."""
LOST_LIMIT = 0.005
"""At most this share of the answerable may be given up before all encoders were asked."""
ASKED_LIMIT = 0.10
"""At most this share of the unanswerable may lead to a question which of two is meant."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Cases:
    """Many cases as arrays: c candidates at most, f features, g features of "no entry"."""

    candidates: Doubles
    """(n, c, f)."""
    present: Flags
    """(n, c)."""
    nothing: Doubles
    """(n, g)."""
    right: Flags
    """(n, c + 1); the last column is "no entry"."""
    answerable: Flags
    """(n,) also where the right entry is not among the candidates."""
    weights: Doubles
    """(n,)."""

    def where(self, chosen: Flags) -> Cases:
        return Cases(
            self.candidates[chosen], self.present[chosen], self.nothing[chosen],
            self.right[chosen], self.answerable[chosen], self.weights[chosen],
        )  # fmt: skip


def joined(parts: Sequence[Cases]) -> Cases:
    """All cases of `parts`, one after another."""
    return Cases(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in Cases.__dataclass_fields__
        )
    )


def probabilities(parameters: Doubles, cases: Cases) -> Doubles:
    width = cases.candidates.shape[2]
    utilities = np.where(cases.present, cases.candidates @ parameters[:width], -1e9)
    utilities = np.hstack([utilities, (cases.nothing @ parameters[width:])[:, None]])
    shares = np.exp(utilities - utilities.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float64)


def fit(cases: Cases) -> Doubles:
    """Parameters of greatest penalised likelihood: (f + g,)."""
    from scipy.optimize import minimize  # type: ignore[import-untyped]

    n, c, f = cases.candidates.shape
    flat = cases.candidates.reshape(n * c, f)
    share = cases.weights / cases.weights.sum()

    def loss(parameters: Doubles) -> tuple[float, Doubles]:
        p = probabilities(parameters, cases)
        hit = (p * cases.right).sum(axis=1) + 1e-12
        slope = (p - p * cases.right / hit[:, None]) * share[:, None]
        gradient = np.concatenate([flat.T @ slope[:, :-1].ravel(), cases.nothing.T @ slope[:, -1]])
        value = -(share * np.log(hit)).sum() + PENALTY * (parameters @ parameters)
        return float(value), gradient + 2 * PENALTY * parameters

    start = np.zeros(f + cases.nothing.shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return np.asarray(found.x, np.float64)


def thresholds(held_out: Doubles, cases: Cases) -> tuple[float, float]:
    """The lowest (answer, clarify) that keep within the limits."""
    best, first_right, two = _best(held_out, cases)
    yes: Flags = cases.answerable
    no: Flags = ~cases.answerable
    answer = 0.99
    for threshold in np.arange(0.99, 0.29, -0.01):
        given: Flags = best >= threshold
        wrong = float((given & ~first_right)[yes].mean()) if yes.any() else 0.0
        if wrong > WRONG_LIMIT or (no.any() and float(given[no].mean()) > FALSE_LIMIT):
            break
        answer = float(threshold)
    clarify = 0.99
    for threshold in np.arange(0.99, 0.29, -0.01):
        asked: Flags = (best < answer) & (two >= threshold)
        if no.any() and float(asked[no].mean()) > ASKED_LIMIT:
            break
        clarify = float(threshold)
    return round(answer, 2), round(clarify, 2)


@dataclass(frozen=True)
class Judged:
    """Out-of-fold probabilities of one model with its cases and thresholds."""

    held_out: Doubles
    cases: Cases
    answer: float
    clarify: float


def first_thresholds(first: Judged, full: Judged) -> tuple[float, float]:
    """The lowest (certain, hopeless) of the model that is asked first, at no loss.

    With them no more is answered wrongly or falsely than by the full model alone, and what is
    given up at once would hardly have been answered.
    """
    best, first_right, _ = _best(first.held_out, first.cases)
    full_best, full_right, _ = _best(full.held_out, full.cases)
    given = full_best >= full.answer
    yes: Flags = full.cases.answerable
    wrong, false = int((given & ~full_right)[yes].sum()), int(given[~yes].sum())
    certain = 0.99
    for threshold in np.arange(0.99, first.answer, -0.01):
        at_once: Flags = best >= threshold
        answered = np.where(at_once, True, given)
        right = np.where(at_once, first_right, full_right)
        if (answered & ~right)[yes].sum() > wrong or answered[~yes].sum() > false:
            break
        certain = float(threshold)
    nothing = 1 - first.held_out.sum(axis=1)
    hopeless = 0.99
    for threshold in np.arange(0.99, 0.5, -0.01):
        lost = (nothing >= threshold) & given & full_right & yes
        if lost.sum() > LOST_LIMIT * yes.sum():
            break
        hopeless = float(threshold)
    return round(certain, 2), round(hopeless, 2)


def settled_share(first: Judged, certain: float, hopeless: float) -> float:
    """The share of the questions for which the other encoders need not be asked."""
    best, nothing = first.held_out.max(axis=1), 1 - first.held_out.sum(axis=1)
    return round(float(((best >= certain) | (nothing >= hopeless)).mean()), 4)


def _best(held_out: Doubles, cases: Cases) -> tuple[Doubles, Flags, Doubles]:
    """(best probability, whether it is right, sum of the two best) of each case."""
    order = np.argsort(-held_out, axis=1)
    ordered = np.take_along_axis(held_out, order, axis=1)
    right = np.take_along_axis(cases.right[:, :-1], order, axis=1)
    return ordered[:, 0], right[:, 0], ordered[:, :2].sum(axis=1)


def _within(right: Flags, places: int) -> Flags:
    return np.asarray(right[:, :places].any(axis=1), np.bool_)


def figures_of(held_out: Doubles, cases: Cases, answer: float, clarify: float) -> dict[str, float]:
    order = np.argsort(-held_out, axis=1)
    right = np.take_along_axis(cases.right[:, :-1], order, axis=1)
    best, first_right, two = _best(held_out, cases)
    given: Flags = np.greater_equal(best, answer)
    asked: Flags = np.logical_and(~given, np.greater_equal(two, clarify))
    yes: Flags = cases.answerable
    no: Flags = ~cases.answerable
    shares = {
        "top_1": first_right[yes],
        "top_3": _within(right, 3)[yes],
        "answered_right": np.logical_and(given, first_right)[yes],
        "answered_wrong": np.logical_and(given, ~first_right)[yes],
        "clarified": asked[yes],
        "clarified_with_right": (asked & _within(right, 2))[yes],
        "false_answers": given[no],
        "false_clarified": asked[no],
    }
    return {name: round(float(values.mean()), 4) for name, values in shares.items() if len(values)}
