"""How well triage does on labelled lines: figures and counts, never the lines themselves.

A miss is a 110_now line sent outside its `accept`; a false alarm is a 12345 or neither line sent
to 110_now when that is not in its `accept` (``TRIAGE_RUBRIC.md``).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.triage.assessment import Assessment, Turn
from flows.triage.calibration import beginnings, is_brief
from flows.triage.cases import Case
from flows.triage.errors import InputError
from flows.triage.model import TriageModel

Embed = Callable[[Sequence[str]], NDArray[np.float32]]

_BINS = 10
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of one run; `table` for people, `as_dict` for machines."""

    figures: dict[str, Any]
    missed_by_tag: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    alarmed_by_tag: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.figures,
            "missed_by_tag": {tag: list(pair) for tag, pair in self.missed_by_tag.items()},
            "alarmed_by_tag": {tag: list(pair) for tag, pair in self.alarmed_by_tag.items()},
        }

    def table(self) -> str:
        rows = [f"{name:<26}{_shown(value)}" for name, value in self.figures.items()]
        for title, counts in (("missed", self.missed_by_tag), ("alarmed", self.alarmed_by_tag)):
            shown = ", ".join(f"{tag} {bad}/{of}" for tag, (bad, of) in counts.items() if bad)
            rows.append(f"{title + ' by tag':<26}{shown or 'none'}")
        return "\n".join(rows)


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
    report = _report(cases, assessed, milliseconds)
    return replace(report, figures=report.figures | spoken(model, cases, embed))


def spoken(model: TriageModel, cases: Sequence[Case], embed: Embed | None) -> dict[str, Any]:
    """What a call would meet while the lines are being spoken, and as answers to questions.

    A partial hypothesis hands off at once, but asks only when the turn is over.
    """
    quiet = [case for case in cases if _quiet(case)]
    begun = [
        replace(case.turn, text=text, alternatives=(), syllables=())
        for case in quiet
        for text in beginnings(case.turn.text)
    ]
    answers = [replace(case.turn, asked="place") for case in quiet if "reply" in case.tags]
    texts = list(dict.fromkeys(text for turn in begun for text in model.texts((turn,))))
    embeddings = dict(zip(texts, embed(texts), strict=True)) if embed and texts else {}

    def alarming(turn: Turn) -> bool:
        assessment = model.assess((turn,), embeddings)
        return assessment.action == "handoff" and assessment.route == "110_now"

    alarms = {turn.text for turn in begun if alarming(turn)}
    early = [any(text in alarms for text in beginnings(case.turn.text)) for case in quiet]
    answered = [model.assess((turn,), embeddings).action for turn in answers]
    return {
        "handed_off_while_spoken": _share(early),
        "answers_handed_off": _share([action == "handoff" for action in answered]),
        "answers_asked": _share([action == "ask" for action in answered]),
    }


def _quiet(case: Case) -> bool:
    return case.route in ("12345", "neither") and "110_now" not in case.accept


def _share(judged: Sequence[bool]) -> float:
    return sum(judged) / max(len(judged), 1)


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
    quiet = [(c, a) for c, a in pairs if _quiet(c)]
    short_urgent = [(c, a) for c, a in urgent if is_brief(c.turn.text)]
    short_quiet = [(c, a) for c, a in quiet if is_brief(c.turn.text)]
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
        "asked_wrongly": _share([a.action == "ask" for _, a in quiet]),
        "to_110_wrongly": _share(
            [a.action == "handoff" and "110" not in c.accept for c, a in quiet]
        ),
        "short_recall": _share([a.route in c.accept for c, a in short_urgent]),
        "short_handed_off": _share([a.action == "handoff" for _, a in short_urgent]),
        "short_handed_off_wrongly": _share(
            [a.action == "handoff" and a.route not in c.accept for c, a in short_quiet]
        ),
        "short_asked_wrongly": _share([a.action == "ask" for _, a in short_quiet]),
        "short_count": [len(short_urgent), len(short_quiet)],
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


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, tuple | list):
        return " – ".join(_shown(part) for part in value)
    return str(value)
