"""Triage on the blind gate: calibration and operating curve as pictures, and a plain baseline.

    python -m benchmarks.triage            figures as JSON, pictures in docs/pictures/

The baseline is a logistic regression on the sentence embeddings alone, fitted on the same written
training lines: what it would take to do without phrases, sounds, made-up lines and hidden layer.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.triage_charts import Curve, operating_curves, reliability
from flows.triage import ROUTES, TriageModel
from flows.triage.calibration import ASK_FALSE_ALARMS
from flows.triage.cases import Case, by_ear, read_cases
from flows.triage.evaluation import Embed
from flows.triage.examples import GATE, TRAINING, Example, read_examples
from voicebot.commands.session import open_settings
from voicebot.knowledge import open_embedder

PICTURES = Path("docs/pictures")
Floats = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="folder for the pictures")
    folder = parser.parse_args().pictures
    embed: Embed = open_embedder(open_settings()).embed_corpus
    model, cases = TriageModel.load(), read_cases(GATE)
    urgent = {
        "both ears": probabilities(model, cases, embed),
        "without embeddings": probabilities(model, cases, None),
        "by sound alone": probabilities(model, by_ear(cases, "listener"), embed),
    }
    heard = dict.fromkeys(urgent, cases) | {"by sound alone": by_ear(cases, "listener")}
    baseline = plain_baseline(read_examples(*TRAINING), read_examples(GATE), embed)
    curves = [curve(name, values, heard[name]) for name, values in urgent.items()]
    curves.append(curve("logistic regression on embeddings", baseline, cases))
    reliability(
        urgent["both ears"],
        [c.route == "110_now" for c in cases],
        folder / "triage-reliability.png",
    )
    limits = model.calibration
    operating_curves(
        curves,
        {"asked": limits.ask, "handed off": limits.handoff},
        folder / "triage-operating.png",
    )
    print(json.dumps({c.label: recall_at(c, ASK_FALSE_ALARMS) for c in curves}, indent=2))


def probabilities(model: TriageModel, cases: Sequence[Case], embed: Embed | None) -> Floats:
    """Of 110_now, after fusion."""
    texts = list(dict.fromkeys(text for case in cases for text in model.texts((case.turn,))))
    known = dict(zip(texts, embed(texts), strict=True)) if embed and texts else {}
    return np.array([model.assess((c.turn,), known).probabilities["110_now"] for c in cases])


def plain_baseline(training: Sequence[Example], gate: Sequence[Example], embed: Embed) -> Floats:
    """110_now by logistic regression on the embeddings alone."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10, max_iter=500)
    model.fit(embed([e.text for e in training]), [e.route for e in training])
    column = list(model.classes_).index(ROUTES[0])
    found: Floats = model.predict_proba(embed([e.text for e in gate]))[:, column]
    return found


def curve(label: str, urgent: Floats, cases: Sequence[Case]) -> Curve:
    """Share of danger lines and of harmless ones at or above each threshold."""
    danger = np.array([case.route == "110_now" for case in cases])
    quiet = np.array([c.route in ("12345", "neither") and "110_now" not in c.accept for c in cases])
    thresholds = np.unique(urgent)[::-1]
    return Curve(
        label,
        thresholds,
        np.array([(urgent[danger] >= t).mean() for t in thresholds]),
        np.array([(urgent[quiet] >= t).mean() for t in thresholds]),
    )


def recall_at(found: Curve, share: float) -> Mapping[str, float]:
    """Recall at the lowest threshold that at most `share` of the harmless lines reach."""
    within = np.flatnonzero(found.false_alarms <= share)
    last = within[-1] if len(within) else 0
    return {
        "false_alarms": round(float(found.false_alarms[last]), 4),
        "recall": round(float(found.recall[last]), 4),
    }


if __name__ == "__main__":
    main()
