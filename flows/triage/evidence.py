"""The reasons for an assessment, in words fit for a transcript, and what takes a danger back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flows.triage.assessment import ROUTES, Evidence
from flows.triage.calibration import Calibration, log_odds
from flows.triage.heard import Heard
from flows.triage.reading import Reading, Strength

_LEAST = 0.1
_MOST = 8
_KINDS = {
    "danger": "danger",
    "request_police": "police_request",
    "request_human": "human_request",
    "police": "police_matter",
}
_PLAIN = 0.75
"""Strength from which a phrase has told a danger, whatever the classifier made of it."""
_DENIALS = frozenset({"negation", "refusal"})


def evidence(
    heard: Sequence[Heard], spread: NDArray[np.float64], calibration: Calibration
) -> tuple[Evidence, ...]:
    """Strongest first; of phrases that say the same the strongest alone. Then the classifier's
    figure, and what was taken back."""
    found: dict[tuple[str, int], Evidence] = {}
    for one in heard:
        for strength in one.reading.strengths:
            kind = _KINDS.get(strength.phrase.kind)
            if kind is None or strength.whole < _LEAST:
                continue
            detail = strength.words
            if strength.guards:
                detail += f"（{'、'.join(dict.fromkeys(strength.guards))}）"
            reason = Evidence(kind, detail, round(strength.whole, 3), one.index)
            found.setdefault((strength.phrase.topic, one.index), reason)
    ordered = sorted(found.values(), key=lambda reason: -reason.weight)[:_MOST]
    route = int(spread.argmax())
    said = Evidence(
        "classifier",
        f"{ROUTES[route]} {spread[route]:.2f}",
        round(float(spread[route]), 3),
        heard[-1].index,
    )
    return (*ordered, said, *_retractions(heard, calibration))


def _retractions(heard: Sequence[Heard], calibration: Calibration) -> list[Evidence]:
    """The newest words, if any, with which a danger of an earlier turn is denied or taken back.

    It cancels nothing (only 110 stands down); the dossier notes it.
    """
    asked = log_odds(calibration.ask)
    told: set[str] = set()
    alarmed = False
    taken: list[Evidence] = []
    for one in heard:
        if alarmed:
            words = _taken_back(one.reading, told)
            if words is not None:
                weight = -round(max(words.local, words.phrase.weight), 3)
                taken = [Evidence("retraction", words.words, weight, one.index)]
        told |= {
            s.phrase.topic
            for s in one.reading.strengths
            if s.phrase.kind in ("danger", "request_police") and not s.guards
        }
        alarmed = alarmed or (
            (one.odds >= asked and not one.answer)
            or one.reading.request == "police"
            or one.reading.named("danger", least=_PLAIN)
        )
    return taken


def _taken_back(reading: Reading, told: set[str]) -> Strength | None:
    """The words of a turn that take something back: 弄错了, or what was told, denied: 没有着火."""
    for strength in reading.strengths:
        phrase = strength.phrase
        if phrase.kind == "retraction" and not strength.guards:
            return strength
        again = phrase.kind in ("danger", "request_police") and phrase.topic in told
        if again and _DENIALS & set(strength.guards):
            return strength
    return None
