"""Embeddings bent towards what people ask: a linear map learnt from paraphrases.

The packaged encoders were made for all languages and subjects; to them a caller's account of
his trouble and the question as an office writes it are far apart. A map of their vectors that
was taught, on questions outside the knowledge base, which of them mean the same brings them
nearer (a linear adapter; see `kb.adapter_training`). Its views are weighed beside the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from kb.errors import AdapterNotReadable
from kb.vectors import Floats, unit

FILE = Path(__file__).parent / "data" / "adapters.npz"

ADAPTED = "adapted"
"""The adapter of all encoders together."""


def adapted(encoder: str) -> str:
    """The name of the adapter of one encoder alone."""
    return f"{ADAPTED} {encoder}"


@dataclass(frozen=True)
class Adapter:
    """One map.

    Args:
        name: of the part of an index that it makes.
        sources: the encoders whose vectors it takes, joined in this order.
        mean: (d,) taken off first.
        matrix: (d, k).
    """

    name: str
    sources: tuple[str, ...]
    mean: Floats
    matrix: Floats

    def applies_to(self, slices: Mapping[str, slice]) -> bool:
        """Whether vectors with these columns have all that it takes."""
        if not all(name in slices for name in self.sources):
            return False
        widths = [int(slices[name].stop - slices[name].start) for name in self.sources]
        return sum(widths) == len(self.mean)

    def apply(self, vectors: Floats, slices: Mapping[str, slice]) -> Floats:
        """Vectors (n, columns) → (n, k). A row that lacks an encoder's columns becomes zero."""
        pieces = [unit(vectors[:, slices[name]]) for name in self.sources]
        there = np.all([piece.any(axis=1) for piece in pieces], axis=0)
        mapped = (np.hstack(pieces) - self.mean) @ self.matrix
        return np.where(there[:, None], mapped, np.float32(0)).astype(np.float32)


def adapters_for(model: str, slices: Mapping[str, slice]) -> tuple[Adapter, ...]:
    """Those of the package that fit vectors of the embedder with this `identity`
    (`encoder:version`, joined by plus signs).

    Raises:
        AdapterNotReadable: the package's file is missing or damaged.
    """
    made_for, adapters = _of_package()
    same = {piece.split(":")[0] for piece in {*made_for.split("+")} & {*model.split("+")}}
    return tuple(a for a in adapters if same.issuperset(a.sources) and a.applies_to(slices))


def save(path: Path, model: str, adapters: Sequence[Adapter]) -> None:
    """Write them in half precision, for the embedder with this `identity`."""
    arrays: dict[str, NDArray[np.generic]] = {
        "model": np.array(model),
        "names": np.array([adapter.name for adapter in adapters]),
    }
    for adapter in adapters:
        arrays[f"{adapter.name}_sources"] = np.array(adapter.sources)
        arrays[f"{adapter.name}_mean"] = adapter.mean
        arrays[f"{adapter.name}_matrix"] = adapter.matrix.astype(np.float16)
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def _of_package() -> tuple[str, tuple[Adapter, ...]]:
    return load(FILE)


def load(path: Path) -> tuple[str, tuple[Adapter, ...]]:
    """(identity of the embedder that they were made for, the adapters), from `save`.

    Raises:
        AdapterNotReadable: missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return str(file["model"]), tuple(
                Adapter(
                    str(name),
                    tuple(map(str, file[f"{name}_sources"])),
                    np.asarray(file[f"{name}_mean"], np.float32),
                    np.asarray(file[f"{name}_matrix"], np.float32),
                )
                for name in file["names"]
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise AdapterNotReadable(
            f"{path} cannot be read ({error}): train it again with `voicebot kb train`."
        ) from error
