"""One sentence embedder for triage and search.

The packaged encoders run directly on their engines: importing sentence-transformers
takes 8 to 10 s and 400 MB (measured), which neither the start of a call service nor a
command like ``voicebot triage`` can afford. sentence-transformers does its work where
it is worth that: it runs any Hugging Face model that an operator configures instead
(`model`), it embeds the whole knowledge base in batches with progress when it is
published (`embed_corpus`), and it finds entries that ask the same thing
(`near_duplicates`). The packaged encoders take part in it as a module, so both kinds of
model go through one `SentenceTransformer`.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import structlog
from numpy.typing import NDArray

from voicebot.encoders import (
    E5_WEIGHTS,
    E5Encoder,
    Encoder,
    UniversalSentenceEncoder,
    e5_runs_here,
)
from voicebot.errors import EmbedderFailed, ModelUnavailable
from voicebot.vectors import VectorStore

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

log = structlog.get_logger()

Vectors = NDArray[np.float32]
Vector = NDArray[np.float32]

CACHED_TEXTS = 4096
"""Recent texts kept in memory (15 MB): triage and search ask for the same partials."""

MOST_CHARACTERS = 400
"""A longer text is cut: it would keep e5 busy for seconds, and no question is that long."""

ASKED_THREADS = min(2, os.cpu_count() or 1)
"""Of e5 while a caller waits: one sentence takes 11.7 ms in place of 21.7 (p99 16 and 28), for 6 %
more processor time; the vector is the same to the last bit."""

FEW_TEXTS = 64
"""Up to this many new texts (1 s of work) are not worth importing sentence-transformers."""


class SentenceEmbedder:
    """Texts to unit vectors, thread-safe, loaded at the first use.

    Parameters:
        models_dir: folder that `voicebot.models` filled.
        model: a Hugging Face model folder to use instead of the packaged encoders,
            for example bge-small-zh-v1.5; run by sentence-transformers.
        store: an SQLite file in which `embed_corpus` keeps its vectors between starts,
            so that an index is rebuilt without running a model. What callers say is
            embedded with `embed`, which only reads it. None: no file.
        cached_texts: how many recent texts are kept in memory.

    With the packaged encoders a vector is the Universal Sentence Encoder's (512-d) and
    e5's (384-d), each of length 1, joined and divided by sqrt(2); without e5's files it
    is the former alone. `parts` says which is where.

    Raises:
        ModelUnavailable: at the first use: the model's files are missing or damaged.
        EmbedderFailed: a text cannot be embedded, for whatever reason; the next one may.
    """

    def __init__(
        self,
        models_dir: Path,
        *,
        model: Path | None = None,
        store: Path | None = None,
        cached_texts: int = CACHED_TEXTS,
    ) -> None:
        self._models_dir, self._model_dir = models_dir, model
        self._store_path = store
        self._store: VectorStore | None = None
        self._cached_texts = cached_texts
        self._recent: OrderedDict[str, Vector] = OrderedDict()
        self._columns: OrderedDict[tuple[str, str], Vector] = OrderedDict()
        self._running: dict[str, Future[Vector]] = {}
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._encoders: tuple[Encoder, ...] = ()
        self._transformer: SentenceTransformer | None = None

    @property
    def parts(self) -> dict[str, slice]:
        """Where each encoder's numbers lie in a vector. Loads the encoders."""
        parts, start = {}, 0
        for encoder in self._loaded():
            parts[encoder.name] = slice(start, start + encoder.dimension)
            start += encoder.dimension
        return parts

    @property
    def identity(self) -> str:
        """Names the encoders and their versions. Loads the encoders."""
        return self._identity(self._loaded())

    @property
    def dimension(self) -> int:
        return sum(encoder.dimension for encoder in self._loaded())

    def warm_up(self) -> None:
        """Loads everything and runs it once, so that the first caller does not wait."""
        self.encode(["预热"])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """float32 (n, dimension), rows of length 1; blocks about 16 ms for a new text.

        A text that another thread is embedding at the moment is waited for, not
        computed twice.
        """
        found: dict[str, Vector] = {}
        mine: dict[str, Future[Vector]] = {}
        others: dict[str, Future[Vector]] = {}
        with self._lock:
            for text in dict.fromkeys(texts):
                if text in self._recent:
                    self._recent.move_to_end(text)
                    found[text] = self._recent[text]
                elif text in self._running:
                    others[text] = self._running[text]
                else:
                    mine[text] = self._running[text] = Future()
        if mine:
            found |= self._compute(mine)
        found |= {text: future.result() for text, future in others.items()}
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        return np.stack([found[text] for text in texts])

    @property
    def quickest(self) -> str:
        """The encoder to ask first."""
        return self._loaded()[0].name

    def embed_parts(self, texts: Sequence[str], names: Collection[str]) -> Vectors:
        """As `embed`, by the encoders that are named; the columns of the others are zero."""
        encoders = self._loaded()
        if all(encoder.name in names for encoder in encoders):
            return self.embed(texts)
        out = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(out, texts, strict=True):
            known = self._known(text)
            for encoder in encoders:
                if encoder.name in names:
                    cut = self.parts[encoder.name]
                    row[cut] = known[cut] if known is not None else self._column(encoder, text)
        return out

    def _known(self, text: str) -> Vector | None:
        """The vector of a text that was embedded lately or is being embedded."""
        with self._lock:
            if text in self._recent:
                return self._recent[text]
            running = self._running.get(text)
        return running.result() if running is not None else None

    def _column(self, encoder: Encoder, text: str) -> Vector:
        """One encoder's share of a vector."""
        key = (encoder.name, text)
        with self._lock:
            if key in self._columns:
                self._columns.move_to_end(key)
                return self._columns[key]
        with _typed():
            row = self._encode_by(encoder, [text[:MOST_CHARACTERS]], ASKED_THREADS)[0]
        column: Vector = row / np.float32(np.sqrt(len(self._encoders)))
        with self._lock:
            self._columns[key] = column
            while len(self._columns) > self._cached_texts:
                self._columns.popitem(last=False)
        return column

    def embed_corpus(self, texts: Sequence[str], *, progress: bool = False) -> Vectors:
        """Like `embed`, for the questions of a knowledge base when it is published.

        What is embedded here is kept in the store. More than `FEW_TEXTS` new texts go
        through sentence-transformers in batches on all cores; `progress` shows its bar
        on stderr.
        """
        self._loaded()
        known = self._stored(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if len(missing) > FEW_TEXTS:
            with _typed():
                rows = self.sentence_transformer().encode(
                    missing, batch_size=64, convert_to_numpy=True, show_progress_bar=progress
                )
            fresh = dict(zip(missing, np.asarray(rows, np.float32), strict=True))
        else:
            fresh = dict(zip(missing, self.embed(missing), strict=True))
        if fresh and self._store is not None:
            self._store.put(fresh)
        known |= fresh
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        return np.stack([known[text] for text in texts])

    def near_duplicates(
        self, texts: Sequence[str], *, above: float = 0.9, most: int = 200
    ) -> list[tuple[float, int, int]]:
        """Pairs of texts that ask the same thing: (cosine, index, index), best first."""
        if len(texts) < 2:
            return []
        import torch
        from sentence_transformers.util import paraphrase_mining_embeddings

        vectors = torch.from_numpy(self.embed_corpus(texts))
        pairs = paraphrase_mining_embeddings(vectors, max_pairs=most, top_k=10)
        return [(float(score), int(a), int(b)) for score, a, b in pairs if score >= above]

    def encode(self, texts: Sequence[str], threads: int = 1) -> Vectors:
        """The models themselves, without cache or store: float32 (n, dimension)."""
        encoders = self._loaded()
        if not texts:
            return np.zeros((0, sum(e.dimension for e in encoders)), np.float32)
        texts = [text[:MOST_CHARACTERS] for text in texts]
        rows = [self._encode_by(encoder, texts, threads) for encoder in encoders]
        return np.concatenate(rows, axis=1) / np.float32(np.sqrt(len(rows)))

    @staticmethod
    def _encode_by(encoder: Encoder, texts: Sequence[str], threads: int) -> Vectors:
        if isinstance(encoder, E5Encoder):
            return encoder.encode(texts, threads)
        return encoder.encode(texts)

    def sentence_transformer(self) -> SentenceTransformer:
        """The model as sentence-transformers sees it. The first call imports it (8 to 10 s).

        Raises:
            ModelUnavailable: sentence-transformers is not installed, or the configured
                model folder cannot be loaded.
        """
        self._loaded()
        with self._loading:
            if self._transformer is None:
                from voicebot.transformer import packaged_transformer

                self._transformer = packaged_transformer(self.encode)
            return self._transformer

    def _loaded(self) -> tuple[Encoder, ...]:
        if self._encoders:
            return self._encoders
        with self._loading:
            if not self._encoders:
                with _typed():
                    encoders = self._open()
                if self._store_path is not None:
                    try:
                        self._store = VectorStore(self._store_path, self._identity(encoders))
                    except ModelUnavailable as error:
                        # A cache: without it a publication takes longer, and nothing else.
                        log.warning("vector_store_missing", reason=str(error))
                self._encoders = encoders
            return self._encoders

    def _open(self) -> tuple[Encoder, ...]:
        if self._model_dir is not None:
            if not self._model_dir.is_dir():
                raise ModelUnavailable(
                    f"The configured sentence model is not a folder: {self._model_dir}. Give the "
                    "folder of a sentence-transformers model, or leave the setting empty."
                )
            from voicebot.transformer import TransformerEncoder

            encoder = TransformerEncoder(self._model_dir)
            self._transformer = encoder.transformer
            return (encoder,)
        encoders: tuple[Encoder, ...] = (UniversalSentenceEncoder(self._models_dir),)
        if e5_runs_here() and (self._models_dir / E5_WEIGHTS).is_file():
            encoders += (E5Encoder(self._models_dir),)
        return encoders

    def _identity(self, encoders: tuple[Encoder, ...]) -> str:
        if self._model_dir is not None:
            return f"{self._model_dir.name}:{_fingerprint(self._model_dir)}"
        return "+".join(f"{encoder.name}:{encoder.version}" for encoder in encoders)

    def _stored(self, texts: Sequence[str]) -> dict[str, Vector]:
        return self._store.get(dict.fromkeys(texts)) if self._store is not None else {}

    def _compute(self, mine: dict[str, Future[Vector]]) -> dict[str, Vector]:
        try:
            self._loaded()
            found = self._stored(list(mine))
            missing = [text for text in mine if text not in found]
            with _typed():
                found |= dict(zip(missing, self.encode(missing, ASKED_THREADS), strict=True))
        except BaseException as error:
            with self._lock:
                for text, future in mine.items():
                    del self._running[text]
                    future.set_exception(error)
            raise
        with self._lock:
            for text, future in mine.items():
                del self._running[text]
                future.set_result(found[text])
                self._recent[text] = found[text]
            while len(self._recent) > self._cached_texts:
                self._recent.popitem(last=False)
        return found


@contextmanager
def _typed() -> Iterator[None]:
    """Whatever an engine throws, as one kind of error that calls are prepared for."""
    try:
        yield
    except ModelUnavailable:
        raise
    except Exception as error:
        raise EmbedderFailed(
            f"The sentence embedder failed ({type(error).__name__}: {str(error)[:200]}); "
            "`voicebot doctor` checks it."
        ) from error


def _fingerprint(folder: Path) -> str:
    """Names the files of a model folder by name, size and time of change."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            state = path.stat()
            digest.update(
                f"{path.relative_to(folder)}|{state.st_size}|{state.st_mtime_ns}".encode()
            )
    return digest.hexdigest()[:16]
