"""Answers for a human agent while the caller is still talking (座席智能推荐), with their reasons.

Danger goes before everything: while triage is certain of it nothing else is recommended, and
while it is possible no answer that bears on danger is. It is judged on all that the caller has
said, and told where the embedder or the knowledge base fails too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

import structlog
from rapidfuzz import fuzz, process

from flows import judging, small_talk
from flows.triage import Assessment, Turn
from kb import regions
from kb.entry import Entry, Safety
from kb.search import Searcher

if TYPE_CHECKING:
    from flows.triage import TriageModel
    from voicebot.embedder import SentenceEmbedder
    from voicebot.knowledge import Knowledge

log = structlog.get_logger()

REMEMBERED = 12
"""Turns of the conversation, the last ones, that answers are looked for with; triage reads all."""
TOGETHER = 3
"""Turns of the caller's that are searched as one where the last by itself is not enough."""
AGED = 0.9
"""What a match of several turns counts, against one of the last turn alone."""
LEAST_SCORE = 0.05
LIKE = 60.0
"""Similarity, 0..100, from which a wording is called the caller's own."""
LIMIT = 3
_STOPS = "，。？！；：、,.?!;: \n\t"
"""At either end of a turn: triage and search are used to words without them."""


@dataclass(frozen=True, slots=True)
class Said:
    """One turn of the conversation, as transcribed."""

    speaker: Literal["caller", "agent"]
    text: str


@dataclass(frozen=True, slots=True)
class Danger:
    """What triage makes of the caller's words, where that is danger."""

    level: Literal["certain", "possible"]
    message: str
    """What the agent should do, in a sentence."""
    assessment: Assessment


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An entry that may answer the caller, and why."""

    entry: Entry
    score: float
    """Probability of being the right one, 0..1."""
    reason: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to tell the agent; danger first."""

    danger: Danger | None
    suggestions: tuple[Suggestion, ...]
    region: str | None
    """The caller's place as a GB/T 2260 code: as said in the conversation, else as given."""


def recommend(
    transcript: Sequence[Said],
    *,
    knowledge: Knowledge,
    triage: TriageModel,
    embedder: SentenceEmbedder,
    at: datetime,
    region: str | None = None,
    line: str | None = None,
    limit: int = LIMIT,
) -> Recommendation:
    """The published entries that answer what the caller wants by now. Blocks for some ms.

    Args:
        transcript: the conversation so far, in order; a growing last turn may be given.
        at: the moment by which it is judged what may be read out.
        region: the caller's place, a GB/T 2260 code; one said in the conversation wins.
        line: the dialled number (DID); entries for other lines are left out.
        limit: suggestions at most.

    Raises:
        KnowledgeError: the knowledge base cannot be read, and there is no danger to tell.
        EmbedderFailed: a text cannot be embedded, and there is no danger to tell.
    """
    turns = _plain(transcript)
    assessment = _assess(turns, triage, embedder)
    danger = _danger(assessment)
    place = assessment.region or region
    if danger is not None and danger.level == "certain":
        return Recommendation(danger, (), place)
    asked = _questions(turns[-REMEMBERED:])
    try:
        scores = _scores(asked, knowledge, at=at, region=place, line=line)
    except Exception as error:
        if danger is None:
            raise
        log.warning("nothing_recommended_beside_danger", reason=type(error).__name__)
        return Recommendation(danger, (), place)
    found = [
        Suggestion(entry, round(score, 4), _reason(entry, asked, place))
        for name, score in sorted(scores.items(), key=lambda each: -each[1])
        if score >= LEAST_SCORE
        and (entry := knowledge.entry(name, region=place, line=line, at=at)) is not None
        and (danger is None or entry.safety is Safety.NONE)
    ]
    return Recommendation(danger, tuple(found[:limit]), place)


def danger_in(
    transcript: Sequence[Said], *, triage: TriageModel, embedder: SentenceEmbedder
) -> Danger | None:
    """What triage makes of the caller's words alone, where that is danger."""
    return _danger(_assess(_plain(transcript), triage, embedder))


def _plain(transcript: Sequence[Said]) -> list[Said]:
    """Turns without stops at either end; those that are nothing else are left out."""
    plain = (Said(turn.speaker, turn.text.strip(_STOPS)) for turn in transcript)
    return [turn for turn in plain if turn.text]


def _assess(turns: Sequence[Said], triage: TriageModel, embedder: SentenceEmbedder) -> Assessment:
    """Each turn is embedded once, when it is new; all of them together are read as words.

    The old ones come from the embedder's memory. Without them danger would fade: 我前夫在门口
    不敢出去 is 0.93 with its embedding, and 0.10 by its phrases after twenty more turns.
    """
    said = [Turn("caller" if turn.speaker == "caller" else "bot", turn.text) for turn in turns]
    own = {turn.text for turn in said if turn.side == "caller"}
    texts = [text for text in triage.texts(said) if text in own]
    try:
        embeddings = dict(zip(texts, embedder.embed(texts), strict=True))
    except Exception as error:  # triage goes on by phrases
        log.warning("embedder_failed", reason=type(error).__name__)
        embeddings = {}
    return triage.assess(said, embeddings)


def _danger(assessment: Assessment) -> Danger | None:
    told = "、".join(f"“{each.detail}”" for each in assessment.evidence if each.kind == "danger")
    because = f"来电人说到{told}，" if told else ""
    if judging.is_danger(assessment):
        return Danger("certain", f"{because}有危险，请立即一键转110", assessment)
    if assessment.request == "police":
        return Danger("certain", "来电人要求接110，请一键转110", assessment)
    if assessment.action == "ask":
        return Danger("possible", f"{because}可能有危险，请先问：现在有人有危险吗", assessment)
    return None


def _questions(turns: Sequence[Said]) -> tuple[str, ...]:
    """The last words that ask for something, and the last few turns together, if that is more.

    A caller who only agrees (对, 是的) agrees to what the agent has made of the matter.
    """
    said = [turn for turn in turns if not small_talk.courtesy(turn.text)]
    own = [turn.text for turn in said if turn.speaker == "caller"]
    agreed = turns and turns[-1].speaker == "caller" and small_talk.agreed(turns[-1].text)
    if agreed and said and said[-1].speaker == "agent":
        own.append(said[-1].text)
    if not own:
        return ()
    return tuple(dict.fromkeys((own[-1], "，".join(own[-TOGETHER:]))))


def _scores(
    questions: Sequence[str],
    knowledge: Knowledge,
    *,
    at: datetime,
    region: str | None,
    line: str | None,
) -> Mapping[str, float]:
    """Probabilities by entry; more than the last turn counts where that alone is not enough.

    Several turns are searched by their words and sounds: embedding them anew with each sentence
    would cost more than all the rest.
    """
    if not questions:
        return {}
    newest, *together = questions
    alone = knowledge.search(newest, region=region, line=line, at=at)
    scores = {found.id: found.score for found in alone.candidates}
    if alone.decision == "answer" or not together:
        return scores
    assert knowledge.searcher is not None  # it has just been searched in
    whole = _by_words(knowledge.searcher).search(together[0], region=region, line=line, on=at)
    for found in whole.candidates:
        scores[found.id] = max(scores.get(found.id, 0.0), AGED * found.score)
    return scores


def _by_words(searcher: Searcher) -> Searcher:
    if searcher not in _without_embedder:
        _without_embedder[searcher] = Searcher(searcher.index, None)
    return _without_embedder[searcher]


def _reason(entry: Entry, asked: Sequence[str], place: str | None) -> str:
    """Why the entry is shown: its nearest approved wording, keywords that were said, its place."""
    wordings = (entry.question, *entry.variants)
    nearest, likeness, _ = process.extractOne(asked[0], wordings, scorer=fuzz.ratio)
    like = "说法接近" if likeness >= LIKE else "意思接近"
    reasons = [f"{like}“{nearest}”"]
    said = [word for word in entry.keywords if word in asked[-1]]
    if said:
        reasons.append(f"说到关键词：{'、'.join(said[:3])}")
    if entry.region:
        where = _NAMES.get(entry.region, entry.region)
        reasons.append(f"来电人在{where}" if place else f"只适用于{where}，请先问清地点")
    if entry.safety is not Safety.NONE:
        reasons.append("涉及危险，请先问安危")
    return "；".join(reasons)


_without_embedder: WeakKeyDictionary[Searcher, Searcher] = WeakKeyDictionary()
_NAMES = {code: name for name, code in reversed(regions.NAMES.items())}
