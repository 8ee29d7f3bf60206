"""The figures of an evaluation, counted as ``TRIAGE_RUBRIC.md`` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import numpy as np

from flows.triage.assessment import ROUTES, Assessment
from flows.triage.calibration import is_brief
from flows.triage.cases import Case

BASE_RATE = 3.0
"""Calls of 10,000 to 12345 that belong to 110 at once."""
_BINS = 10
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Wrong:
    """A line that went wrong: a ``miss`` or a ``false alarm``."""

    kind: str
    case: Case
    assessment: Assessment

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "text": self.case.turn.text or " ".join(self.case.turn.syllables),
            "route": self.assessment.route,
            "expected": self.case.route,
            "urgent": self.assessment.probabilities["110_now"],
            "tags": sorted(self.case.tags),
        }

    def shown(self) -> str:
        row = self.as_dict()
        return f"{row['kind']:<12}{row['urgent']:6.1%}  {row['expected']} → {row['route']}  " + (
            f"{row['text']}  [{', '.join(row['tags'])}]"
        )


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of one run; `table` for people, `as_dict` for machines."""

    figures: dict[str, Any]
    missed_by_tag: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    alarmed_by_tag: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    wrong: tuple[Wrong, ...] = ()

    def as_dict(self, *, lines: bool = False) -> dict[str, Any]:
        """`lines`: the misses and false alarms too, with their words."""
        shown = {"wrong": [each.as_dict() for each in self.wrong]} if lines else {}
        return {
            **self.figures,
            "missed_by_tag": {tag: list(pair) for tag, pair in self.missed_by_tag.items()},
            "alarmed_by_tag": {tag: list(pair) for tag, pair in self.alarmed_by_tag.items()},
            **shown,
        }

    def table(self, *, lines: bool = False) -> str:
        rows = [
            f"{name:<26}{_shown(value)}"
            for name, value in self.figures.items()
            if not isinstance(value, dict)
        ]
        for title, counts in (("missed", self.missed_by_tag), ("alarmed", self.alarmed_by_tag)):
            shown = ", ".join(f"{tag} {bad}/{of}" for tag, (bad, of) in counts.items() if bad)
            rows.append(f"{title + ' by tag':<26}{shown or 'none'}")
        rows += ["", f"{'meant, decided':<26}" + "".join(f"{route:>9}" for route in ROUTES)]
        for meant, decided in self.figures["confusion"].items():
            rows.append(f"{meant:<26}" + "".join(f"{decided[route]:>9}" for route in ROUTES))
        if lines and self.wrong:
            rows += ["", *(each.shown() for each in self.wrong)]
        return "\n".join(rows)


def quiet(case: Case) -> bool:
    """A case whose alarm would be a false one."""
    return case.route in ("12345", "neither") and "110_now" not in case.accept


def share(judged: Sequence[bool]) -> float:
    return sum(judged) / max(len(judged), 1)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927)."""
    if not trials:
        return 0.0, 1.0
    share, spread = successes / trials, _Z * _Z / trials
    centre = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(0.0, centre - half), min(1.0, centre + half)


def report(
    cases: Sequence[Case],
    assessed: Sequence[Assessment],
    milliseconds: Sequence[float],
    base_rate: float = BASE_RATE,
) -> Report:
    """The figures that need no further assessment; `base_rate` in 10,000 calls."""
    pairs = list(zip(cases, assessed, strict=True))
    urgent = [(c, a) for c, a in pairs if c.route == "110_now"]
    calm = [(c, a) for c, a in pairs if quiet(c)]
    short_urgent = [(c, a) for c, a in urgent if is_brief(c.turn.text)]
    short_quiet = [(c, a) for c, a in calm if is_brief(c.turn.text)]
    missed = [(c, a.route not in c.accept) for c, a in urgent]
    alarmed = [(c, a.route == "110_now") for c, a in calm]
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
    at_once = share([a.action == "handoff" for _, a in urgent])
    wrongly_at_once = share([a.action == "handoff" and a.route == "110_now" for _, a in calm])
    figures: dict[str, Any] = {
        "lines": len(cases),
        "recall": share([not bad for _, bad in missed]),
        "recall_interval": wilson(caught, len(urgent)),
        "recall_count": [caught, len(urgent)],
        "false_alarms": share([bad for _, bad in alarmed]),
        "false_alarms_interval": wilson(alarms, len(calm)),
        "false_alarms_count": [alarms, len(calm)],
        "accuracy": sum(right) / len(right),
        "accuracy_interval": wilson(sum(right), len(right)),
        "handed_off": at_once,
        "handed_off_wrongly": wrongly_at_once,
        "base_rate_per_10000": base_rate,
        "ppv": _ppv(base_rate, caught / max(len(urgent), 1), alarms / max(len(calm), 1)),
        "ppv_handed_off": _ppv(base_rate, at_once, wrongly_at_once),
        "asked": sum(a.action == "ask" for _, a in pairs) / len(pairs),
        "asked_wrongly": share([a.action == "ask" for _, a in calm]),
        "to_110_wrongly": share([a.action == "handoff" and "110" not in c.accept for c, a in calm]),
        "short_recall": share([a.route in c.accept for c, a in short_urgent]),
        "short_handed_off": share([a.action == "handoff" for _, a in short_urgent]),
        "short_handed_off_wrongly": share(
            [a.action == "handoff" and a.route not in c.accept for c, a in short_quiet]
        ),
        "short_asked_wrongly": share([a.action == "ask" for _, a in short_quiet]),
        "short_count": [len(short_urgent), len(short_quiet)],
        "category": sum(categorised) / max(len(categorised), 1),
        "lines_recall": found / max(sum(len(want) for want, _ in wanted), 1),
        "lines_precision": found / max(sum(len(got) for _, got in wanted), 1),
        "lines_exact": share([want == got for want, got in wanted]),
        "calibration_error": _calibration_error(pairs),
        "ms_p50": float(np.percentile(milliseconds, 50)),
        "ms_p95": float(np.percentile(milliseconds, 95)),
        "confusion": {
            meant: {
                decided: sum(c.route == meant and a.route == decided for c, a in pairs)
                for decided in ROUTES
            }
            for meant in ROUTES
        },
    }
    wrong = (
        *(Wrong("miss", c, a) for c, a in urgent if a.route not in c.accept),
        *(Wrong("false alarm", c, a) for c, a in calm if a.route == "110_now"),
    )
    return Report(figures, _by_tag(missed), _by_tag(alarmed), wrong)


def _ppv(base_rate: float, recall: float, false_alarms: float) -> float:
    """Share of alarms that are right where `base_rate` of 10,000 calls are an emergency."""
    true = base_rate / 10_000 * recall
    return true / max(true + (1 - base_rate / 10_000) * false_alarms, 1e-12)


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
