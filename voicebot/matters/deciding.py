"""What becomes of a written matter: 110, an approved answer, guidance, or a ticket.

Nobody can be asked back: where a caller would be asked whether there is danger, the matter
counts as danger (R3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog

from flows import judging
from flows.events import Embedding
from flows.policy import Limits
from flows.triage import Assessment, Turn
from kb.entry import Entry, Safety
from voicebot.clock import now

if TYPE_CHECKING:
    from voicebot.call.engines import Engines

log = structlog.get_logger()

_SENTENCE = re.compile(r"[。！？!?；;\n]+")
_STOPS = "，。？！；：、,.?!;: \n\t"
WHOLE = 60
"""Characters up to which a text is read as one turn; a longer one sentence by sentence as well."""


class Outcome(StrEnum):
    DANGER = "danger"
    POLICE = "police"
    ANSWER = "answer"
    GUIDE = "guide"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, and why."""

    outcome: Outcome
    assessment: Assessment
    certain: bool = False
    """Of danger: words that nothing speaks against."""
    entry: Entry | None = None


def decide(
    engines: Engines, text: str, region: str | None, limits: Limits, *, ticket: bool = False
) -> Decision:
    """Blocks for some tens of ms.

    Parameters:
        region: GB/T 2260 code of where it is, if known.
        ticket: a ticket is wanted, whatever answer there is.
    """
    assessment = assess(engines, text)
    if assessment.route == "110_now" or assessment.request == "police":
        return Decision(Outcome.DANGER, assessment, judging.is_danger(assessment))
    if assessment.route == "110" and assessment.action == "handoff":
        return Decision(Outcome.POLICE, assessment)
    entry = None if ticket else _answer(engines, text, assessment.region or region)
    if entry is not None:
        return Decision(Outcome.ANSWER, assessment, entry=entry)
    neither = assessment.probabilities.get("neither", 0.0)
    if assessment.route == "neither" and neither >= limits.neither and not ticket:
        return Decision(Outcome.GUIDE, assessment)
    return Decision(Outcome.TICKET, assessment)


def assess(engines: Engines, text: str) -> Assessment:
    """The graver of two readings: the text as one breath, and sentence by sentence."""
    sentences = [part.strip(_STOPS) for part in _SENTENCE.split(text)]
    readings = [[text.strip(_STOPS)]]
    if len(text) > WHOLE:
        readings.append([each for each in sentences if each])
    found = [_assessed(engines, each) for each in readings]
    return max(found, key=lambda each: (each.route == "110_now", each.probabilities["110_now"]))


def _assessed(engines: Engines, said: Sequence[str]) -> Assessment:
    turns = [Turn("caller", each) for each in said]
    texts = engines.triage.texts(turns)
    embeddings: Mapping[str, Embedding] = {}
    try:
        embeddings = dict(zip(texts, engines.embedder.embed(texts), strict=True))
    except Exception as error:  # triage goes on by phrases, by sound and by wording
        log.warning("embedder_failed", reason=type(error).__name__)
    return engines.triage.assess(turns, embeddings)


def _answer(engines: Engines, text: str, region: str | None) -> Entry | None:
    """The entry that answers it; none that bears on danger, since nobody can be asked."""
    at = now()
    try:
        found = engines.knowledge.search(text, region=region, at=at)
    except Exception as error:
        log.warning("search_failed", reason=type(error).__name__)
        return None
    if found.decision != "answer" or not found.candidates:
        return None
    entry = engines.knowledge.entry(found.candidates[0].id, region=region, line=None, at=at)
    return entry if entry is not None and entry.safety is Safety.NONE else None
