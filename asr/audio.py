"""Audio files in: WAV, FLAC, MP3, OGG at any rate → mono float32 at 16 kHz, in blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.errors import AudioEmpty, AudioNotReadable, AudioTooLong
from asr.hypothesis import Pcm, as_pcm
from asr.wav_header import NamelessFile

SAMPLE_RATE = 16_000
MAX_SECONDS = 24 * 3600.0  # a day's recording; at RTF 0.1 two and a half hours of work
_BLOCK_SECONDS = 1.0  # of a damaged file at most so much is lost before the damage
_LOWEST_RATE, _HIGHEST_RATE = 4_000, 768_000
_UNKNOWN_FRAMES = 1 << 60  # a stream that was piped does not say its length


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a file's header says; ``seconds`` is its length, 0 where it does not say it."""

    seconds: float
    sample_rate: int
    channels: int
    format: str


def span(seconds: float) -> str:
    """A duration for people: "11 h 0 min", "2 min 5 s", "3.2 s"."""
    if seconds >= 3600:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
    if seconds >= 60:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{seconds:.1f} s"


def shown(path: str | Path) -> str:
    """A file's name for people and JSON: as UTF-8, else as GBK, what is neither as \\xff."""
    return "/".join(map(_decoded, os.fsencode(path).split(b"/")))


def _decoded(name: bytes) -> str:
    for encoding in ("utf-8", "gbk"):
        try:
            return name.decode(encoding)
        except UnicodeDecodeError:
            continue
    return name.decode("utf-8", "backslashreplace")


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    import soundfile

    name = shown(path)
    if not path.exists():
        raise AudioNotReadable(f"{name}: there is no such file.")
    if not path.is_file():
        raise AudioNotReadable(f"{name} is a folder or device, not an audio file.")
    try:
        if path.stat().st_size == 0:
            raise AudioEmpty(f"{name} is empty (0 bytes). Record it again.")
        file = NamelessFile(path)
    except OSError as error:
        raise AudioNotReadable(f"{name} cannot be read: {error.strerror or error}.") from error
    try:
        try:
            sound = soundfile.SoundFile(file)
        except (soundfile.SoundFileError, TypeError, ValueError) as error:
            reason = getattr(error, "error_string", str(error)).rstrip(". ")
            raise AudioNotReadable(
                f"{name} is no audio file that can be read, or it is damaged ({reason}). "
                "WAV, FLAC, MP3 and OGG are understood; raw samples without a header are not."
            ) from error
        with sound:
            yield sound
    finally:
        file.close()


def probe(path: str | Path) -> AudioInfo:
    """Read a file's header only.

    Raises:
        AudioNotReadable: missing, damaged, no audio, or of an impossible rate.
        AudioEmpty: no samples in it.
    """
    path = Path(path)
    with _open(path) as sound:
        if not _LOWEST_RATE <= sound.samplerate <= _HIGHEST_RATE:
            raise AudioNotReadable(
                f"{shown(path)} says it has {sound.samplerate} samples a second, which no recorder "
                f"makes ({_LOWEST_RATE} to {_HIGHEST_RATE} are read). Its header is damaged."
            )
        if sound.frames == 0:
            raise AudioEmpty(f"{shown(path)} holds no sound. Record it again.")
        frames = sound.frames if sound.frames < _UNKNOWN_FRAMES else 0
        return AudioInfo(
            seconds=frames / sound.samplerate,
            sample_rate=sound.samplerate,
            channels=sound.channels,
            format=f"{sound.format}/{sound.subtype}",
        )


def read_blocks(
    path: str | Path,
    *,
    channel: int | None = None,
    block_seconds: float = _BLOCK_SECONDS,
    max_seconds: float = MAX_SECONDS,
) -> Iterator[Pcm]:
    """Read a file block by block, one channel of it or all mixed to one, resampled to 16 kHz.

    The file is never held in memory as a whole.

    Raises:
        AudioNotReadable, AudioEmpty: as of ``probe``, also when damage shows half way.
        AudioTooLong: longer than ``max_seconds``; raised before anything is read.
    """
    import soundfile
    import soxr

    path = Path(path)
    info = probe(path)
    if info.seconds > max_seconds:
        raise AudioTooLong(
            f"{shown(path)} lasts {span(info.seconds)}; the limit is {span(max_seconds)}. "
            "Cut it into parts, or raise the limit."
        )
    resampler = soxr.ResampleStream(info.sample_rate, SAMPLE_RATE, 1, dtype="float32")
    size = max(1, round(block_seconds * info.sample_rate))
    read = 0
    with _open(path) as sound:
        while True:
            try:
                block = sound.read(size, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, RuntimeError) as error:
                reason = getattr(error, "error_string", str(error)).strip(". ")
                raise AudioNotReadable(
                    f"{shown(path)} is damaged after {span(read / info.sample_rate)} ({reason})."
                ) from error
            last = len(block) < size
            read += len(block)
            mono = block.mean(axis=1) if channel is None else block[:, channel]
            pcm = resampler.resample_chunk(as_pcm(mono), last=last)
            if pcm.size:
                yield as_pcm(pcm)
            if last:
                return


def read(path: str | Path, *, max_seconds: float = 600.0) -> Pcm:
    """The whole file as float32 mono 16 kHz, shape (samples,); errors as of ``read_blocks``."""
    blocks = list(read_blocks(path, max_seconds=max_seconds))
    if not blocks:
        raise AudioEmpty(f"{shown(path)} holds no sound. Record it again.")
    return np.concatenate(blocks)
