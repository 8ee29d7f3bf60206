"""The trained classifier at work: numpy on stored weights, no torch.

Three *variants* of one model (linear, with a hidden layer over the dense features, see
`flows.triage.fitting`), by what there is to go on: ``full`` (sentence embedding,
phrases, wording, sound), ``plain`` (no embedding) and ``sound`` (syllables and phrases alone, for
turns that only the listener heard).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flows.triage.assessment import LINES, ROUTES
from flows.triage.errors import WeightsError
from flows.triage.features import BUCKETS, Sparse

WEIGHTS = Path(__file__).parent / "data" / "classifier.npz"
VERSION = 2

CATEGORIES = tuple(str(number) for number in range(1, 8))
VOICES = ("child", "elderly", "drunk")
"""Who is speaking, told by the words; flags of the assessment."""
HEADS: Mapping[str, tuple[str, ...]] = {
    "route": ROUTES,
    "category": CATEGORIES,
    "lines": LINES,
    "voice": VOICES,
}
VARIANTS: Mapping[str, tuple[str, ...]] = {
    "full": ("embedding", "phrases", "wording", "sound"),
    "plain": ("phrases", "wording", "sound"),
    "sound": ("phrases", "sound"),
}
SCALES: Mapping[str, float] = {"embedding": 4.0, "phrases": 1.0, "wording": 2.0, "sound": 1.5}
"""What each block is multiplied with, so that one regularisation suits all."""
DENSE = ("embedding", "phrases")
"""Blocks that are given whole; of the others (hashed) only what is not zero."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Features:
    """One text as the classifier sees it; what is missing is None."""

    phrases: Floats
    sound: Sparse
    wording: Sparse | None = None
    embedding: Floats | None = None

    @property
    def variant(self) -> str:
        if self.wording is None:
            return "sound"
        return "plain" if self.embedding is None else "full"


class Classifier:
    """Scores of every head; immutable."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self._weights = dict(weights)
        self.embedding_size = len(self._weights["full:route:embedding"])

    @classmethod
    def load(cls, path: Path, phrase_names: Sequence[str]) -> Classifier:
        """The weights of a file.

        Raises:
            WeightsError: there is no such file, or it was trained for another phrase table.
        """
        again = "Run `voicebot triage train`."
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except FileNotFoundError as error:
            raise WeightsError(f"The classifier's weights are missing: {path}. {again}") from error
        except (OSError, ValueError, EOFError) as error:
            raise WeightsError(f"The classifier's weights {path} are damaged. {again}") from error
        version = arrays.pop("version", np.array(0))
        names = arrays.pop("phrase_names", np.array([]))
        if int(version) != VERSION or tuple(names.tolist()) != tuple(phrase_names):
            raise WeightsError(
                f"The classifier's weights {path} were trained for other phrases. {again}"
            )
        return cls({name: array.astype(np.float32) for name, array in arrays.items()})

    def save(self, path: Path, phrase_names: Sequence[str]) -> None:
        """Half precision: the file is committed."""
        arrays = {name: array.astype(np.float16) for name, array in self._weights.items()}
        np.savez_compressed(
            path,
            version=np.array(VERSION),
            phrase_names=np.array(list(phrase_names)),
            **arrays,  # type: ignore[arg-type]
        )

    def scores(self, features: Features, head: str) -> Floats:
        """Scores (before softmax or sigmoid) of the head's labels, shape (labels,)."""
        variant = features.variant
        hidden = self._weights[f"{variant}:hidden:bias"].copy()
        for block in VARIANTS[variant]:
            if block in DENSE:
                values = getattr(features, block)
                hidden += SCALES[block] * (values @ self._weights[f"{variant}:hidden:{block}"])
        raised = np.maximum(hidden, 0)
        total = self._weights[f"{variant}:{head}:bias"] + (
            raised @ self._weights[f"{variant}:{head}:hidden"]
        )
        for block in VARIANTS[variant]:
            weights = self._weights[f"{variant}:{head}:{block}"]
            values = getattr(features, block)
            if isinstance(values, tuple):
                buckets, amounts = values
                total += SCALES[block] * (amounts @ weights[buckets])
            else:
                total += SCALES[block] * (values @ weights)
        return np.asarray(total, np.float32)


def block_sizes(phrases: int, embedding: int) -> dict[str, int]:
    """How many numbers each block has."""
    return {"embedding": embedding, "phrases": phrases, "wording": BUCKETS, "sound": BUCKETS}


def softmax(scores: Floats) -> Floats:
    raised = np.exp(scores - scores.max())
    return np.asarray(raised / raised.sum(), np.float32)


def sigmoid(scores: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(scores, -30, 30))), np.float32)
