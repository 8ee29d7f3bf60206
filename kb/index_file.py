"""A search index on disk: made at publish, read in under a second at start.

One file for each state of the knowledge base, named by its digest; written beside and moved into
place, so a reader never meets half a file. Vectors of texts that did not change are taken over
from the file before.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import structlog

from kb.entry import Entry
from kb.errors import IndexNotReadable
from kb.index import Embed, Embedder, Index, assemble, build, digest_of, open_gaps, texts_of
from kb.large_index import LargeIndex, fresh_entries, join
from kb.segment import Segment
from kb.segment_build import AT_ONCE, Progress, build_segment, key_of
from kb.segment_file import open_segment, segments_in
from kb.vectors import Floats

log = structlog.get_logger()

KEPT = 2
"""How many states are kept: the present one and the one to go back to."""
LARGE = 20_000
"""Wordings up to which a question is compared with every one of them: about 20 ms."""
LEFT_BEHIND_S = 3600.0
"""A half-written file of this age belongs to a writer that was killed: one takes seconds."""
FRESH = 1000
"""Entries that may be in no segment before a new one is made; each search compares them all."""


def open_index(
    entries: Sequence[Entry],
    embedder: Embedder,
    folder: Path,
    *,
    gaps: Sequence[str] = (),
    embed: Embed | None = None,
    previous: Index | LargeIndex | None = None,
    progress: Progress | None = None,
    anew: bool = False,
) -> Index | LargeIndex:
    """The index of `entries`: from `folder` if it is there, else made and written there.

    A damaged file is replaced, or the one before it used. Of many entries (`LARGE`) a segment
    is used for as long as few entries are in none (`FRESH`).

    Args:
        gaps, embed: see `kb.index.build`.
        previous: the index that is replaced: only what has changed is looked at again.
        progress: told how much of a new index is done, of how much.
        anew: make a new one even where that on disk would do.

    Raises:
        OSError: the folder cannot be written.
    """
    if sum(len(e.variants) + len(e.phrasings) + 1 for e in entries) > LARGE:
        earlier = previous if isinstance(previous, LargeIndex) else None
        return _open_large(entries, embedder, folder, gaps, embed, earlier, progress, anew)
    unfilled = open_gaps(entries, gaps)
    path = path_of(folder, digest_of(entries, embedder.parts, unfilled, embedder.identity))
    if path.is_file() and not anew:
        try:
            return load(path, entries, embedder, gaps=gaps)
        except IndexNotReadable as error:
            log.warning("index_made_again", reason=str(error))
            path.unlink()
    known = {} if anew else _known_vectors(folder, embedder)
    if progress is not None:
        embed = _by_and_by(embed or embedder.embed, progress)
    index = build(entries, embedder, gaps=gaps, embed=embed, known=known)
    save(index, folder)
    return index


def _by_and_by(embed: Embed, progress: Progress) -> Embed:
    """The same in small portions, each told and each kept by the embedder that keeps vectors."""

    def embed_all(texts: Sequence[str]) -> Floats:
        rows = []
        for start in range(0, len(texts), AT_ONCE):
            rows.append(embed(texts[start : start + AT_ONCE]))
            progress(min(start + AT_ONCE, len(texts)), len(texts))
        return np.concatenate(rows)

    return embed_all


def _open_large(
    entries: Sequence[Entry],
    embedder: Embedder,
    folder: Path,
    gaps: Sequence[str],
    embed: Embed | None,
    previous: LargeIndex | None,
    progress: Progress | None,
    anew: bool,
) -> LargeIndex:
    keys = _keys(entries, previous)
    segment = None if anew else _readable(folder, embedder, previous)
    if segment is None or len(fresh_entries(segment, keys)[1]) > FRESH:
        slices, model = dict(embedder.parts), embedder.identity
        path = build_segment(
            folder,
            entries,
            keys,
            embed or embedder.embed,
            model=model,
            slices=slices,
            progress=progress,
        )
        for old in [p for p in segments_in(folder) if p != path][KEPT - 1 :]:
            shutil.rmtree(old, ignore_errors=True)
        segment = open_segment(path, model, slices)
    return join(segment, entries, keys, embedder, gaps=gaps, embed=embed, previous=previous)


def _keys(entries: Sequence[Entry], previous: LargeIndex | None) -> list[bytes]:
    if previous is None:
        return [key_of(entry) for entry in entries]
    known = {
        entry.id: (entry, key) for entry, key in zip(previous.entries, previous.keys, strict=True)
    }
    keys = []
    for entry in entries:
        old, key = known.get(entry.id, (None, b""))
        keys.append(key if old == entry else key_of(entry))
    return keys


def _readable(folder: Path, embedder: Embedder, previous: LargeIndex | None) -> Segment | None:
    """The newest segment that these encoders made and that is whole."""
    for path in segments_in(folder):
        if previous is not None and previous.segment.path == path:
            return previous.segment
        try:
            return open_segment(path, embedder.identity, dict(embedder.parts))
        except IndexNotReadable as error:
            log.warning("segment_passed_over", reason=str(error))
    return None


def path_of(folder: Path, digest: str) -> Path:
    """Where the index of that digest is kept."""
    return folder / f"kb-{digest[:24]}.npz"


def save(index: Index, folder: Path) -> Path:
    """Write the index into `folder`; states before the last `KEPT` and what kills left go."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = texts_of(index.entries, index.gaps)
    head = {
        "digest": index.digest,
        "model": index.model,
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
    half_written = [p for p in folder.glob(".kb-*.npz") if _age_s(p) > LEFT_BEHIND_S]
    for old in [*[p for p in states if p != path][KEPT - 1 :], *half_written]:
        old.unlink(missing_ok=True)
    return path


def _age_s(path: Path) -> float:
    """Seconds since the file was written to; 0 where it is gone by now."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def load(
    path: Path, entries: Sequence[Entry], embedder: Embedder, *, gaps: Sequence[str] = ()
) -> Index:
    """Read an index that was made of exactly these entries, gaps and encoders.

    Raises:
        IndexNotReadable: damaged, or of other entries.
    """
    head = _read(path)
    unfilled = open_gaps(entries, gaps)
    slices, model = dict(embedder.parts), embedder.identity
    if head.digest != digest_of(entries, slices, unfilled, model):
        raise IndexNotReadable(f"{path} is the index of another state of the knowledge base.")
    return assemble(entries, unfilled, head.vectors, head.syllables, slices, model)


@dataclass(frozen=True, slots=True)
class _Contents:
    digest: str
    model: str
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
            str(head.get("model", "")),
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


def _known_vectors(folder: Path, embedder: Embedder) -> dict[str, Floats]:
    """Vectors by text from the newest readable state made by the same encoders."""
    states = sorted(folder.glob("kb-*.npz"), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in states:
        try:
            contents = _read(path)
        except IndexNotReadable:
            continue
        if contents.model == embedder.identity and contents.slices == dict(embedder.parts):
            return dict(zip(contents.texts, contents.vectors, strict=True))
    return {}
