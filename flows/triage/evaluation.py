"""How well triage does on labelled lines: each is assessed, and so is what it is while spoken.

A miss is a 110_now line sent outside its `accept`; a false alarm is a 12345 or neither line sent
to 110_now when that is not in its `accept` (``TRIAGE_RUBRIC.md``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.triage.assessment import Turn
from flows.triage.calibration import beginnings
from flows.triage.cases import Case
from flows.triage.errors import InputError
from flows.triage.model import TriageModel
from flows.triage.report import BASE_RATE, Report, quiet, report, share

Embed = Callable[[Sequence[str]], NDArray[np.float32]]

TIMED = 200
"""Texts that are embedded one by one, for the time that takes."""


def evaluate(
    model: TriageModel,
    cases: Sequence[Case],
    embed: Embed | None,
    *,
    base_rate: float = BASE_RATE,
) -> Report:
    """Assess every case; without `embed` by phrases, wording and sound alone.

    Args:
        base_rate: calls of 10,000 that are an emergency, for the predictive value.

    Raises:
        InputError: there are no cases.
    """
    if not cases:
        raise InputError("There are no labelled lines to evaluate on.")
    texts = list(dict.fromkeys(text for case in cases for text in model.texts((case.turn,))))
    embedding = [_milliseconds(embed, text) for text in texts[:TIMED]] if embed else []
    embeddings = dict(zip(texts, embed(texts), strict=True)) if embed and texts else {}
    assessed, milliseconds = [], []
    for case in cases:
        begun = time.perf_counter()
        assessed.append(model.assess((case.turn,), embeddings))
        milliseconds.append(1000 * (time.perf_counter() - begun))
    made = report(cases, assessed, milliseconds, base_rate)
    timed = {"ms_embedding_p95": float(np.percentile(embedding, 95))} if embedding else {}
    return replace(made, figures=made.figures | timed | spoken(model, cases, embed))


def _milliseconds(embed: Embed, text: str) -> float:
    begun = time.perf_counter()
    embed([text])
    return 1000 * (time.perf_counter() - begun)


def spoken(model: TriageModel, cases: Sequence[Case], embed: Embed | None) -> dict[str, Any]:
    """What a call would meet while the lines are being spoken, and as answers to questions.

    A partial hypothesis hands off at once, but asks only when the turn is over.
    """
    harmless = [case for case in cases if quiet(case)]
    begun = [
        replace(case.turn, text=text, alternatives=(), syllables=())
        for case in harmless
        for text in beginnings(case.turn.text)
    ]
    answers = [replace(case.turn, asked="place") for case in harmless if "reply" in case.tags]
    texts = list(dict.fromkeys(text for turn in begun for text in model.texts((turn,))))
    embeddings = dict(zip(texts, embed(texts), strict=True)) if embed and texts else {}

    def alarming(turn: Turn) -> bool:
        assessment = model.assess((turn,), embeddings)
        return assessment.action == "handoff" and assessment.route == "110_now"

    alarms = {turn.text for turn in begun if alarming(turn)}
    early = [any(text in alarms for text in beginnings(case.turn.text)) for case in harmless]
    answered = [model.assess((turn,), embeddings).action for turn in answers]
    return {
        "handed_off_while_spoken": share(early),
        "answers_handed_off": share([action == "handoff" for action in answered]),
        "answers_asked": share([action == "ask" for action in answered]),
    }
