"""Audio files of the test caller, read whole and brought to the wire's rate."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from telephony.codecs import Int16, WireFormat
from telephony.errors import CallError
from telephony.speech_level import speech_span

MAX_CLIP_SECONDS = 1800.0
"""Half an hour: longer than any caller speaks in one go."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A file to speak.

    Parameters:
        path: where it came from.
        pcm: (n,) at the wire's rate, through the wire's codec once.
        rate: Hz.
        speech: first and one past the last sample of speech.
    """

    path: Path
    pcm: Int16 = field(repr=False)
    rate: int
    speech: tuple[int, int]

    @property
    def seconds(self) -> float:
        return len(self.pcm) / self.rate


def load_clip(path: Path, wire: WireFormat) -> Clip:
    """Any WAV, FLAC or MP3 file, any rate, mixed to mono.

    Errors: CallError `no_audio_file`, `bad_audio`, `audio_too_long`.
    """
    import soundfile
    import soxr

    if not path.is_file():
        raise CallError("no_audio_file", f"There is no audio file {path}.")
    try:
        info = soundfile.info(str(path))
        if info.duration > MAX_CLIP_SECONDS:
            raise CallError(
                "audio_too_long",
                f"{path} lasts {info.duration / 3600:.1f} hours; a caller's file may last "
                f"{MAX_CLIP_SECONDS / 60:.0f} minutes at most: cut it.",
            )
        samples, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except soundfile.SoundFileError:
        raise CallError(
            "bad_audio", f"{path} is no audio that can be read; give a WAV, FLAC or MP3 file."
        ) from None
    if not len(samples):
        raise CallError("bad_audio", f"{path} holds no audio; its length is 0 seconds.")
    mono = np.nan_to_num(samples.mean(axis=1))
    if rate != wire.sample_rate:
        mono = soxr.resample(mono, rate, wire.sample_rate, quality="HQ")
    pcm = np.clip(np.rint(mono * 32768.0), -32768, 32767).astype(np.int16)
    pcm = wire.decode(wire.encode(pcm))  # what is measured is what is sent
    return Clip(path, pcm, wire.sample_rate, speech_span(pcm, wire.sample_rate) or (0, len(pcm)))
