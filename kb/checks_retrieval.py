"""Questions of one entry that find another: each is asked of an index that lacks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date

from kb.checks import Finding, Severity
from kb.entry import Entry
from kb.index import Embed, Embedder, build
from kb.search import Searcher, SearchResult


def check_retrieval(
    entries: Sequence[Entry],
    embedder: Embedder,
    on: date,
    *,
    embed: Embed | None = None,
    gaps: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Finding]:
    """Leave-one-out over question and variants: about 20 ms for each, and an index for each place.

    The first place holds every entry's question, the second its first variant, and so on. What
    an entry has in that place is left out of the index, and asked for. An entry with one wording
    only has nothing left to be found by, and is not asked for. What finds another entry even
    while it is in the index is an error; the rest shows how callers who word it otherwise fare.
    """
    asked = [list(dict.fromkeys((e.question, *e.variants))) for e in entries]
    total, done = sum(len(wordings) for wordings in asked), 0
    known = {entry.id: entry for entry in entries}
    whole = Searcher(build(entries, embedder, gaps=gaps, embed=embed), embedder)
    for place in range(max((len(wordings) for wordings in asked), default=0)):
        rest = [
            _without(entry, wordings[place]) if place < len(wordings) else entry
            for entry, wordings in zip(entries, asked, strict=True)
        ]
        searcher = Searcher(build(rest, embedder, gaps=gaps, embed=embed), embedder)
        for entry, left, wordings in zip(entries, rest, asked, strict=True):
            if place >= len(wordings):
                continue
            wording = wordings[place]
            if left.wordings:
                missed = _missed(entry, wording, _ask(searcher, entry, wording, on), known)
                if missed is not None:
                    real = _missed(entry, wording, _ask(whole, entry, wording, on), known)
                    yield missed if real is None else replace(real, severity=Severity.ERROR)
            done += 1
            if progress is not None:
                progress(done, total)


def _ask(searcher: Searcher, entry: Entry, wording: str, on: date) -> SearchResult:
    """As a caller whom the entry is for."""
    return searcher.search(
        wording,
        region=entry.region or None,
        line=next(iter(entry.lines), None),
        audience=entry.audience or None,
        on=on,
    )


def _without(entry: Entry, wording: str) -> Entry:
    """The entry as it would be found if nobody had thought of `wording`."""
    return replace(
        entry,
        question="" if entry.question == wording else entry.question,
        variants=tuple(w for w in entry.variants if w != wording),
        phrasings=tuple(w for w in entry.phrasings if w != wording),
    )


def _missed(
    entry: Entry, wording: str, result: SearchResult, known: dict[str, Entry]
) -> Finding | None:
    if result.decision == "answer" and result.entry != entry.id:
        other = known[str(result.entry)]
        return Finding(
            "retrieves_another",
            Severity.WARNING,
            entry.id,
            f"问“{wording}”会答成 {other.id}“{other.question}”"
            f"（把握 {result.candidates[0].score:.0%}）",
            "给这一条多加几种问法；两条混在一起的，把问题写清楚区别",
            other.id,
        )
    shown = [candidate.id for candidate in result.candidates[:2]]
    if result.decision == "clarify" and entry.id not in shown:
        return Finding(
            "retrieves_another",
            Severity.NOTE,
            entry.id,
            f"问“{wording}”会反问 {shown[0]} 和 {shown[1]}，都不是这一条",
            "给这一条多加几种问法",
            shown[0],
        )
    return None
