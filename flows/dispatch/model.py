"""The trained classifier of departments at work: numpy on stored weights.

Linear in a sentence embedding and in hashed n-grams of characters, so that words that were
seen are remembered; beside it the nearest known matters of each department, by which meanings
that were not seen are told. Trained by `training`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from flows.dispatch.duties import Catalogue, Duty, read_catalogue
from flows.dispatch.errors import DispatchError
from flows.triage.features import wording

WEIGHTS = Path(__file__).parent / "data" / "dispatch.npz"
VERSION = 1
EMBEDDING_SCALE, WORDING_SCALE = 4.0, 4.0
"""What each block is multiplied with, so that one regularisation suits both."""
NEIGHBOURS = 3
NEAR_SCALE = 20.0
"""What the mean likeness of a department's nearest known matters counts beside the linear score.
Both were chosen on the knowledge base's questions, left out of the fit."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Weights:
    """What training has found; arrays of float32."""

    departments: tuple[str, ...]
    bias: Floats
    """(departments,)"""
    embedding: Floats
    """(numbers of an embedding, departments)"""
    wording: Floats
    """(`flows.triage.features.BUCKETS`, departments)"""
    temperature: float
    """Scores are divided by it, so that probabilities are what they say."""
    threshold: float
    """Probability from which a proposal is made without a person."""
    known: Floats
    """(known matters, numbers of an embedding), rows of length 1; the duties' own words last"""
    owners: NDArray[np.int32]
    """Whose each known matter is, as an index of `departments`."""
    catalogue: str
    """Digest of departments and duties."""


class DispatchModel:
    """Probabilities of departments for a matter; immutable."""

    def __init__(self, weights: Weights, catalogue: Catalogue) -> None:
        self._weights, self.catalogue = weights, catalogue
        self._duties = [(duty, word) for duty in catalogue.duties for word in duty.words]
        self.threshold = weights.threshold
        self.embedding_size = len(weights.embedding)

    @classmethod
    def load(cls, path: Path = WEIGHTS, catalogue: Catalogue | None = None) -> DispatchModel:
        """The model of a file, for the duties as they stand in ``flows/data`` by default.

        Raises:
            DispatchError: there is no such file, or it was trained for other duties.
        """
        again = "Run `voicebot dispatch train`."
        catalogue = catalogue or read_catalogue()
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except FileNotFoundError as error:
            raise DispatchError(f"The weights of dispatch are missing: {path}. {again}") from error
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise DispatchError(f"The weights of dispatch {path} are damaged. {again}") from error
        fitting = (VERSION, digest(catalogue))
        if (int(arrays.get("version", 0)), str(arrays.get("catalogue", ""))) != fitting:
            raise DispatchError(
                f"The weights of dispatch {path} were trained for other duties. {again}"
            )
        floats = {
            name: arrays[name].astype(np.float32)
            for name in ("bias", "embedding", "wording", "known")
        }
        weights = Weights(
            departments=tuple(arrays["departments"].tolist()),
            temperature=float(arrays["temperature"]),
            threshold=float(arrays["threshold"]),
            owners=arrays["owners"].astype(np.int32),
            catalogue=str(arrays["catalogue"]),
            **floats,
        )
        return cls(weights, catalogue)

    def probabilities(self, text: str, embedding: Floats | None) -> dict[str, float]:
        """By department, best first; without an embedding by the words alone."""
        weights = self._weights
        buckets, values = wording(text)
        scores = weights.bias + WORDING_SCALE * (values @ weights.wording[buckets])
        if embedding is not None:
            vector = unit(embedding)
            near = nearness(
                (weights.known @ vector)[None], weights.owners, len(weights.departments)
            )
            scores = scores + EMBEDDING_SCALE * (vector @ weights.embedding) + NEAR_SCALE * near[0]
        raised = np.exp((scores - scores.max()) / weights.temperature)
        shares = raised / raised.sum()
        order = np.argsort(-shares, kind="stable")
        return {weights.departments[index]: float(shares[index]) for index in order}

    def written(self) -> tuple[Floats, tuple[str, ...]]:
        """The training lines that it knows, as vectors, and whose each is."""
        count = len(self._weights.known) - len(self._duties)
        owners = (self._weights.departments[index] for index in self._weights.owners[:count])
        return self._weights.known[:count], tuple(owners)

    def duty(self, department: str, text: str, embedding: Floats | None) -> tuple[Duty, str] | None:
        """The department's duty that is nearest to the matter, and its word that was said."""
        duties = [each for each in self.catalogue.duties if each.department == department]
        if not duties:
            return None
        said = [(each, word) for each in duties for word in each.matters if word in text]
        if said:
            return max(said, key=lambda found: len(found[1]))
        if embedding is None:
            return duties[0], ""
        near = self._weights.known[-len(self._duties) :] @ unit(embedding)
        nearest = max(
            (index for index, (duty, _) in enumerate(self._duties) if duty in duties),
            key=lambda index: float(near[index]),
        )
        return self._duties[nearest][0], ""


def save(weights: Weights, path: Path) -> None:
    """Half precision: the file is committed."""
    with path.open("wb") as file:  # numpy would add to the name
        np.savez_compressed(
            file,
            version=np.array(VERSION),
            departments=np.array(list(weights.departments)),
            bias=weights.bias.astype(np.float16),
            embedding=weights.embedding.astype(np.float16),
            wording=weights.wording.astype(np.float16),
            temperature=np.array(weights.temperature),
            threshold=np.array(weights.threshold),
            known=weights.known.astype(np.float16),
            owners=weights.owners,
            catalogue=np.array(weights.catalogue),
        )


def nearness(likeness: Floats, owners: NDArray[np.int32], departments: int) -> Floats:
    """Mean likeness of each department's nearest known matters, (texts, departments).

    Parameters:
        likeness: (texts, known matters), cosines.
    """
    near = np.zeros((len(likeness), departments), np.float32)
    for index in range(departments):
        own = likeness[:, owners == index]
        if own.shape[1] > NEIGHBOURS:
            own = -np.partition(-own, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        if own.shape[1]:
            near[:, index] = own.mean(axis=1)
    return near


def digest(catalogue: Catalogue) -> str:
    """Names departments and duties, in order."""
    words: Sequence[str] = [
        *catalogue.departments,
        *(f"{each.department} {' '.join(each.words)}" for each in catalogue.duties),
    ]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def unit(embedding: Floats) -> Floats:
    """Of length 1; zeros stay zeros."""
    return np.asarray(embedding / max(float(np.linalg.norm(embedding)), 1e-9), np.float32)
