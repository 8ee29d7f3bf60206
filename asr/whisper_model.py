"""Whisper's weights in CTranslate2, with the ids of the vocabulary that they were cut to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import ModelBroken, ModelMissing
from asr.vocabulary import kept_tokens

_PUNCTUATION = frozenset('，。！？、；：,!?;:…·~“”‘’"')


class WhisperModel:
    """One loaded folder; its vocabulary is the whole one or Mandarin's (`asr.vocabulary`).

    Args:
        folder: ``model.bin``, ``config.json``, ``tokenizer.json``.
        threads, workers, compute_type: as of CTranslate2.
        punctuation: whether its marks may be written inside the text.

    Raises:
        ModelMissing, ModelBroken: the folder cannot be used.
    """

    def __init__(
        self, folder: Path, *, threads: int, workers: int, compute_type: str, punctuation: bool
    ) -> None:
        for name in ("model.bin", "config.json", "tokenizer.json"):
            if not (folder / name).is_file():
                raise ModelMissing(
                    f"Whisper's model is not complete: {folder / name} is not there. "
                    "Run `voicebot models fetch`."
                )
        import ctranslate2
        import tokenizers

        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
            self.native: Any = ctranslate2.models.Whisper(
                str(folder), device="cpu", compute_type=compute_type,
                inter_threads=workers, intra_threads=threads,
            )  # fmt: skip
        except Exception as error:
            raise ModelBroken(f"Whisper's model in {folder} does not load: {error}") from error
        self._storage = ctranslate2.StorageView
        kept = kept_tokens(folder)
        self._whole_ids: list[int] | None = None if kept is None else kept.tolist()
        """Of each of our tokens its id in the tokenizer."""
        self._ids = {old: new for new, old in enumerate(self._whole_ids or ())}
        marks = () if punctuation else self._punctuation()
        self.suppressed = [-1, *self._ours(marks)]
        self._prompts = {language: self._prompt(language) for language in ("zh", "en")}

    def prompt(self, language: str) -> list[int]:
        """The tokens that every text begins with: it is English ("en") or else Mandarin, and
        untimed."""
        return self._prompts["en" if language == "en" else "zh"]

    def _prompt(self, language: str) -> list[int]:
        tokens = ("<|startoftranscript|>", f"<|{language}|>", "<|transcribe|>", "<|notimestamps|>")
        numbers = (self._tokenizer.token_to_id(token) for token in tokens)
        return self._ours([number for number in numbers if number is not None])

    def encoded(self, features: npt.NDArray[np.float32]) -> Any:
        """The encoder's output for the log-mel features (bands, frames)."""
        return self.native.encode(self._storage.from_array(features[None]))

    def tokens(self, text: str) -> list[int]:
        """Those that spell it, without those that we have not."""
        return self._ours(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def text(self, tokens: Sequence[int]) -> str:
        whole = tokens if self._whole_ids is None else [self._whole_ids[i] for i in tokens]
        return str(self._tokenizer.decode(list(whole)))

    def _ours(self, whole: Sequence[int]) -> list[int]:
        """The ids of those tokens that we have."""
        if self._whole_ids is None:
            return list(whole)
        return [self._ids[i] for i in whole if i in self._ids]

    def _punctuation(self) -> list[int]:
        """Tokens of punctuation alone; the full stop stays, as it is in 1.5."""
        count = self._tokenizer.get_vocab_size(with_added_tokens=False)
        texts = self._tokenizer.decode_batch([[i] for i in range(count)], skip_special_tokens=False)
        return [i for i, t in enumerate(texts) if t.strip() and set(t.strip()) <= _PUNCTUATION]


def mel_bands(folder: Path) -> int:
    """How many the model hears; large-v3 has 128."""
    path = folder / "preprocessor_config.json"
    return int(json.loads(path.read_text()).get("feature_size", 80)) if path.is_file() else 80
