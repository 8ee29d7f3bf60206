"""The folder of rendered audio: whole files under their hash, or none at all.

A file is written beside its place and moved there, so that a process that is killed leaves at
most a ``.part``, which nobody reads. Whoever renders for a publication holds the folder
shared, and `prune` holds it alone: neither works on what the other has just looked at.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
import time
import wave
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicebot.call.voices.sound import Speech

_NAME = re.compile(r"[0-9a-f]{64}\Z")
_LOCK = ".lock"

WRITING_S = 3600.0
"""A ``.part`` that was written to within this time may still be on its way to its place."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """Files that nothing uses any more, and how many bytes they took."""

    files: int
    size: int


def audio_path(folder: Path, name: str) -> Path:
    """Where the audio of that name (64 hexadecimal digits) belongs.

    Raises:
        ValueError: it is no such name.
    """
    if not _NAME.match(name):
        raise ValueError("The name of an audio file is 64 hexadecimal digits.")
    return folder / name[:2] / f"{name}.wav"


def read_wav(path: Path, voice: str) -> Speech | None:
    """None when the file is missing or damaged (it is then rendered again)."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getnchannels() != 1 or file.getsampwidth() != 2:
                return None
            data = file.readframes(file.getnframes())
            if len(data) != file.getnframes() * 2 or not data:
                return None
            return Speech(np.frombuffer(data, "<i2"), file.getframerate(), voice)
    except (OSError, EOFError, wave.Error, RuntimeError):
        return None


def write_wav(path: Path, speech: Speech) -> None:
    """The speech as a WAV file, mono, 16 bit; there as a whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as raw, wave.open(raw, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(speech.rate)
            file.writeframes(speech.pcm.astype("<i2").tobytes())
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def rendering(folder: Path) -> Iterator[None]:
    """While audio is made for a publication, nothing is pruned."""
    with _held(folder, fcntl.LOCK_SH):
        yield


def prune(folder: Path, used: Callable[[], Collection[str]], *, dry_run: bool = False) -> Pruned:
    """Remove audio that nothing uses, and what killed processes have left half written.

    Parameters:
        used: the names to keep; asked for while nobody can render for a publication.
        dry_run: only count.

    Raises:
        OSError: a file cannot be removed.
    """
    if not folder.is_dir():
        return Pruned(0, 0)
    with _held(folder, fcntl.LOCK_EX):
        kept = {audio_path(folder, name) for name in used()}
        unused = dict(_unused(folder, kept))
        if not dry_run:
            for path in unused:
                path.unlink(missing_ok=True)
        return Pruned(len(unused), sum(unused.values()))


def _unused(folder: Path, kept: Collection[Path]) -> Iterator[tuple[Path, int]]:
    """Files to remove, with their sizes; calls render on demand meanwhile, and finish theirs."""
    writing_since = time.time() - WRITING_S
    for pattern in ("*/*.wav", "*/*.part"):
        for path in sorted(folder.glob(pattern)):
            with contextlib.suppress(FileNotFoundError):  # it has just been moved to its place
                found = path.stat()
                writing = path.suffix == ".part" and found.st_mtime > writing_since
                if not (writing or path in kept):
                    yield path, found.st_size


@contextlib.contextmanager
def _held(folder: Path, how: int) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a") as lock:
        fcntl.flock(lock, how)
        yield
