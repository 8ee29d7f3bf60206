"""Training the classifier: one reproducible function, run by ``voicebot triage train``.

From the labelled lines (``data/train_*.tsv``) come noisy copies, beginnings and pairs
(`flows.triage.noise`); three linear models are fitted (`flows.triage.classifier`), and the blind
gate (``data/gate.tsv``), which no example or phrase was made from, sets temperatures and
thresholds (`flows.triage.calibration`). scikit-learn is needed here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.triage.assessment import Turn
from flows.triage.calibration import calibrate, harmless, is_brief
from flows.triage.classifier import (
    HEADS,
    SCALES,
    VARIANTS,
    Classifier,
    Features,
    block_sizes,
)
from flows.triage.examples import DATA, GATE, TRAINING, Example, read_examples
from flows.triage.features import BUCKETS, Sparse
from flows.triage.noise import (
    Names,
    cries,
    noisy_copies,
    openings,
    pairs,
    prefixes,
)
from flows.triage.phrase_lines import phrase_lines
from flows.triage.phrasebook import load_phrasebook
from flows.triage.reading import PhraseReader
from flows.triage.sampling import SEED, feature_set

Embed = Callable[[Sequence[str]], NDArray[np.float32]]

MADE_WEIGHT = 0.4
"""How much a made-up example counts beside one that was written."""
BRIEF_WEIGHT = 0.3
"""How much a short harmless line counts: there are many, of few words, and sentences must not be
judged by them (recall on the gate 0.939 instead of 0.936)."""
ALSO_WEIGHT = 0.4
"""How much of an example goes to the other routes a fair reviewer would accept."""
CONVERSATIONS = 1500
CRY = 0.7
"""Strength of a phrase that makes a clause of a danger line one by itself."""
LEAST_OF_PAIR = 6
"""Characters of a line that says enough to be half of a conversation."""
REGULARISATION = 1.0
"""scikit-learn's C. Between 0.5 and 2 it makes no difference on the gate."""


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What was trained on and what the gate says of it."""

    examples: int
    made: int
    weights: Path
    weights_bytes: int
    gate: Mapping[str, Any]


def train(
    embed: Embed,
    *,
    folder: Path = DATA,
    training: Sequence[Path] = TRAINING,
    gate: Path = GATE,
    conversations: int = CONVERSATIONS,
    progress: Callable[[str], None] = lambda _: None,
) -> TrainingReport:
    """Fit, calibrate and store the classifier in `folder`; takes minutes.

    Args:
        embed: texts → float32 (n, d), rows of length 1.
        conversations: how many pairs of lines are made up.
        progress: is told what is being done, in words.

    Raises:
        ExampleError: a labelled line is wrong.
        PhraseError: the phrase table is wrong.
    """
    written = read_examples(*training)
    blind = read_examples(gate)
    book = load_phrasebook()
    reader = PhraseReader(book)

    def names(text: str) -> bool:
        said = reader.read(Turn("caller", text))
        return said.request is not None or said.named("danger", "police")

    def cry(text: str) -> bool:
        said = reader.read(Turn("caller", text))
        return said.request == "police" or said.named("danger", least=CRY)

    made = (
        *made_up(written, names, conversations),
        *cries(written, cry),
        *phrase_lines(book, SEED + 3),
    )
    examples = (*written, *made)
    weights = np.array([1.0] * len(written) + [MADE_WEIGHT] * len(made))
    weights *= [BRIEF_WEIGHT if harmless(e) and is_brief(e.text) else 1.0 for e in examples]
    progress(f"embedding {len(examples)} lines")
    embeddings = embed([example.text for example in examples])
    fitted: dict[str, NDArray[np.float32]] = {}
    for variant in VARIANTS:
        progress(f"fitting the {variant} model")
        features = [
            feature_set(reader, variant, example, index, embeddings[index])
            for index, example in enumerate(examples)
        ]
        fitted |= _fit(variant, features, examples, weights)
    path = folder / "classifier.npz"
    Classifier(fitted).save(path, reader.names)
    progress("setting thresholds on the gate")
    calibration = calibrate(Classifier.load(path, reader.names), reader, embed, blind)
    calibration.save(folder / "calibration.json")
    return TrainingReport(len(written), len(made), path, path.stat().st_size, calibration.measured)


def made_up(
    written: Sequence[Example], names: Names, count: int = CONVERSATIONS
) -> tuple[Example, ...]:
    """Noisy copies, beginnings and pairs; the same for the same lines."""
    return (
        *noisy_copies(written, SEED),
        *prefixes(written, SEED + 1, names),
        *openings(written, SEED + 4, names),
        *pairs([e for e in written if len(e.text) >= LEAST_OF_PAIR], count, SEED + 2),
    )


def _fit(
    variant: str,
    features: Sequence[Features],
    examples: Sequence[Example],
    weights: NDArray[np.float64],
) -> dict[str, NDArray[np.float32]]:
    matrix = _matrix(variant, features)
    sizes = block_sizes(
        len(features[0].phrases),
        0 if features[0].embedding is None else len(features[0].embedding),
    )
    fitted: dict[str, NDArray[np.float32]] = {}
    for head, labels in HEADS.items():
        rows, targets, counts = _targets(head, examples, weights)
        solved = (
            _several(matrix[rows], targets, counts, labels)
            if head in ("route", "category")
            else _each(matrix[rows], targets, counts, labels)
        )
        coefficients, bias = solved
        fitted[f"{variant}:{head}:bias"] = bias
        start = 0
        for block in VARIANTS[variant]:
            end = start + sizes[block]
            fitted[f"{variant}:{head}:{block}"] = coefficients[start:end]
            start = end
    return fitted


def _targets(
    head: str, examples: Sequence[Example], weights: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[Any], NDArray[np.float64]]:
    """(rows, target of each, weight of each) for one head."""
    if head == "category":
        rows = [i for i, e in enumerate(examples) if e.category is not None]
        return np.array(rows), np.array([str(examples[i].category) for i in rows]), weights[rows]
    if head == "lines":
        held = [[line in e.lines for line in HEADS["lines"]] for e in examples]
        return np.arange(len(examples)), np.array(held), weights
    if head == "voice":
        held = [[tag in e.tags for tag in HEADS["voice"]] for e in examples]
        return np.arange(len(examples)), np.array(held), weights
    chosen: list[tuple[int, str, float]] = []
    for index, example in enumerate(examples):
        others = sorted(example.accept - {example.route})
        weight = float(weights[index])
        chosen.append((index, example.route, weight * (1 - ALSO_WEIGHT) if others else weight))
        chosen += [(index, other, weight * ALSO_WEIGHT / len(others)) for other in others]
    rows_, targets, counts = zip(*chosen, strict=True)
    return np.array(rows_), np.array(targets), np.array(counts)


def _several(
    matrix: Any, targets: NDArray[Any], counts: NDArray[np.float64], labels: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One of several: multinomial logistic regression; (features, labels) and (labels,)."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=REGULARISATION, max_iter=400)
    model.fit(matrix, targets, sample_weight=counts)
    columns = [list(model.classes_).index(label) for label in labels]
    return (
        model.coef_[columns].T.astype(np.float32),
        model.intercept_[columns].astype(np.float32),
    )


ALWAYS = 6.0
"""Log-odds of a label that all examples have."""


def _each(
    matrix: Any, targets: NDArray[Any], counts: NDArray[np.float64], labels: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each by itself: one logistic regression a label."""
    from sklearn.linear_model import LogisticRegression

    coefficients, biases = [], []
    for column in range(len(labels)):
        if len(np.unique(targets[:, column])) < 2:
            # A small set of lines may hold no example of a label: it is then never, or always, so.
            coefficients.append(np.zeros(matrix.shape[1]))
            biases.append(ALWAYS if targets[0, column] else -ALWAYS)
            continue
        model = LogisticRegression(C=REGULARISATION, max_iter=200)
        model.fit(matrix, targets[:, column], sample_weight=counts)
        coefficients.append(model.coef_[0])
        biases.append(model.intercept_[0])
    return np.array(coefficients, np.float32).T, np.array(biases, np.float32)


def _matrix(variant: str, features: Sequence[Features]) -> Any:
    """The scaled features of all examples side by side, sparse (examples, numbers)."""
    from scipy.sparse import csr_matrix, hstack  # type: ignore[import-untyped]

    blocks = []
    for block in VARIANTS[variant]:
        values = [getattr(feature, block) for feature in features]
        joined = _sparse(values) if isinstance(values[0], tuple) else csr_matrix(np.stack(values))
        blocks.append(joined * SCALES[block])
    return hstack(blocks).tocsr()


def _sparse(rows: Sequence[Sparse]) -> Any:
    from scipy.sparse import csr_matrix

    ends = np.cumsum([0] + [len(buckets) for buckets, _ in rows])
    buckets = np.concatenate([buckets for buckets, _ in rows])
    values = np.concatenate([values for _, values in rows])
    return csr_matrix((values, buckets, ends), shape=(len(rows), BUCKETS))
