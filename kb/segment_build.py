"""Making a segment: every wording embedded, its n-grams counted, in bounded memory."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr import phonetics
from kb.entry import Entry
from kb.index import (
    PRIVATE_USE,
    Embed,
    character_terms,
    entry_character_terms,
    entry_sound_terms,
    sound_terms,
)
from kb.large_ngrams import LargeNgrams
from kb.ngram_index import NgramIndex, Weighting
from kb.segment import BETWEEN
from kb.segment_file import VECTORS, new_folder, save_array, save_facts
from kb.vectors import Floats, unit
from kb.wording import sound_class

Progress = Callable[[int, int], None]

AT_ONCE = 1000
"""Entries embedded at once; with five wordings of 896 numbers that is 22 MB."""
PER_LIST = 40
"""Wordings that each inverted list's centre is learned from."""
SAMPLE = 256
"""Entries that stand for all: means of similarities come out within 0.06 of a spread."""


def key_of(entry: Entry) -> bytes:
    """16 bytes that name all that an entry is found by; validity and region are not in it."""
    found_by = (entry.id, entry.category, entry.wordings, entry.answer, entry.keywords)
    payload = json.dumps(found_by, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(payload, digest_size=16).digest()


def build_segment(
    folder: Path,
    entries: Sequence[Entry],
    keys: Sequence[bytes],
    embed: Embed,
    *,
    model: str,
    slices: Mapping[str, slice],
    progress: Progress | None = None,
) -> Path:
    """Write the segment of `entries` into `folder`; what was there stays until it is complete.

    Args:
        keys: `key_of` each entry.
        embed: gives the vectors of texts; called with about `AT_ONCE` entries' texts.
        model: names the encoders and their versions.
        progress: told how many entries are done, of how many.

    Raises:
        OSError: the folder cannot be written.
    """
    with new_folder(folder, _digest(keys, model, slices)) as target:
        counts = np.array([len(e.wordings) for e in entries], np.int64)
        save_array(target, "keys", np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16))
        save_array(target, "starts", np.concatenate([[0], np.cumsum(counts)]))
        chance = np.random.default_rng(0)
        sample = np.sort(chance.permutation(len(entries))[:SAMPLE])
        save_array(target, "sample", sample)
        _write_vectors(target, entries, counts, embed, slices, progress)
        letters = _write_sounds(target, entries)
        save_facts(
            target,
            {
                "model": model,
                "slices": {name: [cut.start, cut.stop] for name, cut in slices.items()},
                "letters": letters,
            },
        )
    return folder / f"segment-{_digest(keys, model, slices)[:24]}"


def _digest(keys: Sequence[bytes], model: str, slices: Mapping[str, slice]) -> str:
    head = json.dumps([model, [(n, c.start, c.stop) for n, c in slices.items()]])
    return hashlib.sha256(head.encode() + b"".join(keys)).hexdigest()


def _write_vectors(
    target: Path,
    entries: Sequence[Entry],
    counts: NDArray[np.int64],
    embed: Embed,
    slices: Mapping[str, slice],
    progress: Progress | None,
) -> None:
    import faiss

    width = max(cut.stop for cut in slices.values())
    total = int(counts.sum())
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    try:
        index = _trained(entries, total, width, embed)
        answers = np.zeros((len(entries), width), np.int8)
        sums = np.zeros(width, np.float64)
        for start in range(0, len(entries), AT_ONCE):
            some = entries[start : start + AT_ONCE]
            wordings = [w for e in some for w in e.wordings]
            vectors = embed([*wordings, *(e.answer for e in some)])
            spoken, replies = np.split(np.asarray(vectors, np.float32), [len(wordings)])
            index.add(np.ascontiguousarray(spoken))
            for cut in slices.values():
                sums[cut] += unit(spoken[:, cut]).sum(axis=0)
            answers[start : start + len(some)] = _in_8_bits(replies)
            if progress is not None:
                progress(start + len(some), len(entries))
        index.make_direct_map()
        faiss.write_index(index, str(target / VECTORS))
    finally:
        faiss.omp_set_num_threads(1)  # forty calls share two cores
    save_array(target, "answers", answers)
    save_array(target, "means", (sums / max(total, 1)).astype(np.float32))


def _trained(entries: Sequence[Entry], total: int, width: int, embed: Embed) -> Any:
    """An empty index whose lists and 8-bit ranges fit these entries."""
    import faiss

    lists = 1 << max(4, int(np.log2(1.5 * np.sqrt(total))))
    share = min(1.0, PER_LIST * lists / total)
    chance = np.random.default_rng(1)
    chosen = np.sort(chance.permutation(len(entries))[: int(np.ceil(share * len(entries)))])
    texts = [w for row in chosen for w in entries[row].wordings]
    vectors = np.concatenate(
        [
            np.asarray(embed(texts[start : start + 5 * AT_ONCE]), np.float32)
            for start in range(0, len(texts), 5 * AT_ONCE)
        ]
    )
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(width),
        width,
        lists,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
        False,
    )
    index.cp.spherical, index.cp.niter, index.cp.seed = True, 8, 1
    index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, PER_LIST
    index.train(vectors)
    return index


def _in_8_bits(vectors: Floats) -> NDArray[np.int8]:
    """Directions, to a thousandth of a radian or so; the lengths are not kept."""
    largest = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-12)
    rounded: NDArray[np.int8] = np.rint(vectors / largest * 127).astype(np.int8)
    return rounded


def _write_sounds(target: Path, entries: Sequence[Entry]) -> dict[str, str]:
    """The strings of sounds, and all n-grams; the letter of each sound class."""
    letters: dict[str, str] = {}
    strings: list[str] = []
    for entry in entries:
        heard = [
            "".join(
                letters.setdefault(c, chr(PRIVATE_USE + len(letters)))
                for c in map(sound_class, phonetics.to_syllables(wording))
            )
            for wording in entry.wordings
        ]
        strings.append(BETWEEN.join(heard))
    save_array(target, "sounds", np.frombuffer("".join(strings).encode("utf-16-le"), np.uint16))
    save_array(target, "sound_bounds", np.cumsum([0, *map(len, strings)]))
    classes = {letter: name for name, letter in letters.items()}

    def sounds() -> Iterator[list[list[str]]]:
        for string in strings:
            yield [[classes[letter] for letter in heard] for heard in string.split(BETWEEN)]

    def save(kind: str, index: NgramIndex, weighting: Weighting) -> None:
        for name, array in LargeNgrams.arrays(index, weighting).items():
            save_array(target, f"{kind}.{name}", array)

    wordings = (w for e in entries for w in e.wordings)
    save("characters", NgramIndex(map(character_terms, wordings)), "cosine")
    save("sounds", NgramIndex(sound_terms(s) for heard in sounds() for s in heard), "cosine")
    whole = NgramIndex(map(entry_character_terms, entries), "bm25")
    save("entry_characters", whole, "bm25")
    save("entry_sounds", NgramIndex(map(entry_sound_terms, sounds()), "bm25"), "bm25")
    return letters
