"""The proposal for one matter: a rule of a 会商, else the classifier, else a person. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flows.dispatch.model import DispatchModel, Floats
from flows.routes import lies_in

CANDIDATES = 3
LONGEST = 400
"""Characters of a matter that are looked at."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What was decided in a 会商 (R10): whose such matters are."""

    words: tuple[str, ...]
    """All of them must be in the matter; one without words is never followed."""
    department: str
    region: str = ""
    """GB/T 2260 code of where it holds; empty: everywhere."""
    source: str = ""
    """The minutes that it stands in."""

    def holds(self, text: str, region: str | None) -> bool:
        here = not self.region or lies_in(region, self.region)
        return here and bool(self.words) and all(word in text for word in self.words)


@dataclass(frozen=True, slots=True)
class Proposal:
    """For whom a matter is, and why."""

    department: str
    """Official name in the region; empty: a person decides."""
    confidence: float
    """Probability of being right, 0..1; of the best candidate where a person decides."""
    reason: str
    """In words, for the person who reads the ticket."""
    by: str
    """``rule`` | ``model`` | ``person``"""
    candidates: tuple[tuple[str, float], ...] = ()
    """The best departments with their probabilities, best first."""


def propose(
    model: DispatchModel,
    text: str,
    embedding: Floats | None,
    region: str | None,
    rules: Sequence[Rule] = (),
) -> Proposal:
    """The department for a matter, as told by the caller.

    Args:
        embedding: of `text`, by the encoder that the model was trained with; None: by words.
        region: GB/T 2260 code of the place.
        rules: the newest first; that with the most words counts, then the newest.
    """
    text = text[:LONGEST]
    ruled = [rule for rule in rules if rule.holds(text, region)]
    if ruled:
        rule = max(ruled, key=lambda each: (len(each.words), bool(each.region)))
        words = "、".join(f"“{word}”" for word in rule.words)
        source = f"（{rule.source}）" if rule.source else ""
        return Proposal(rule.department, 1.0, f"按会商决定{source}：说到{words}", "rule")
    departments = model.catalogue.departments
    ranked = list(model.probabilities(text, embedding).items())[:CANDIDATES]
    candidates = tuple((departments[key].name(region), share) for key, share in ranked)
    key, confidence = ranked[0]
    if confidence < model.threshold:
        nearest = "、".join(f"{name} {share:.0%}" for name, share in candidates)
        reason = f"把握不足，请人工派单；最接近：{nearest}"
        return Proposal("", confidence, reason, "person", candidates)
    name = departments[key].name(region)
    return Proposal(name, confidence, _reason(model, key, text, embedding), "model", candidates)


def _reason(model: DispatchModel, key: str, text: str, embedding: Floats | None) -> str:
    found = model.duty(key, text, embedding)
    name = model.catalogue.departments[key].province
    if found is None:
        return f"与以往{name}办理的诉求接近"
    duty, word = found
    if word:
        return f"属于{name}的“{duty.name}”职责，说到“{word}”"
    return f"与{name}的“{duty.name}”职责（{'、'.join(duty.matters[:3])}）意思接近"
