"""Finding the approved entry that answers a caller's question, or knowing that none does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np

from kb import regions
from kb.eligible import Eligibility
from kb.entry import Entry
from kb.features import Mask, Question, Views, compare, compare_further
from kb.follow_up import Aspect, asked_aspect, in_context
from kb.homophones import same_wording
from kb.index import Embed, Embedder, Index, StagedEmbedder, build
from kb.large_index import LargeIndex, compare_eligible
from kb.ranker import Case, Doubles, Model, Ranker, prepare
from kb.wording import characters

Decision = Literal["answer", "clarify", "none"]
ResolveRegion = Callable[[str], str | None]

LIMIT = 5
EMBEDDED_HYPOTHESES = 1
"""How many hypotheses are embedded: the best; 18 ms each. The others count by words and sound."""

LISTENER_SHARE = 0.3
"""What the listener's opinion by itself counts where the words leave doubt. Chosen on the tuning
questions as both ears heard them: 0.2 to 0.5 do alike."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry and the calibrated probability that it is the right one."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What to do, and the best candidates, most probable first.

    `entry` is set when the decision is "answer"; for "clarify" the first two candidates are
    the ones to choose between. The scores of all candidates sum to at most 1; what is missing
    is the probability that no entry answers.
    """

    decision: Decision
    entry: str | None
    candidates: tuple[Candidate, ...]


NOTHING = SearchResult("none", None, ())


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates with their probabilities by one model."""

    model: Model
    names: tuple[str, ...]
    scores: Doubles
    case: Case
    question: Question
    """With the vectors of the encoders that were asked."""

    @property
    def answers(self) -> bool:
        """Whether the best is probable enough to be spoken."""
        return bool(len(self.scores)) and float(self.scores.max()) >= self.model.answer

    @property
    def settled(self) -> bool:
        """Whether the other encoders need not be asked."""
        return self.model.settles(self.scores)

    def decided(self, limit: int) -> SearchResult:
        order = np.argsort(-self.scores, kind="stable")[: max(2, limit)]
        best = [Candidate(self.names[i], round(float(self.scores[i]), 4)) for i in order]
        return decide(best, self.model, limit)


@dataclass(frozen=True, slots=True)
class Examined:
    """A search with what led to its result; `ranked` is None where nothing could be compared.

    `place` is the caller's, as it was understood.
    """

    result: SearchResult
    place: str | None
    ranked: Ranked | None


class Searcher:
    """Search in one index. Immutable and thread-safe; a publish makes a new one.

    Args:
        index: from `kb.index.build` or `kb.index_file.load`.
        embedder: the one the index was built with; None searches by words and sounds only.
        ranker: weights and thresholds; by default those of the package that were fitted on
            entries with as many ways to ask.
        resolve_region: finds the place a query names (a GB/T 2260 code); by default city and
            county names in characters. A place in the query wins over the caller's.
    """

    def __init__(
        self,
        index: Index | LargeIndex,
        embedder: Embedder | None,
        *,
        ranker: Ranker | None = None,
        resolve_region: ResolveRegion = regions.mentioned,
    ) -> None:
        self.index = index
        self._eligibility = Eligibility(index.entries)
        self._positions = {entry.id: row for row, entry in enumerate(index.entries)}
        self._embedder = embedder
        self._ranker = ranker or Ranker.for_entries(index.entries)
        self._resolve = resolve_region

    @classmethod
    def of(
        cls,
        entries: Sequence[Entry],
        embedder: Embedder,
        *,
        gaps: Sequence[str] = (),
        embed: Embed | None = None,
        ranker: Ranker | None = None,
        resolve_region: ResolveRegion = regions.mentioned,
    ) -> Searcher:
        """Build the index of `entries` and search in it."""
        index = build(entries, embedder, gaps=gaps, embed=embed)
        return cls(index, embedder, ranker=ranker, resolve_region=resolve_region)

    def search(
        self,
        query: str,
        *,
        alternatives: Sequence[str] = (),
        syllables: Sequence[str] = (),
        region: str | None = None,
        line: str | None = None,
        audience: str | None = None,
        previous: str | None = None,
        on: date,
        limit: int = LIMIT,
    ) -> SearchResult:
        """The entry that answers `query` and may be read to this caller.

        About 6 ms where the quickest encoder leaves no doubt, else some tens of milliseconds.

        Args:
            query: what the transcriber heard, simplified characters; may be empty.
            alternatives: its further hypotheses, best first.
            syllables: what the listener heard, toned ("zhao2"); enough by themselves.
            region: the caller's place, a GB/T 2260 code, None if unknown.
            line: the dialled number (DID), None if unknown.
            audience: whom the caller belongs to, None if unknown.
            previous: the entry that was answered before, which a follow-up question is about.
            on: the moment, or a day; see `kb.reading.may_read`.
            limit: how many candidates to give at most.
        """
        return self.examine(
            query,
            alternatives=alternatives,
            syllables=syllables,
            region=region,
            line=line,
            audience=audience,
            previous=previous,
            on=on,
            limit=limit,
        ).result

    def examine(
        self,
        query: str,
        *,
        alternatives: Sequence[str] = (),
        syllables: Sequence[str] = (),
        region: str | None = None,
        line: str | None = None,
        audience: str | None = None,
        previous: str | None = None,
        on: date,
        limit: int = LIMIT,
    ) -> Examined:
        """As `search`, with what led to the result (`kb.explanation`)."""
        place = self._place(query, alternatives) or region
        eligible = self._eligibility.mask(on, region=place, line=line, audience=audience)
        follow_up = self._follow_up(query, previous)
        if follow_up is not None:
            at, aspect = follow_up
            subject = self.index.entries[at]
            query = in_context(query, subject.question)
            alternatives = tuple(in_context(text, subject.question) for text in alternatives)
            syllables = ()
            eligible[at] &= aspect.answered.search(subject.answer) is not None
        question = Question.heard(query, alternatives, syllables)
        if not self.index.entries or not (question.texts or question.syllables):
            return Examined(NOTHING, place, None)
        candidates = self._candidates(question, eligible, self._eligibility.local & bool(place))
        if candidates is None:
            return Examined(NOTHING, place, None)
        found = candidates.decided(limit)
        if found.decision == "clarify" and self._sound_alike(found):
            found = replace(found, decision="none")
        return Examined(found, place, candidates)

    def _sound_alike(self, found: SearchResult) -> bool:
        """The two to choose between are one question of two places: nobody could choose."""
        asked = {
            characters(self.index.entries[self._positions[each.id]].question)
            for each in found.candidates[:2]
        }
        return len(asked) == 1

    def _candidates(self, question: Question, eligible: Mask, local: Mask) -> Ranked | None:
        """By all that was heard together; where that leaves doubt, also by sound alone."""
        ranked = self._together(question, eligible, local)
        if ranked is None or ranked.answers or not (question.texts and question.syllables):
            return ranked
        if not isinstance(self.index, Index):  # of many entries: it would take 17 ms
            return ranked
        views = compare(self.index, Question((), question.syllables))
        by_sound = self._ranked(question, views, eligible, local)
        if by_sound is None:
            return ranked
        opinion = dict(zip(by_sound.names, by_sound.scores, strict=True))
        others = np.array([opinion.get(name, 0.0) for name in ranked.names])
        scores = (1 - LISTENER_SHARE) * ranked.scores + LISTENER_SHARE * others
        return replace(ranked, scores=scores)

    def _together(self, question: Question, eligible: Mask, local: Mask) -> Ranked | None:
        """By the quickest encoder, and by all of them where that leaves doubt."""
        embedder, first = self._embedder, self._ranker.first
        if embedder is None or not question.texts:
            views = compare_eligible(self.index, question, eligible)
            return self._ranked(question, views, eligible, local)
        texts = question.texts[:EMBEDDED_HYPOTHESES]
        if (
            first is None
            or not isinstance(embedder, StagedEmbedder)
            or not isinstance(self.index, Index)
        ):
            question = replace(question, vectors=embedder.embed(texts))
            views = compare_eligible(self.index, question, eligible)
            return self._ranked(question, views, eligible, local)
        vectors = embedder.embed_parts(texts, first.encoders)
        quick = replace(question, vectors=vectors)
        views = compare(self.index, quick)
        ranked = self._ranked(quick, views, eligible, local)
        others = embedder.parts.keys() - first.encoders
        if ranked is None or not others or ranked.settled:
            return ranked
        whole = replace(question, vectors=vectors + embedder.embed_parts(texts, others))
        views = compare_further(self.index, whole, views)
        return self._ranked(whole, views, eligible, local)

    def _ranked(
        self, question: Question, views: Views, eligible: Mask, local: Mask
    ) -> Ranked | None:
        model = self._ranker.model_for(views.columns)
        case = (
            prepare(views, model.views, eligible, local, model.usual) if model is not None else None
        )
        if model is None or case is None:
            return None
        scores = model.probabilities(case)
        if "near_sounds" in views.columns:
            near = views.of("near_sounds", case.rows)
            scores = same_wording(scores, near, views.length)
        names = tuple(self.index.entries[row].id for row in case.rows)
        return Ranked(model, names, scores, case, question)

    def _follow_up(self, query: str, previous: str | None) -> tuple[int, Aspect] | None:
        """Position of the entry that an elliptic question is about, and what it asks of it."""
        at = self._positions.get(previous) if previous is not None else None
        aspect = asked_aspect(query) if at is not None else None
        return (at, aspect) if at is not None and aspect is not None else None

    def _place(self, query: str, alternatives: Sequence[str]) -> str | None:
        for text in (query, *alternatives):
            place = self._resolve(text) if text else None
            if place:
                return place
        return None


def decide(candidates: Sequence[Candidate], model: Model, limit: int = LIMIT) -> SearchResult:
    """Answer, ask which of two is meant, or abstain; `candidates` best first."""
    shown = tuple(candidates[:limit])
    first = candidates[0].score if candidates else 0.0
    second = candidates[1].score if len(candidates) > 1 else 0.0
    if candidates and first >= model.answer:
        return SearchResult("answer", candidates[0].id, shown)
    if second > 0 and first + second >= model.clarify:
        return SearchResult("clarify", None, shown)
    return SearchResult("none", None, shown)
