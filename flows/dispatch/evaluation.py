"""How often the proposed department is the right one, beside two plain ways of proposing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from flows.dispatch.lines import Line
from flows.dispatch.model import DispatchModel
from flows.dispatch.training import Embed

FEWEST = 5
"""Lines of a department that make its share worth showing."""


@dataclass(frozen=True, slots=True)
class Report:
    """Shares, 0..1, over labelled lines."""

    lines: int
    top_1: float
    top_3: float
    majority: float
    """Always the department with the most training lines."""
    nearest: float
    """The department of the nearest training line by embedding."""
    proposed: float
    """Share of lines that are proposed without a person."""
    right_of_proposed: float
    threshold: float
    departments: Mapping[str, float]
    """Top-1 by department, the worst first."""
    missed: tuple[tuple[str, str, str], ...]
    """(right department, proposed one, text) of the wrong ones."""

    def as_dict(self, *, missed: bool = True) -> dict[str, Any]:
        values = asdict(self)
        if not missed:
            del values["missed"]
        return values


def evaluate(model: DispatchModel, lines: Sequence[Line], embed: Embed) -> Report:
    """Measure on labelled lines; the two plain ways go by the model's training lines."""
    vectors = np.asarray(embed([line.text for line in lines]), np.float32)
    known, owners = model.written()
    ranked = [
        list(model.probabilities(line.text, vector).items())
        for line, vector in zip(lines, vectors, strict=True)
    ]
    right = [each[0][0] == line.department for line, each in zip(lines, ranked, strict=True)]
    among = [
        line.department in [key for key, _ in each[:3]]
        for line, each in zip(lines, ranked, strict=True)
    ]
    sure = [each[0][1] >= model.threshold for each in ranked]
    usual = Counter(owners).most_common(1)[0][0]
    nearest = (vectors @ known.T).argmax(axis=1)
    counts = Counter(line.department for line in lines)
    hits = Counter(line.department for line, each in zip(lines, right, strict=True) if each)
    shares = {name: hits[name] / count for name, count in counts.items() if count >= FEWEST}
    return Report(
        len(lines),
        _share(right),
        _share(among),
        _share([line.department == usual for line in lines]),
        _share(
            [owners[index] == line.department for index, line in zip(nearest, lines, strict=True)]
        ),
        _share(sure),
        _share([hit for hit, proposed in zip(right, sure, strict=True) if proposed]),
        model.threshold,
        dict(sorted(shares.items(), key=lambda each: each[1])),
        tuple(
            (line.department, each[0][0], line.text)
            for line, each, hit in zip(lines, ranked, right, strict=True)
            if not hit
        ),
    )


def _share(values: Sequence[bool]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0
