"""Audio files in: WAV, FLAC, MP3, OGG at any rate → mono float32 at 16 kHz, in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.errors import AudioEmpty, AudioNotReadable, AudioTooLong
from asr.hypothesis import Pcm, as_pcm

SAMPLE_RATE = 16_000
MAX_SECONDS = 4 * 3600.0  # longer than any call; at RTF 0.1 already half an hour of work
_BLOCK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a file's header says; ``seconds`` is its length."""

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


def _open(path: Path) -> Any:
    import soundfile

    if not path.exists():
        raise AudioNotReadable(f"{path}: there is no such file.")
    if not path.is_file():
        raise AudioNotReadable(f"{path} is a folder or device, not an audio file.")
    try:
        if path.stat().st_size == 0:
            raise AudioEmpty(f"{path} is empty (0 bytes). Record it again.")
        return soundfile.SoundFile(path)
    except OSError as error:
        raise AudioNotReadable(f"{path} cannot be read: {error.strerror or error}.") from error
    except soundfile.SoundFileError as error:
        reason = getattr(error, "error_string", str(error)).rstrip(". ")
        raise AudioNotReadable(
            f"{path} is no audio file that can be read, or it is damaged ({reason}). "
            "WAV, FLAC, MP3 and OGG are understood."
        ) from error


def probe(path: str | Path) -> AudioInfo:
    """Read a file's header only.

    Raises:
        AudioNotReadable: missing, damaged or no audio.
        AudioEmpty: no samples in it.
    """
    path = Path(path)
    with _open(path) as sound:
        if sound.frames == 0 or sound.samplerate <= 0:
            raise AudioEmpty(f"{path} holds no sound. Record it again.")
        return AudioInfo(
            seconds=sound.frames / sound.samplerate,
            sample_rate=sound.samplerate,
            channels=sound.channels,
            format=f"{sound.format}/{sound.subtype}",
        )


def read_blocks(
    path: str | Path, *, block_seconds: float = _BLOCK_SECONDS, max_seconds: float = MAX_SECONDS
) -> Iterator[Pcm]:
    """Read a file block by block, channels mixed to one, resampled to 16 kHz.

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
            f"{path} lasts {span(info.seconds)}; the limit is {span(max_seconds)}. "
            "Cut it into parts, or raise the limit."
        )
    resampler = soxr.ResampleStream(info.sample_rate, SAMPLE_RATE, 1, dtype="float32")
    size = max(1, round(block_seconds * info.sample_rate))
    with _open(path) as sound:
        while True:
            try:
                block = sound.read(size, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, RuntimeError) as error:
                raise AudioNotReadable(f"{path} is damaged: {error}") from error
            last = len(block) < size
            mono = as_pcm(block.mean(axis=1)) if len(block) else np.empty(0, np.float32)
            pcm = resampler.resample_chunk(mono, last=last)
            if pcm.size:
                yield as_pcm(pcm)
            if last:
                return


def read(path: str | Path, *, max_seconds: float = 600.0) -> Pcm:
    """The whole file as float32 mono 16 kHz, shape (samples,); errors as of ``read_blocks``."""
    blocks = list(read_blocks(path, max_seconds=max_seconds))
    if not blocks:
        raise AudioEmpty(f"{path} holds no sound. Record it again.")
    return np.concatenate(blocks)
