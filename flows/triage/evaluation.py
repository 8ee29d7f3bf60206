"""How well triage does on labelled lines: figures and counts, never the lines themselves.

A miss is a 110_now line sent outside its `accept`; a false alarm is a 12345 or neither line sent
to 110_now when that is not in its `accept` (``TRIAGE_RUBRIC.md``).
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.phonetics import parse_tokens
from flows.triage.assessment import ROUTES, Assessment, Turn
from flows.triage.errors import InputError
from flows.triage.examples import Example, read_examples
from flows.triage.model import TriageModel

Embed = Callable[[Sequence[str]], NDArray[np.float32]]

_BINS = 10
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Case:
    """A labelled line as it is given to triage."""

    turn: Turn
    route: str
    accept: frozenset[str]
    category: int | None = None
    lines: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of one run; `table` for people, `as_dict` for machines."""

    figures: Mapping[str, Any]
    missed_by_tag: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    alarmed_by_tag: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.figures,
            "missed_by_tag": {tag: list(pair) for tag, pair in self.missed_by_tag.items()},
            "alarmed_by_tag": {tag: list(pair) for tag, pair in self.alarmed_by_tag.items()},
        }

    def table(self) -> str:
        rows = [f"{name:<22}{_shown(value)}" for name, value in self.figures.items()]
        for title, counts in (("missed", self.missed_by_tag), ("alarmed", self.alarmed_by_tag)):
            shown = ", ".join(f"{tag} {bad}/{of}" for tag, (bad, of) in counts.items() if bad)
            rows.append(f"{title + ' by tag':<22}{shown or 'none'}")
        return "\n".join(rows)


def read_cases(path: Path, heard: Path | None = None) -> tuple[Case, ...]:
    """Labelled lines of a .jsonl or .tsv file.

    Args:
        heard: a file of the same ids with ``asr_text``, ``alternatives`` and ``syllables``: the
            lines are then taken as they were recognised, and those not in it are left out.

    Raises:
        InputError, ExampleError: a line is wrong; names it.
    """
    if path.suffix == ".tsv":
        return tuple(_from_example(example) for example in read_examples(path))
    recognised = {row["id"]: row for row in _rows(heard, ("id", "asr_text"))} if heard else None
    cases = []
    for row in _rows(path, ("id", "text", "route")):
        turn = Turn("caller", row["text"])
        if recognised is not None:
            if row["id"] not in recognised:
                continue
            turn = _recognised(recognised[row["id"]])
        cases.append(
            Case(
                turn,
                row["route"],
                frozenset(row.get("accept") or ()) | {row["route"]},
                row.get("category"),
                frozenset(row.get("lines") or ()),
                frozenset(row.get("tags") or ()),
            )
        )
    return tuple(cases)


def evaluate(model: TriageModel, cases: Sequence[Case], embed: Embed | None) -> Report:
    """Assess every case; without `embed` by phrases, wording and sound alone."""
    if not cases:
        raise InputError("There are no labelled lines to evaluate on.")
    texts = list(dict.fromkeys(text for case in cases for text in model.texts((case.turn,))))
    embeddings = dict(zip(texts, embed(texts), strict=True)) if embed and texts else {}
    assessed, milliseconds = [], []
    for case in cases:
        begun = time.perf_counter()
        assessed.append(model.assess((case.turn,), embeddings))
        milliseconds.append(1000 * (time.perf_counter() - begun))
    return _report(cases, assessed, milliseconds)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927)."""
    if not trials:
        return 0.0, 1.0
    share, spread = successes / trials, _Z * _Z / trials
    centre = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(0.0, centre - half), min(1.0, centre + half)


def _report(
    cases: Sequence[Case], assessed: Sequence[Assessment], milliseconds: Sequence[float]
) -> Report:
    pairs = list(zip(cases, assessed, strict=True))
    urgent = [(c, a) for c, a in pairs if c.route == "110_now"]
    quiet = [
        (c, a) for c, a in pairs if c.route in ("12345", "neither") and "110_now" not in c.accept
    ]
    missed = [(c, a.route not in c.accept) for c, a in urgent]
    alarmed = [(c, a.route == "110_now") for c, a in quiet]
    caught = sum(not bad for _, bad in missed)
    alarms = sum(bad for _, bad in alarmed)
    right = [a.route in c.accept for c, a in pairs]
    categorised = [
        a.category == c.category
        for c, a in pairs
        if c.category is not None and a.route in ("110_now", "110")
    ]
    wanted = [(c.lines, frozenset(a.lines)) for c, a in pairs if a.route in c.accept]
    found = sum(len(want & got) for want, got in wanted)
    figures: dict[str, Any] = {
        "lines": len(cases),
        "recall": caught / max(len(urgent), 1),
        "recall_interval": wilson(caught, len(urgent)),
        "recall_count": [caught, len(urgent)],
        "false_alarms": alarms / max(len(quiet), 1),
        "false_alarms_interval": wilson(alarms, len(quiet)),
        "false_alarms_count": [alarms, len(quiet)],
        "accuracy": sum(right) / len(right),
        "accuracy_interval": wilson(sum(right), len(right)),
        "handed_off": sum(a.action == "handoff" for _, a in urgent) / max(len(urgent), 1),
        "handed_off_wrongly": sum(a.action == "handoff" and a.route == "110_now" for _, a in quiet)
        / max(len(quiet), 1),
        "asked": sum(a.action == "ask" for _, a in pairs) / len(pairs),
        "category": sum(categorised) / max(len(categorised), 1),
        "lines_recall": found / max(sum(len(want) for want, _ in wanted), 1),
        "lines_precision": found / max(sum(len(got) for _, got in wanted), 1),
        "calibration_error": _calibration_error(pairs),
        "ms_p50": float(np.percentile(milliseconds, 50)),
        "ms_p95": float(np.percentile(milliseconds, 95)),
    }
    return Report(figures, _by_tag(missed), _by_tag(alarmed))


def _calibration_error(pairs: Sequence[tuple[Case, Assessment]]) -> float:
    """Expected calibration error of the most probable route, ten bins."""
    sure = np.array([max(a.probabilities.values()) for _, a in pairs])
    best = [max(a.probabilities, key=a.probabilities.__getitem__) for _, a in pairs]
    right = np.array([route in c.accept for route, (c, _) in zip(best, pairs, strict=True)])
    bins = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    return float(
        sum(
            abs(right[bins == b].mean() - sure[bins == b].mean()) * (bins == b).mean()
            for b in range(_BINS)
            if (bins == b).any()
        )
    )


def _by_tag(judged: Sequence[tuple[Case, bool]]) -> dict[str, tuple[int, int]]:
    """How many went wrong, of how many, by tag; ``none`` for those without."""
    bad: Counter[str] = Counter()
    of: Counter[str] = Counter()
    for case, wrong in judged:
        for tag in case.tags or {"none"}:
            of[tag] += 1
            bad[tag] += wrong
    return {tag: (bad[tag], of[tag]) for tag in sorted(of, key=lambda tag: (-bad[tag], tag))}


def _rows(path: Path, required: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The labelled lines {path} cannot be read: {error}.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path.name}, line {number}: not valid JSON: {error}.") from error
        missing = [name for name in required if not isinstance(row, dict) or name not in row]
        if missing:
            raise InputError(f"{path.name}, line {number}: {', '.join(missing)} is missing.")
        if "route" in required and row["route"] not in ROUTES:
            raise InputError(f"{path.name}, line {number}: unknown route {row['route']!r}.")
        rows.append(row)
    return rows


def _recognised(row: Mapping[str, Any]) -> Turn:
    spoken = row.get("syllables") or ()
    alternatives = tuple(str(other) for other in row.get("alternatives") or ())
    return Turn("caller", str(row["asr_text"]), alternatives, syllables_of(spoken))


def syllables_of(spoken: str | Sequence[str]) -> tuple[str, ...]:
    """Syllables as a list or a string with spaces, whole or as the listener's tokens."""
    return parse_tokens(tuple(spoken.split() if isinstance(spoken, str) else spoken))


def _from_example(example: Example) -> Case:
    return Case(
        Turn("caller", example.text),
        example.route,
        example.accept,
        example.category,
        example.lines,
        example.tags,
    )


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, tuple | list):
        return " – ".join(_shown(part) for part in value)
    return str(value)
