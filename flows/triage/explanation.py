"""Why a turn is assessed as it is: what was heard, matched, weighed and decided, line by line."""

from __future__ import annotations

from collections.abc import Iterator

from flows.triage.assessment import ROUTES, Turn
from flows.triage.features import text_syllables
from flows.triage.model import Embeddings, TriageModel
from flows.triage.tokens import tokens


def explain(model: TriageModel, turn: Turn, embeddings: Embeddings) -> Iterator[str]:
    """Lines for people; the turn is the whole conversation.

    Args:
        embeddings: as for `TriageModel.assess`.
    """
    heard, assessment = model.hear(turn, embeddings), model.assess((turn,), embeddings)
    reading, limits = heard.reading, model.calibration
    text = tokens(turn.text)
    yield "heard"
    yield f"  units     {' '.join(text.units) or '-'}"
    yield f"  syllables {' '.join(turn.syllables or text_syllables(turn.text)) or '-'}"
    yield f"  {reading.length} units, {reading.content} of them tell something of the matter"
    yield "matched"
    for strength in reading.strengths:
        phrase = strength.phrase
        against = f"  against: {', '.join(strength.guards)}" if strength.guards else ""
        yield (
            f"  {strength.whole:.2f} of {phrase.weight:.2f}  {phrase.kind}/{phrase.topic}  "
            f"{phrase.written} ({strength.words}){against}"
        )
    if not reading.strengths:
        yield "  no phrase"
    yield f"weighed by {model.variant(turn, embeddings)}"
    for route, score, chance in zip(ROUTES, heard.scores("route"), heard.spread, strict=True):
        yield f"  {route:<8} score {float(score):+6.2f}  calibrated {float(chance):6.1%}"
    yield "decided"
    shown = assessment.probabilities["110_now"]
    yield (
        f"  110_now {shown:.1%} after fusion; asked from {limits.ask:.1%}, "
        f"handed off from {limits.handoff:.1%}; 110 from {limits.police:.1%}"
    )
    yield f"  route {assessment.route}, action {assessment.action}"
    for name in ("request", "category", "lines", "flags", "region"):
        if value := getattr(assessment, name):
            yield f"  {name} {', '.join(value) if isinstance(value, tuple) else value}"
