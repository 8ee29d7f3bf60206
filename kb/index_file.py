"""A search index on disk: made at publish, read in under a second at start.

One file for each state of the knowledge base, named by its digest; written beside and moved into
place, so a reader never meets half a file. Vectors of texts that did not change are taken over
from the file before.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from kb.entry import Entry
from kb.errors import IndexNotReadable
from kb.index import Embed, Embedder, Floats, Index, assemble, build, digest_of, open_gaps, texts_of

KEPT = 2
"""How many states are kept: the present one and the one to go back to."""


def open_index(
    entries: Sequence[Entry],
    embedder: Embedder,
    folder: Path,
    *,
    gaps: Sequence[str] = (),
    embed: Embed | None = None,
) -> Index:
    """The index of `entries`: from `folder` if it is there, else made and written there.

    A damaged file is replaced. Raises OSError when the folder cannot be written.
    """
    unfilled = open_gaps(entries, gaps)
    path = path_of(folder, digest_of(entries, dict(embedder.parts), unfilled))
    if path.is_file():
        try:
            return load(path, entries, dict(embedder.parts), gaps=gaps)
        except IndexNotReadable:
            path.unlink()
    known = _known_vectors(folder, dict(embedder.parts))
    index = build(entries, embedder, gaps=gaps, embed=embed, known=known)
    save(index, folder)
    return index


def path_of(folder: Path, digest: str) -> Path:
    """Where the index of that digest is kept."""
    return folder / f"kb-{digest[:24]}.npz"


def save(index: Index, folder: Path) -> Path:
    """Write the index into `folder` and remove the states before the last `KEPT`."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = texts_of(index.entries, index.gaps)
    head = {
        "digest": index.digest,
        "texts": texts,
        "syllables": [" ".join(s) for s in index.syllables],
        "slices": {name: [cut.start, cut.stop] for name, cut in index.slices.items()},
    }
    path = path_of(folder, index.digest)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".kb-", suffix=".npz")
    try:
        with os.fdopen(handle, "wb") as file:
            encoded = np.frombuffer(json.dumps(head, ensure_ascii=False).encode(), np.uint8)
            np.savez(file, head=encoded, vectors=index.vectors)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    states = sorted(folder.glob("kb-*.npz"), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in [p for p in states if p != path][KEPT - 1 :]:
        old.unlink(missing_ok=True)
    return path


def load(
    path: Path, entries: Sequence[Entry], slices: Mapping[str, slice], *, gaps: Sequence[str] = ()
) -> Index:
    """Read an index that was made of exactly these entries, gaps and encoders.

    Raises:
        IndexNotReadable: damaged, or of other entries.
    """
    head = _read(path)
    unfilled = open_gaps(entries, gaps)
    if head.digest != digest_of(entries, slices, unfilled):
        raise IndexNotReadable(f"{path} is the index of another state of the knowledge base.")
    return assemble(entries, unfilled, head.vectors, head.syllables, slices)


@dataclass(frozen=True, slots=True)
class _Contents:
    digest: str
    texts: list[str]
    syllables: list[tuple[str, ...]]
    slices: dict[str, slice]
    vectors: Floats


def _read(path: Path) -> _Contents:
    try:
        with np.load(path, allow_pickle=False) as file:
            head = json.loads(file["head"].tobytes())
            vectors = np.asarray(file["vectors"], np.float32)
        contents = _Contents(
            str(head["digest"]),
            [str(text) for text in head["texts"]],
            [tuple(line.split()) for line in head["syllables"]],
            {name: slice(*cut) for name, cut in head["slices"].items()},
            vectors,
        )
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        BadZipFile,
    ) as error:
        raise IndexNotReadable(f"{path} is damaged ({error}); it will be made again.") from error
    if vectors.ndim != 2 or len(vectors) != len(contents.texts):
        raise IndexNotReadable(f"{path} is damaged (it lacks vectors); it will be made again.")
    return contents


def _known_vectors(folder: Path, slices: Mapping[str, slice]) -> dict[str, Floats]:
    """Vectors by text from the newest readable state made by the same encoders."""
    states = sorted(folder.glob("kb-*.npz"), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in states:
        try:
            contents = _read(path)
        except IndexNotReadable:
            continue
        if contents.slices == dict(slices):
            return dict(zip(contents.texts, contents.vectors, strict=True))
    return {}
