"""Segments on disk: a folder of arrays with a list of their sizes and hashes.

A segment is written beside its place and moved there when it is complete, so that whoever
opens one never meets half of it; what a killed process left is removed by the next.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kb.errors import IndexNotReadable
from kb.index import Like
from kb.large_ngrams import LargeNgrams
from kb.segment import Segment

FORMAT = 1
MANIFEST = "manifest.json"
VECTORS = "vectors.faiss"
NGRAMS = ("characters", "sounds", "entry_characters", "entry_sounds")
_LOCK = ".lock"


def segments_in(folder: Path) -> list[Path]:
    """Complete segments, newest first."""
    found = [path.parent for path in folder.glob("segment-*/" + MANIFEST)]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


@contextmanager
def new_folder(folder: Path, digest: str) -> Iterator[Path]:
    """An empty folder to write a segment to; it takes its place when the block ends well."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        with _alone_in(folder):
            _remove_abandoned(folder)
            temporary = Path(tempfile.mkdtemp(dir=folder, prefix=".segment-"))
            lock = held.enter_context((temporary / _LOCK).open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield temporary
            _write_manifest(temporary, digest)
            target = folder / f"segment-{digest[:24]}"
            if target.exists():
                shutil.rmtree(target)
            temporary.rename(target)
            _sync(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def save_array(folder: Path, name: str, array: NDArray[Any]) -> None:
    np.save(folder / f"{name}.npy", array, allow_pickle=False)


def save_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """What is neither array nor vectors: the encoders, the letters of sound classes."""
    (folder / "facts.json").write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")


def open_segment(path: Path, model: str, slices: Mapping[str, slice]) -> Segment:
    """Map a segment into memory after checking each file: about a second for a gigabyte.

    Raises:
        IndexNotReadable: damaged, or made by other encoders.
    """
    try:
        _check(path)
        facts = json.loads((path / "facts.json").read_text(encoding="utf-8"))
        made_by = {name: slice(*cut) for name, cut in facts["slices"].items()}
        if facts["model"] != model or made_by != dict(slices):
            raise IndexNotReadable(f"{path} was made by another sentence model.")
        return _mapped(path, facts, made_by)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise IndexNotReadable(f"{path} is damaged ({error}).") from error


def _mapped(path: Path, facts: Mapping[str, Any], slices: Mapping[str, slice]) -> Segment:
    import faiss

    def array(name: str) -> NDArray[Any]:
        mapped: NDArray[Any] = np.load(path / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return mapped.view(np.ndarray)  # a memmap's own slices are slow

    ngrams = {
        kind: LargeNgrams.of_arrays(lambda name, kind=kind: array(f"{kind}.{name}"))  # type: ignore[misc]
        for kind in NGRAMS
    }
    starts = np.array(array("starts"))
    means = np.array(array("means"))
    return Segment(
        path=path,
        keys=np.array(array("keys")).view("V16").reshape(-1),
        starts=starts,
        owners=np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts)),
        slices=slices,
        vectors=faiss.read_index(str(path / VECTORS), faiss.IO_FLAG_MMAP),
        answers=array("answers"),
        like=Like(
            {name: means[cut] for name, cut in slices.items()},
            ngrams["characters"],
            ngrams["sounds"],
            ngrams["entry_characters"],
            ngrams["entry_sounds"],
        ),
        ngrams=ngrams,
        sounds=array("sounds"),
        sound_bounds=np.array(array("sound_bounds")),
        letters=facts["letters"],
        sample=np.array(array("sample")),
    )


def _write_manifest(folder: Path, digest: str) -> None:
    files = {
        path.name: {"size": path.stat().st_size, "sha256": _hash(path)}
        for path in sorted(folder.iterdir())
        if path.name != _LOCK
    }
    for name in files:
        _sync(folder / name)
    text = json.dumps({"format": FORMAT, "digest": digest, "files": files}, indent=1)
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    _sync(folder / MANIFEST)
    _sync(folder)


def _check(path: Path) -> None:
    manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    if manifest["format"] != FORMAT:
        raise IndexNotReadable(f"{path} is of another version of this software.")
    for name, expected in manifest["files"].items():
        file = path / name
        if file.stat().st_size != expected["size"] or _hash(file) != expected["sha256"]:
            raise IndexNotReadable(f"{file} is damaged.")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """No other process is between making its folder and locking it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _remove_abandoned(folder: Path) -> None:
    """Half-written folders whose writer is gone: nobody holds their lock any more."""
    for path in folder.glob(".segment-*"):
        try:
            with (path / _LOCK).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue  # being written by another process, or not ours
