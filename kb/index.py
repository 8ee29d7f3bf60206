"""What is searched: every wording of the published entries, embedded once, when it is published.

An index is a value made from entries and never changed. Its digest names exactly the wordings,
answers, validity and embedder it was made from, so a stored index is used only where it is true.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from asr import phonetics
from kb.adapter import Adapter, adapters_for
from kb.entry import Entry
from kb.ngram_index import NgramIndex, Ngrams, Statistics
from kb.vectors import Floats, sums_of_each, unit
from kb.wording import characters, ngrams, sound_class

Embed = Callable[[Sequence[str]], Floats]

CHARACTER_SIZES = (1, 2)
SOUND_SIZES = (1, 2, 3)
_FORMAT = 2
PRIVATE_USE = 0xE000  # each class of syllables becomes one character, for rapidfuzz


class Embedder(Protocol):
    """Turns texts into vectors; `voicebot.embedder.SentenceEmbedder` is one."""

    @property
    def parts(self) -> Mapping[str, slice]:
        """Which columns each encoder fills."""
        ...

    @property
    def identity(self) -> str:
        """Names the encoders and their versions; vectors of another are not comparable."""
        ...

    def embed(self, texts: Sequence[str]) -> Floats:
        """float32 (n, d)."""
        ...


@runtime_checkable
class StagedEmbedder(Embedder, Protocol):
    """One that can be asked for some of its encoders first, and for the others in doubt."""

    def embed_parts(self, texts: Sequence[str], names: Collection[str]) -> Floats:
        """As `embed`; the columns of encoders that are not named are zero."""
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

    def similarities(self, row: Floats) -> Floats:
        """Of a vector (d,) to every wording, exactly: (wordings,)."""
        import faiss

        places = np.arange(self.wordings.ntotal)
        found = np.empty(len(places), np.float32)
        if not len(places):
            return found
        query = np.ascontiguousarray(row, np.float32)
        pointers = (faiss.swig_ptr(array) for array in (query, found, places))
        of_query, of_found, of_places = pointers
        self.wordings.compute_distance_subset(1, of_query, len(places), of_found, of_places)
        return found


@dataclass(frozen=True)
class Block:
    """Entries as a question is compared with them, whether all of an index or some.

    `owners[i]` is the position of the entry that wording `i` asks for; wordings lie together,
    in the order of the entries, and entry `e`'s begin at `starts[e]`.
    """

    owners: NDArray[np.intp]
    starts: NDArray[np.intp]
    slices: Mapping[str, slice]
    parts: Mapping[str, Part]
    """By encoder, and by adapter where `adapters` has any."""
    by_characters: Ngrams
    by_sounds: Ngrams
    entries_by_characters: Ngrams
    entries_by_sounds: Ngrams
    gaps_by_characters: Ngrams
    gaps_by_sounds: Ngrams
    sound_strings: Sequence[str]
    sound_letters: Mapping[str, str]
    adapters: tuple[Adapter, ...] = field(default=(), kw_only=True)

    def best_of_each(self, scores: Floats) -> Floats:
        """Highest score among each entry's wordings: (wordings,) → (entries,)."""
        if not len(self.starts):
            return np.zeros(0, np.float32)
        return np.maximum.reduceat(scores, self.starts)


@dataclass(frozen=True)
class Index(Block):
    """The searchable form of a list of entries.

    `gaps` are questions known to have no entry (知识缺口): a query that resembles one of them
    more than it resembles any entry is better not answered.
    """

    entries: tuple[Entry, ...]
    gaps: tuple[str, ...]
    wordings: tuple[str, ...]
    syllables: tuple[tuple[str, ...], ...]
    vectors: Floats
    """(wordings + answers + gaps, d), in this order, as the embedder gave them."""
    model: str
    """The embedder's `identity`."""
    digest: str


@dataclass(frozen=True)
class Like:
    """Statistics of a larger index that a small one is searched together with."""

    means: Mapping[str, Floats]
    by_characters: Statistics
    by_sounds: Statistics
    entries_by_characters: Statistics
    entries_by_sounds: Statistics


def texts_of(entries: Sequence[Entry], gaps: Sequence[str] = ()) -> list[str]:
    """The texts an index needs embedded: all wordings, then all answers, then the gaps."""
    return [*(w for e in entries for w in e.wordings), *(e.answer for e in entries), *gaps]


def open_gaps(entries: Sequence[Entry], gaps: Sequence[str]) -> tuple[str, ...]:
    """The gaps that no entry has filled, without repeats."""
    filled = {characters(w) for e in entries for w in e.wordings}
    return tuple(g for g in dict.fromkeys(gaps) if characters(g) and characters(g) not in filled)


def digest_of(
    entries: Sequence[Entry], slices: Mapping[str, slice], gaps: Sequence[str], model: str
) -> str:
    """SHA-256 of everything an index depends on: entries, gaps and what made the vectors."""
    parts = [(name, part.start, part.stop) for name, part in slices.items()]
    rows = [
        (e.id, e.version, e.category, e.region, e.wordings, e.answer, e.keywords,
         e.valid_from.isoformat(), e.valid_to.isoformat())
        for e in entries
    ]  # fmt: skip
    payload = json.dumps([_FORMAT, model, parts, rows, list(gaps)], ensure_ascii=False)
    return hashlib.sha256(payload.encode()).hexdigest()


def build(
    entries: Sequence[Entry],
    embedder: Embedder,
    *,
    gaps: Sequence[str] = (),
    embed: Embed | None = None,
    known: Mapping[str, Floats] | None = None,
    like: Like | None = None,
    adapters: tuple[Adapter, ...] | None = None,
) -> Index:
    """Make an index of `entries`: about 18 ms for each text that is not in `known`.

    Args:
        entries: as `kb.store.published` gives them.
        embedder: the one that will embed the queries too.
        gaps: questions known to have no entry.
        embed: a faster way to embed many texts (`SentenceEmbedder.embed_corpus`).
        known: vectors of texts that need not be embedded again.
        like: the larger index that this one is searched together with.
        adapters: by default those of the package that fit the embedder, and none with `like`.
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
    syllables = [phonetics.to_syllables(t) for t in spoken]
    model = embedder.identity
    return assemble(entries, unfilled, vectors, syllables, slices, model, like, adapters)


def assemble(
    entries: Sequence[Entry],
    gaps: Sequence[str],
    vectors: Floats,
    syllables: Sequence[tuple[str, ...]],
    slices: Mapping[str, slice],
    model: str,
    like: Like | None = None,
    adapters: tuple[Adapter, ...] | None = None,
) -> Index:
    """Put an index together from its stored parts, without an embedder.

    Args:
        vectors: (wordings + answers + gaps, d).
        syllables: of the wordings, then of the gaps.
        model: the `identity` of the embedder that made the vectors.
        like, adapters: see `build`.
    """
    wordings = tuple(w for e in entries for w in e.wordings)
    counts = np.array([len(e.wordings) for e in entries], np.intp)
    owners = np.repeat(np.arange(len(entries)), counts)
    starts = np.cumsum(counts) - counts
    sounds = [tuple(map(sound_class, s)) for s in syllables]
    letters = {
        name: chr(PRIVATE_USE + n)
        for n, name in enumerate(dict.fromkeys(c for s in sounds for c in s))
    }
    spoken, of_gaps = sounds[: len(wordings)], sounds[len(wordings) :]
    means = like.means if like else {}
    if adapters is None:
        adapters = adapters_for(model, slices) if like is None else ()
    columns = {name: vectors[:, cut] for name, cut in slices.items()}
    columns |= {adapter.name: adapter.apply(vectors, slices) for adapter in adapters}
    return Index(
        entries=tuple(entries),
        gaps=tuple(gaps),
        wordings=wordings,
        owners=owners,
        starts=starts,
        syllables=tuple(syllables),
        vectors=vectors,
        slices=slices,
        model=model,
        digest=digest_of(entries, slices, gaps, model),
        parts={
            name: part_of(rows, owners, starts, means.get(name)) for name, rows in columns.items()
        },
        adapters=adapters,
        by_characters=NgramIndex(
            map(character_terms, wordings), like=like.by_characters if like else None
        ),
        by_sounds=NgramIndex(map(sound_terms, spoken), like=like.by_sounds if like else None),
        entries_by_characters=NgramIndex(
            map(entry_character_terms, entries),
            "bm25",
            like.entries_by_characters if like else None,
        ),
        entries_by_sounds=NgramIndex(
            (entry_sound_terms(spoken[a : a + n]) for a, n in zip(starts, counts, strict=True)),
            "bm25",
            like.entries_by_sounds if like else None,
        ),
        gaps_by_characters=NgramIndex(map(character_terms, gaps)),
        gaps_by_sounds=NgramIndex(map(sound_terms, of_gaps)),
        sound_strings=tuple("".join(letters[c] for c in s) for s in spoken),
        sound_letters=letters,
    )


def character_terms(text: str) -> list[str]:
    """What a wording is compared by: its characters and pairs of them."""
    return ngrams(characters(text), CHARACTER_SIZES)


def sound_terms(sounds: Sequence[str]) -> list[str]:
    """What the sound classes of a wording are compared by."""
    return ngrams(sounds, SOUND_SIZES)


def entry_character_terms(entry: Entry) -> list[str]:
    """What an entry as a whole is compared by."""
    texts = (*entry.wordings, *entry.keywords, *entry.category.split("/"), entry.answer)
    return [term for text in texts for term in character_terms(text)]


def entry_sound_terms(wordings: Sequence[Sequence[str]]) -> list[str]:
    """What the sound classes of all wordings of an entry are compared by."""
    return [term for sounds in wordings for term in ngrams(sounds, SOUND_SIZES[:2])]


def part_of(
    vectors: Floats,
    owners: NDArray[np.intp],
    starts: NDArray[np.intp],
    mean: Floats | None = None,
) -> Part:
    """One encoder's view; `vectors` are its columns of wordings, answers and gaps.

    `mean` is that of all wordings of a larger index, where these are some of them.
    """
    import faiss  # 0.1 s to import, and the command line must be quick

    faiss.omp_set_num_threads(1)  # forty calls share two cores
    rows = unit(vectors)
    wordings, answers, gaps = np.split(rows, [len(owners), len(owners) + len(starts)])
    if mean is None:
        mean = wordings.mean(axis=0) if len(owners) else np.zeros(rows.shape[1], np.float32)
    sums = sums_of_each(wordings - mean, starts)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(wordings)
    return Part(index, unit(sums), mean, answers, gaps)
