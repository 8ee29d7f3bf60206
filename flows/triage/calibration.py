"""From the classifier's scores to probabilities, and the thresholds that decide on them.

Temperatures make the probabilities honest on the blind gate. Every variant's 110_now is then
shifted so that one pair of thresholds serves all: a caller whom only the listener heard is asked
at the same rate of false alarms as one whose words are known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.triage.assessment import ROUTES, Turn
from flows.triage.classifier import VARIANTS, Classifier, Features, softmax
from flows.triage.errors import WeightsError
from flows.triage.examples import Example
from flows.triage.reading import PhraseReader
from flows.triage.sampling import feature_set
from flows.triage.tokens import units

URGENT, POLICE = ROUTES.index("110_now"), ROUTES.index("110")

BASE_RATE = 3 / 10_000
"""Share of calls to 12345 that are an emergency."""
MISS_COST = 10_000
"""Questions about danger that may be asked needlessly, three seconds each, before one emergency
goes unrecognised: with `BASE_RATE` it sets `ask`."""
ASK_FALSE_ALARMS = 0.04
"""Share of harmless gate lines, hard ones, that may be asked about danger whatever that costs."""
BRIEF = 8
"""Units of a short turn. Its few features tell less, so that a cry stays below a sentence's
threshold; what is harmless and as short stays far below."""
BRIEF_ASKED = 0.01
"""Share of what harmless gate lines begin with, as short, that may be asked about."""
BRIEF_LEAST = -1.0
"""Log-odds that a short turn loses at most: some of those beginnings name a danger, and a cry
must not be lost for them."""
HANDOFF_FALSE_ALARMS = 0.03
"""Share of harmless gate lines that may be handed to 110 unasked, at any point of being spoken."""
POLICE_FALSE_ALARMS = 0.01
"""Share of 12345 and neither lines that may go to 110 as an ordinary matter, whatever
there was to go on."""
_BEGINNINGS = (*range(2, 13, 2), 16, 20, 30, 40)
"""Characters after which a line is looked at as it is being spoken."""
_FOLDS = 5
_TEMPERATURES = [0.5 + 0.1 * step for step in range(26)]
_SHIFTS = [-3.0 + 0.1 * step for step in range(46)]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """How scores become probabilities and decisions.

    Attributes:
        temperature: by variant; scores are divided by it.
        shift: by variant; added to the log-odds of 110_now.
        brief: by variant; added besides where a turn has at most `BRIEF` units.
        ask: probability of 110_now from which danger is asked about.
        handoff: from which 110 is called at once.
        police: probability of 110 from which an ordinary matter goes there.
        measured: figures on the gate when this was made.
    """

    temperature: Mapping[str, float]
    shift: Mapping[str, float]
    brief: Mapping[str, float]
    ask: float
    handoff: float
    police: float
    measured: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def probabilities(
        self, variant: str, scores: NDArray[np.float32], *, brief: bool = False
    ) -> Floats:
        """Of `ROUTES`, sum 1."""
        spread = softmax(scores / np.float32(self.temperature[variant])).astype(np.float64)
        shift = self.shift[variant] + (self.brief[variant] if brief else 0.0)
        return with_urgent(spread, log_odds(spread[URGENT]) + shift)

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Raises:
        WeightsError: the file is missing or not what `save` writes.
        """
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise WeightsError(
                f"The thresholds {path} cannot be read. Run `voicebot triage train`."
            ) from error

    def save(self, path: Path) -> None:
        content = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        path.write_text(content + "\n", encoding="utf-8")


def log_odds(probability: float) -> float:
    clipped = min(max(float(probability), 1e-6), 1 - 1e-6)
    return float(np.log(clipped / (1 - clipped)))


def with_urgent(spread: Floats, odds: float) -> Floats:
    """The distribution with the log-odds of 110_now set to `odds`, the others in proportion."""
    urgent = 1.0 / (1.0 + np.exp(-odds))
    rest = np.delete(spread, URGENT)
    result = np.empty_like(spread)
    result[URGENT] = urgent
    result[np.arange(len(spread)) != URGENT] = (1 - urgent) * rest / max(rest.sum(), 1e-9)
    return result


def calibrate(
    classifier: Classifier,
    reader: PhraseReader,
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
    gate: Sequence[Example],
) -> Calibration:
    """Temperatures, shifts and thresholds from the gate."""

    def scored(examples: Sequence[Example], variant: str) -> NDArray[np.float32]:
        vectors = embed([e.text for e in examples]) if variant == "full" else None
        rows: list[Features] = [
            feature_set(reader, variant, e, number, None if vectors is None else vectors[number])
            for number, e in enumerate(examples)
        ]
        return np.stack([classifier.scores(row, "route") for row in rows])

    temperature: dict[str, float] = {}
    honest: dict[str, float] = {}
    ask: dict[str, float] = {}
    spreads: dict[str, Floats] = {}
    for variant in VARIANTS:
        scores = scored(gate, variant)
        temperature[variant], honest[variant] = _fitted(scores, gate)
        spreads[variant] = _shifted(scores, temperature[variant], honest[variant])
        ask[variant] = _ask(spreads[variant][:, URGENT], gate)
    shift = {v: round(honest[v] + log_odds(ask["full"]) - log_odds(ask[v]), 4) for v in VARIANTS}
    quiet = [e for e in gate if harmless(e)]
    spoken = [replace(e, text=t) for e in quiet for t in beginnings(e.text)]
    short = [e for e in spoken if is_brief(e.text)]
    unset = Calibration(temperature, shift, dict.fromkeys(VARIANTS, 0.0), ask["full"], 1.0, 1.0)
    brief: dict[str, float] = {}
    for variant in VARIANTS:
        low = [unset.probabilities(variant, s)[URGENT] for s in scored(short, variant)]
        reached = _threshold(np.array(low), BRIEF_ASKED)
        brief[variant] = round(max(log_odds(ask["full"]) - log_odds(reached), BRIEF_LEAST), 4)
    begun = [e for e in spoken if reader.read(Turn("caller", e.text)).decides]
    known = replace(unset, brief=brief)
    rising = {
        e.text: float(known.probabilities("full", s, brief=is_brief(e.text))[URGENT])
        for e, s in zip(begun, scored(begun, "full"), strict=True)
    }
    highest = [max(rising.get(text, 0.0) for text in beginnings(e.text)) for e in quiet]
    handoff = max(_threshold(np.array(highest), HANDOFF_FALSE_ALARMS), ask["full"])
    ordinary = np.array([not e.accept & {"110", "110_now"} for e in gate])
    police = max(
        _threshold(spread[ordinary][:, POLICE], POLICE_FALSE_ALARMS) for spread in spreads.values()
    )
    measured = {
        "gate_lines": len(gate),
        "cross_validated": {v: _cross_validated(spreads[v], gate) for v in VARIANTS},
    }
    return replace(known, handoff=handoff, police=police, measured=measured)


def beginnings(text: str) -> tuple[str, ...]:
    """What a line is while it is being spoken, the whole of it last."""
    return (*(text[:length] for length in _BEGINNINGS if length < len(text)), text)


def is_brief(text: str) -> bool:
    """Whether a turn has at most `BRIEF` units."""
    return len(units(text)) <= BRIEF


def harmless(example: Example) -> bool:
    """A line whose alarm would be a false one (``TRIAGE_RUBRIC.md``)."""
    return example.route in ("12345", "neither") and "110_now" not in example.accept


def _fitted(scores: NDArray[np.float32], gate: Sequence[Example]) -> tuple[float, float]:
    """The temperature and the shift of 110_now under which the gate is most likely.

    The shift is needed because danger is more frequent in training than it is taken to be here.
    """
    truth = np.array([ROUTES.index(e.route) for e in gate])

    def loss(pair: tuple[float, float]) -> float:
        chosen = _shifted(scores, *pair)[np.arange(len(truth)), truth]
        return -float(np.log(np.maximum(chosen, 1e-9)).mean())

    tried = ((round(t, 2), round(s, 2)) for t in _TEMPERATURES for s in _SHIFTS)
    return min(tried, key=loss)


def _shifted(scores: NDArray[np.float32], temperature: float, shift: float) -> Floats:
    moved = scores.astype(np.float64) / temperature
    moved[:, URGENT] += shift
    raised = np.exp(moved - moved.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _ask(urgent: Floats, gate: Sequence[Example]) -> float:
    """The threshold of least expected cost, or the one that asks `ASK_FALSE_ALARMS` if higher."""
    quiet = np.sort(urgent[[harmless(e) for e in gate]])
    danger = np.sort(urgent[[e.accept == {"110_now"} for e in gate]])
    tried = np.unique(np.concatenate([quiet, danger]))
    missed = np.searchsorted(danger, tried) / max(len(danger), 1)
    asked = 1 - np.searchsorted(quiet, tried) / max(len(quiet), 1)
    cost = MISS_COST * BASE_RATE * missed + (1 - BASE_RATE) * asked
    cheapest = float(tried[int(cost.argmin())])
    return round(max(cheapest - 1e-4, _threshold(quiet, ASK_FALSE_ALARMS)), 4)


def _threshold(harmless_values: Floats, share: float) -> float:
    """The lowest threshold that at most `share` of the values reach."""
    ordered = np.sort(harmless_values)[::-1]
    allowed = int(share * len(ordered))
    return round(float((ordered[allowed] + ordered[max(allowed - 1, 0)]) / 2) + 1e-4, 4)


def _cross_validated(spread: Floats, gate: Sequence[Example]) -> dict[str, float]:
    """Recall and false alarms where the threshold was set on the other folds."""
    fold = np.arange(len(gate)) * 7919 % _FOLDS
    routes = []
    for number in range(_FOLDS):
        others = [e for i, e in enumerate(gate) if fold[i] != number]
        threshold = _ask(spread[fold != number][:, URGENT], others)
        for index in np.flatnonzero(fold == number):
            row = spread[index].copy()
            urgent = row[URGENT] >= threshold
            row[URGENT] = -1
            routes.append((gate[int(index)], "110_now" if urgent else ROUTES[int(row.argmax())]))
    danger = [route in e.accept for e, route in routes if e.route == "110_now"]
    quiet = [route == "110_now" for e, route in routes if harmless(e)]
    right = [route in e.accept for e, route in routes]
    return {
        "recall": round(float(np.mean(danger)), 4),
        "false_alarms": round(float(np.mean(quiet)), 4),
        "accuracy": round(float(np.mean(right)), 4),
    }
