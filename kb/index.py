"""What is searched: every wording of the published entries, embedded once, when it is published.

An index is a value made from entries and never changed. Its digest names exactly the wordings,
answers, validity and embedder it was made from, so a stored index is used only where it is true.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asr import phonetics
from kb.entry import Entry
from kb.ngram_index import NgramIndex
from kb.wording import characters, ngrams, sound_class

Floats = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Floats]

CHARACTER_SIZES = (1, 2)
SOUND_SIZES = (1, 2, 3)
_FORMAT = 1
_PRIVATE_USE = 0xE000  # each class of syllables becomes one character, for rapidfuzz


class Embedder(Protocol):
    """Turns texts into vectors; `voicebot.embedder.SentenceEmbedder` is one."""

    @property
    def parts(self) -> Mapping[str, slice]:
        """Which columns each encoder fills."""
        ...

    def embed(self, texts: Sequence[str]) -> Floats:
        """float32 (n, d)."""
        ...


@dataclass(frozen=True)
class Part:
    """One encoder's view of the entries; rows are of length 1."""

    wordings: Any
    """faiss.IndexFlatIP over the wordings."""
    centroids: Floats
    """(entries, d): mean of each entry's wordings, less the mean of all."""
    mean: Floats
    """(d,): mean of all wordings."""
    answers: Floats
    """(entries, d)."""
    gaps: Floats
    """(gaps, d)."""


@dataclass(frozen=True)
class Index:
    """The searchable form of a list of entries.

    `owners[i]` is the position in `entries` of the entry that wording `i` asks for. `gaps` are
    questions known to have no entry (知识缺口): a query that resembles one of them more than it
    resembles any entry is better not answered.
    """

    entries: tuple[Entry, ...]
    gaps: tuple[str, ...]
    wordings: tuple[str, ...]
    owners: NDArray[np.intp]
    syllables: tuple[tuple[str, ...], ...]
    vectors: Floats
    """(wordings + answers + gaps, d), in this order, as the embedder gave them."""
    slices: Mapping[str, slice]
    digest: str
    parts: Mapping[str, Part]
    by_characters: NgramIndex
    by_sounds: NgramIndex
    entries_by_characters: NgramIndex
    entries_by_sounds: NgramIndex
    gaps_by_characters: NgramIndex
    gaps_by_sounds: NgramIndex
    sound_strings: tuple[str, ...]
    sound_letters: Mapping[str, str]

    def starts(self) -> NDArray[np.intp]:
        """Where each entry's wordings begin; they lie together, in the order of `entries`."""
        return np.searchsorted(self.owners, np.arange(len(self.entries))).astype(np.intp)

    def best_of_each(self, scores: Floats) -> Floats:
        """Highest score among each entry's wordings: (wordings,) → (entries,)."""
        if not len(self.entries):
            return np.zeros(0, np.float32)
        return np.maximum.reduceat(scores, self.starts())


def texts_of(entries: Sequence[Entry], gaps: Sequence[str] = ()) -> list[str]:
    """The texts an index needs embedded: all wordings, then all answers, then the gaps."""
    return [*(w for e in entries for w in e.wordings), *(e.answer for e in entries), *gaps]


def open_gaps(entries: Sequence[Entry], gaps: Sequence[str]) -> tuple[str, ...]:
    """The gaps that no entry has filled, without repeats."""
    filled = {characters(w) for e in entries for w in e.wordings}
    return tuple(g for g in dict.fromkeys(gaps) if characters(g) and characters(g) not in filled)


def digest_of(entries: Sequence[Entry], slices: Mapping[str, slice], gaps: Sequence[str]) -> str:
    """SHA-256 of everything an index depends on: entries, gaps and the shape of the vectors."""
    parts = [(name, part.start, part.stop) for name, part in slices.items()]
    rows = [
        (e.id, e.version, e.category, e.region, e.wordings, e.answer, e.keywords,
         e.valid_from.isoformat(), e.valid_to.isoformat())
        for e in entries
    ]  # fmt: skip
    payload = json.dumps([_FORMAT, parts, rows, list(gaps)], ensure_ascii=False)
    return hashlib.sha256(payload.encode()).hexdigest()


def build(
    entries: Sequence[Entry],
    embedder: Embedder,
    *,
    gaps: Sequence[str] = (),
    embed: Embed | None = None,
    known: Mapping[str, Floats] | None = None,
) -> Index:
    """Make an index of `entries`: about 18 ms for each text that is not in `known`.

    Args:
        entries: as `kb.store.published` gives them.
        embedder: the one that will embed the queries too.
        gaps: questions known to have no entry.
        embed: a faster way to embed many texts (`SentenceEmbedder.embed_corpus`).
        known: vectors of texts that need not be embedded again.
    """
    unfilled = open_gaps(entries, gaps)
    texts = texts_of(entries, unfilled)
    found = dict(known or {})
    missing = [text for text in dict.fromkeys(texts) if text not in found]
    if missing:
        found.update(zip(missing, (embed or embedder.embed)(missing), strict=True))
    slices = dict(embedder.parts)
    width = max((cut.stop for cut in slices.values()), default=0)
    vectors = np.array([found[t] for t in texts], np.float32).reshape(len(texts), width)
    spoken = [*(w for e in entries for w in e.wordings), *unfilled]
    return assemble(entries, unfilled, vectors, [phonetics.to_syllables(t) for t in spoken], slices)


def assemble(
    entries: Sequence[Entry],
    gaps: Sequence[str],
    vectors: Floats,
    syllables: Sequence[tuple[str, ...]],
    slices: Mapping[str, slice],
) -> Index:
    """Put an index together from its stored parts, without an embedder.

    Args:
        vectors: (wordings + answers + gaps, d).
        syllables: of the wordings, then of the gaps.
    """
    wordings = tuple(w for e in entries for w in e.wordings)
    counts = [len(e.wordings) for e in entries]
    owners = np.repeat(np.arange(len(entries)), counts).astype(np.intp)
    sounds = [tuple(map(sound_class, s)) for s in syllables]
    letters = {
        name: chr(_PRIVATE_USE + n)
        for n, name in enumerate(dict.fromkeys(c for s in sounds for c in s))
    }
    spoken, of_gaps = sounds[: len(wordings)], sounds[len(wordings) :]
    by_wording = [ngrams(characters(w), CHARACTER_SIZES) for w in wordings]
    by_entry: list[list[str]] = [[] for _ in entries]
    sounds_by_entry: list[list[str]] = [[] for _ in entries]
    for owner, terms, sound in zip(owners, by_wording, spoken, strict=True):
        by_entry[owner] += terms
        sounds_by_entry[owner] += ngrams(sound, SOUND_SIZES[:2])
    for row, entry in enumerate(entries):
        for text in (*entry.keywords, *entry.category.split("/"), entry.answer):
            by_entry[row] += ngrams(characters(text), CHARACTER_SIZES)
    return Index(
        entries=tuple(entries),
        gaps=tuple(gaps),
        wordings=wordings,
        owners=owners,
        syllables=tuple(syllables),
        vectors=vectors,
        slices=slices,
        digest=digest_of(entries, slices, gaps),
        parts={name: _part(vectors[:, cut], owners, len(entries)) for name, cut in slices.items()},
        by_characters=NgramIndex(by_wording),
        by_sounds=NgramIndex([ngrams(s, SOUND_SIZES) for s in spoken]),
        entries_by_characters=NgramIndex(by_entry, "bm25"),
        entries_by_sounds=NgramIndex(sounds_by_entry, "bm25"),
        gaps_by_characters=NgramIndex([ngrams(characters(g), CHARACTER_SIZES) for g in gaps]),
        gaps_by_sounds=NgramIndex([ngrams(s, SOUND_SIZES) for s in of_gaps]),
        sound_strings=tuple("".join(letters[c] for c in s) for s in spoken),
        sound_letters=letters,
    )


def unit(rows: Floats) -> Floats:
    """Rows scaled to length 1; a zero row stays zero."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.ascontiguousarray(rows / np.maximum(lengths, 1e-12), np.float32)


def _part(vectors: Floats, owners: NDArray[np.intp], entries: int) -> Part:
    import faiss  # 0.1 s to import, and the command line must be quick

    faiss.omp_set_num_threads(1)  # forty calls share two cores
    rows = unit(vectors)
    wordings, answers, gaps = np.split(rows, [len(owners), len(owners) + entries])
    mean = wordings.mean(axis=0) if len(owners) else np.zeros(rows.shape[1], np.float32)
    sums = np.zeros((entries, rows.shape[1]), np.float32)
    np.add.at(sums, owners, wordings - mean)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(wordings)
    return Part(index, unit(sums), mean, answers, gaps)
