"""Labelled lines as each variant of the classifier sees them, in training and on the gate."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from flows.triage.assessment import Turn
from flows.triage.classifier import Features
from flows.triage.examples import Example
from flows.triage.features import sound, text_syllables, wording
from flows.triage.noise import misheard_syllables
from flows.triage.reading import PhraseReader

SEED = 20221027
SYLLABLE_ERRORS = 0.12
"""The listener's errors on the telephone (FINDINGS.md section 2: 15.5 % toneless)."""


def feature_set(
    reader: PhraseReader,
    variant: str,
    example: Example,
    number: int,
    embedding: NDArray[np.float32] | None,
) -> Features:
    """What `variant` sees of an example; the sound variant sees misheard syllables alone."""
    if variant == "sound":
        heard = listened(example.text, number)
        return Features(reader.read(Turn("caller", "", (), heard)).features, sound(heard))
    return Features(
        reader.read(Turn("caller", example.text)).features,
        sound(text_syllables(example.text)),
        wording(example.text),
        embedding if variant == "full" else None,
    )


def listened(text: str, number: int) -> tuple[str, ...]:
    """The text's syllables as the listener might have them."""
    chance = random.Random(SEED + number)  # noqa: S311 - reproducible noise, not a secret
    return misheard_syllables(text_syllables(text), SYLLABLE_ERRORS, chance)
