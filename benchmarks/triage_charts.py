"""Triage's calibration and operating points as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks import charts

if TYPE_CHECKING:
    pass

BINS = 10
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """Recall and share of false alarms by threshold, thresholds falling."""

    label: str
    thresholds: Floats
    recall: Floats
    false_alarms: Floats


def reliability(chances: Floats, truth: Sequence[bool], path: Path) -> None:
    """How often lines given a probability of danger are danger, ten bins; the number in each."""
    figure, axes = charts.new("Gate: probability of danger given, and how often it was danger")
    right = np.array(truth)
    bins = np.minimum((chances * BINS).astype(int), BINS - 1)
    found = [b for b in range(BINS) if (bins == b).any()]
    given = [chances[bins == b].mean() for b in found]
    seen = [right[bins == b].mean() for b in found]
    axes.plot([0, 1], [0, 1], color="grey", lw=1)
    axes.plot(given, seen, marker="o")
    for x, y, b in zip(given, seen, found, strict=True):
        shift = (8, -12)
        axes.annotate(str(int((bins == b).sum())), (x, y), xytext=shift, textcoords="offset points")
    axes.set_xlabel("mean probability of 110_now in the bin")
    axes.set_ylabel("share of its lines labelled 110_now")
    charts.save(figure, path)


def operating_curves(curves: Sequence[Curve], points: Mapping[str, float], path: Path) -> None:
    """Recall against false alarms; on the first curve the thresholds that were chosen."""
    figure, axes = charts.new("Gate: danger recognised against false alarms")
    for curve in curves:
        axes.plot(100 * curve.false_alarms, 100 * curve.recall, label=curve.label)
    first = curves[0]
    for name, threshold in points.items():
        at = int(np.flatnonzero(first.thresholds >= threshold)[-1])
        x, y = 100 * first.false_alarms[at], 100 * first.recall[at]
        axes.scatter(x, y, color="black", zorder=3)
        axes.annotate(name, (x, y), xytext=(8, -12), textcoords="offset points", fontsize=9)
    axes.set_xlim(0, 15)
    axes.set_ylim(50, 100)
    axes.set_xlabel("harmless lines taken for danger, %")
    axes.set_ylabel("danger lines recognised, %")
    axes.legend(fontsize=8, loc="lower right")
    charts.save(figure, path)
