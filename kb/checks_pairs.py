"""Two entries beside each other: asking the same thing twice, or answering it differently."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from kb.checks import Finding, Severity
from kb.entry import Entry
from kb.facts import contradicting
from kb.index import Embed
from kb.vectors import Floats
from kb.wording import characters, without_fillers

SAME = 0.80
"""Cosine, the mean of all wordings taken off, above which two questions ask the same: 1 of 19,036
pairs of the demonstration entries."""
ALIKE = 0.68
"""The same for questions whose answers should not contradict each other: 18 of those pairs."""
SAME_LETTERS = 90.0
"""rapidfuzz's ratio of two questions without fillers and punctuation, 0…100."""
_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Pair:
    """Two entries for the same callers, and how alike their questions are (0…1)."""

    first: Entry
    second: Entry
    likeness: float
    same: bool


def check_pairs(
    entries: Sequence[Entry], embed: Embed, progress: Callable[[int, int], None] | None = None
) -> Iterator[Finding]:
    """Near duplicates and contradictions; every question is compared with every wording."""
    for pair in alike(entries, embed, progress):
        first, second = pair.first, pair.second
        both = f"“{first.question}”与 {second.id}“{second.question}”"
        if pair.same:
            yield Finding(
                "near_duplicate",
                Severity.WARNING,
                first.id,
                f"{both}问的几乎是同一件事（相似度 {pair.likeness:.2f}）",
                "合并成一条，把另一条的问法加进来；确实不同的，把问题写清楚区别",
                second.id,
            )
        for kind, (one, other) in contradicting(first.answer, second.answer).items():
            yield Finding(
                "contradiction",
                Severity.ERROR if pair.same else Severity.WARNING,
                first.id,
                f"{both}，{kind}不一致：{_list(one)} / {_list(other)}",
                "请责任部门核对，以现行文件为准",
                second.id,
            )


def alike(
    entries: Sequence[Entry], embed: Embed, progress: Callable[[int, int], None] | None = None
) -> list[Pair]:
    """The pairs of entries for the same callers whose questions are alike, each once."""
    if len(entries) < 2:
        return []
    wordings = [[w for w in (e.question, *e.variants) if w] for e in entries]
    starts = np.cumsum([0, *(len(given) for given in wordings)])[:-1]
    vectors = _centred(embed([text for given in wordings for text in given]))
    letters = [characters(without_fillers(entry.question)) for entry in entries]
    found: dict[tuple[int, int], Pair] = {}
    for begin in range(0, len(entries), _BLOCK):
        end = min(begin + _BLOCK, len(entries))
        # Each question against the best wording of every entry.
        scores = np.maximum.reduceat(vectors[starts[begin:end]] @ vectors.T, starts, axis=1)
        ratios = process.cdist(
            letters[begin:end], letters, scorer=fuzz.ratio, score_cutoff=SAME_LETTERS
        )
        for row, column in np.argwhere((scores >= ALIKE) | (ratios >= SAME_LETTERS)):
            one, other = sorted((int(begin + row), int(column)))
            if one == other or not _same_callers(entries[one], entries[other]):
                continue
            score = min(1.0, float(scores[row, column]))
            same = bool(score >= SAME or ratios[row, column] >= SAME_LETTERS)
            known = found.get((one, other))
            if known is not None:
                score, same = max(score, known.likeness), same or known.same
            found[one, other] = Pair(entries[one], entries[other], score, same)
        if progress is not None:
            progress(end, len(entries))
    return [found[key] for key in sorted(found)]


def _centred(vectors: Floats) -> NDArray[np.float32]:
    """Rows of length 1 about the mean: sentences of one language all lie to one side."""
    rows = vectors - vectors.mean(axis=0)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-9), np.float32)


def _same_callers(first: Entry, second: Entry) -> bool:
    """The same region, and some line and audience that both are for."""
    return (
        first.id != second.id
        and first.region == second.region
        and (not first.lines or not second.lines or bool({*first.lines} & {*second.lines}))
        and (not first.audience or not second.audience or first.audience == second.audience)
    )


def _list(values: frozenset[str]) -> str:
    return "、".join(sorted(values))
