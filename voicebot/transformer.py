"""sentence-transformers: the packaged encoders as its module, and configured models.

Imported only where it is needed: the import costs 8 to 10 s and 400 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import InputModule

from voicebot.errors import ModelUnavailable

Vectors = NDArray[np.float32]
Encode = Callable[[Sequence[str], int], Vectors]


class PackagedEncoders(InputModule):  # type: ignore[misc]
    """The packaged encoders as a sentence-transformers module; strings go in as they are."""

    def __init__(self, encode: Encode, threads: int) -> None:
        super().__init__()
        self._encode, self._threads = encode, threads

    def preprocess(
        self, inputs: Sequence[str], prompt: str | None = None, **_: Any
    ) -> dict[str, Any]:
        return {"texts": [f"{prompt or ''}{text}" for text in inputs]}

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        rows = self._encode(features["texts"], self._threads)
        return {"sentence_embedding": torch.from_numpy(rows)}

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        raise NotImplementedError("The packaged encoders are fetched, not saved.")


def packaged_transformer(encode: Encode) -> SentenceTransformer:
    """A `SentenceTransformer` over the packaged encoders, for corpora and mining."""
    module = PackagedEncoders(encode, threads=torch.get_num_threads())
    return SentenceTransformer(modules=[module], device="cpu")


class TransformerEncoder:
    """Any model folder in sentence-transformers' format, as one encoder of ours.

    Parameters:
        folder: for example bge-small-zh-v1.5, with its weights; never downloaded here.
        prompt: put before every text, where the model's card asks for it.
    """

    name = "model"
    version = ""

    def __init__(self, folder: Path, prompt: str = "") -> None:
        try:
            self.transformer = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        except Exception as error:  # the library raises a dozen unrelated classes
            raise ModelUnavailable(
                f"The configured sentence model {folder} cannot be loaded: {error}"
            ) from error
        dimension = self.transformer.get_embedding_dimension()
        if not dimension:
            raise ModelUnavailable(f"The configured sentence model {folder} gives no vectors.")
        self.dimension = int(dimension)
        self._prompt = prompt or None

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = self.transformer.encode(
            list(texts),
            prompt=self._prompt,
            convert_to_numpy=True,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return np.asarray(rows, np.float32).reshape(len(texts), self.dimension)
