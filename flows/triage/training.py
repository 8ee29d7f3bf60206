"""Training the classifier: one reproducible function, run by ``voicebot triage train``.

From the labelled lines (``data/train_*.tsv``) come noisy copies, beginnings and pairs
(`flows.triage.noise`), and copies in what callers put around any matter
(`flows.triage.framed`); three models are fitted (`flows.triage.fitting`), and the blind gate
(``data/gate.tsv``), which no example or phrase was made from, sets temperatures and thresholds
(`flows.triage.calibration`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.prompts import load_prompts
from flows.triage.assessment import Turn
from flows.triage.calibration import calibrate, harmless, is_brief
from flows.triage.classifier import VARIANTS, Classifier
from flows.triage.examples import DATA, GATE, RECOGNISED, TRAINING, Example, read_examples
from flows.triage.fitting import fit
from flows.triage.framed import bare, framed, load_frames
from flows.triage.noise import (
    Names,
    cries,
    noisy_copies,
    openings,
    pairs,
    prefixes,
)
from flows.triage.phrase_lines import echo_lines, phrase_lines
from flows.triage.phrasebook import load_phrasebook
from flows.triage.reading import PhraseReader
from flows.triage.sampling import SEED, feature_set

Embed = Callable[[Sequence[str]], NDArray[np.float32]]

MADE_WEIGHT = 0.15
"""How much a made-up example counts beside one that was written; there are two to one."""
PLAIN_WEIGHT = 0.3
"""How much a phrase in a frame counts: the written lines are hard ones, and 着火了 is certain."""
FRAMED_WEIGHT = 0.3
"""How much a line in a frame counts."""
BRIEF_WEIGHT = 0.3
"""How much a short harmless line counts: there are many, of few words, and sentences must not be
judged by them (recall on the gate 0.939 instead of 0.936)."""
CONVERSATIONS = 7000
"""As many to the written lines as when they were found enough: 4,000 to 15,556."""
CRY = 0.7
"""Strength of a phrase that makes a clause of a danger line one by itself."""
LEAST_OF_PAIR = 6
"""Characters of a line that says enough to be half of a conversation."""


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
    recognised: Sequence[Path] = (RECOGNISED,),
    gate: Path = GATE,
    conversations: int = CONVERSATIONS,
    progress: Callable[[str], None] = lambda _: None,
) -> TrainingReport:
    """Fit, calibrate and store the classifier in `folder`; takes minutes.

    Args:
        embed: texts → float32 (n, d), rows of length 1.
        recognised: training lines as the recogniser heard them; they count as made-up ones.
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
        *echo_lines(prompt.text for prompt in load_prompts().values() if not prompt.blanks),
        *read_examples(*recognised),
    )
    plain = phrase_lines(book, SEED + 3)
    frames = load_frames()
    around = (*framed(written, frames, SEED + 5), *bare(frames, SEED + 6))
    examples = (*written, *made, *plain, *around)
    weights = np.repeat(
        [1.0, MADE_WEIGHT, PLAIN_WEIGHT, FRAMED_WEIGHT],
        [len(written), len(made), len(plain), len(around)],
    )
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
        fitted |= fit(variant, features, examples, weights)
    path = folder / "classifier.npz"
    Classifier(fitted).save(path, reader.names)
    progress("setting thresholds on the gate")
    calibration = calibrate(Classifier.load(path, reader.names), reader, embed, blind)
    calibration.save(folder / "calibration.json")
    size = path.stat().st_size
    return TrainingReport(
        len(written), len(examples) - len(written), path, size, calibration.measured
    )


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
