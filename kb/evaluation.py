"""How well the search does on labelled questions, as counts with Wilson intervals."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import sqrt
from typing import Any, Literal

import numpy as np

from asr import phonetics
from kb.corpus import Labelled, Recognised
from kb.coverage import Given
from kb.noise import Homophones
from kb.search import Candidate, Searcher, SearchResult

Heard = Literal["clean", "noisy", "sound", "spoken"]
"""What the search is given: the text; the text with made-up homophone errors; syllables only
(those of the noisy text, as a listener that errs as often would give them); what recognisers
made of it."""

_Z = 1.96  # 95 %


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `total`, with the 95 % Wilson score interval (Wilson 1927)."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        return self.hits / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        if not self.total:
            return (0.0, 1.0)
        n, p, z2 = self.total, self.value, _Z * _Z
        middle = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = _Z * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
        return (max(0.0, middle - half), min(1.0, middle + half))

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:6.1%} [{low:5.1%}, {high:5.1%}]  {self.hits}/{self.total}"


@dataclass(slots=True)
class _Tally:
    """Counts over some of the questions."""

    hits: dict[str, int] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, hit: bool) -> None:
        self.hits[name] = self.hits.get(name, 0) + hit
        self.totals[name] = self.totals.get(name, 0) + 1

    def add(self, result: SearchResult, expect: frozenset[str]) -> None:
        ids = [candidate.id for candidate in result.candidates]
        answered, asked = result.decision == "answer", result.decision == "clarify"
        if not expect:
            self.count("false_answers", answered)
            self.count("false_clarified", asked)
            return
        right = result.entry in expect
        self.count("top_1", bool(expect & set(ids[:1])))
        self.count("top_3", bool(expect & set(ids[:3])))
        self.count("answered_right", answered and right)
        self.count("answered_wrong", answered and not right)
        self.count("clarified", asked)
        self.count("clarified_with_right", asked and bool(expect & set(ids[:2])))

    def shares(self) -> dict[str, Share]:
        return {name: Share(self.hits[name], self.totals[name]) for name in self.totals}


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one run.

    A question counts as answerable when at least one expected entry is in the index.
    """

    heard: Heard
    shares: dict[str, Share]
    by_tag: dict[str, dict[str, Share]]
    milliseconds: dict[str, float]
    """p50, p95 and p99 of one search, embedding included."""
    given: tuple[Given, ...] = ()
    """The best candidate of each question."""
    coverage: float = 0.0
    """The share of all questions that was answered."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON: every share as value, interval, hits and total."""

        def plain(shares: dict[str, Share]) -> dict[str, Any]:
            return {
                name: {
                    "value": round(share.value, 4),
                    "interval": [round(bound, 4) for bound in share.interval],
                    "hits": share.hits,
                    "total": share.total,
                }
                for name, share in shares.items()
            }

        return {
            "heard": self.heard,
            "shares": plain(self.shares),
            "by_tag": {tag: plain(shares) for tag, shares in self.by_tag.items()},
            "milliseconds": self.milliseconds,
            "coverage": round(self.coverage, 4),
        }

    def table(self) -> str:
        """For people."""
        lines = [f"heard: {self.heard}"]
        lines += [f"  {name:22}{share}" for name, share in self.shares.items()]
        lines.append(
            "  " + ", ".join(f"{name} {value:.1f} ms" for name, value in self.milliseconds.items())
        )
        for tag, shares in sorted(self.by_tag.items()):
            figures = "  ".join(
                f"{name} {share.value:.0%} of {share.total}"
                for name, share in shares.items()
                if name in ("top_1", "answered_right", "answered_wrong", "false_answers")
            )
            lines.append(f"  {tag:14}{figures}")
        return "\n".join(lines)


def evaluate(
    searcher: Searcher,
    questions: Sequence[Labelled],
    *,
    on: date,
    heard: Heard = "clean",
    recognised: Mapping[str, Recognised] | None = None,
) -> Report:
    """Ask every question once and count. Blocking: 6 to 50 ms a question.

    Parameters:
        recognised: by id, where `heard` is "spoken"; questions that are not in it are left out.
    """
    index = searcher.index
    published = {entry.id for entry in index.entries}
    words = _words(questions, heard, Homophones(index.wordings), recognised or {})
    overall, tags, times = _Tally(), dict[str, _Tally](), []
    given: list[Given] = []
    answered = 0
    for asked in questions:
        if asked.id not in words:
            continue
        said = words[asked.id]
        started = time.perf_counter()
        result = searcher.search(
            said.text,
            alternatives=said.alternatives,
            syllables=said.syllables,
            region=asked.region,
            on=on,
        )
        times.append((time.perf_counter() - started) * 1000)
        expect = asked.expect & published
        best = result.candidates[0] if result.candidates else Candidate("", 0.0)
        given.append(Given(best.score, best.id in expect))
        answered += result.decision == "answer"
        overall.add(result, expect)
        for tag in asked.tags:
            tags.setdefault(tag, _Tally()).add(result, expect)
    marks = np.percentile(times, [50, 95, 99]) if times else np.zeros(3)
    return Report(
        heard,
        overall.shares(),
        {tag: tally.shares() for tag, tally in tags.items()},
        {name: round(float(ms), 2) for name, ms in zip(("p50", "p95", "p99"), marks, strict=True)},
        tuple(given),
        answered / max(1, len(given)),
    )


def _words(
    questions: Sequence[Labelled],
    heard: Heard,
    noise: Homophones,
    recognised: Mapping[str, Recognised],
) -> Mapping[str, Recognised]:
    if heard == "spoken":
        return recognised
    if heard == "clean":
        return {asked.id: Recognised(asked.query) for asked in questions}
    texts = {asked.id: noise.spoil(asked.query, asked.id) for asked in questions}
    if heard == "noisy":
        return {id: Recognised(text) for id, text in texts.items()}
    return {
        id: Recognised("", syllables=phonetics.to_syllables(text)) for id, text in texts.items()
    }
