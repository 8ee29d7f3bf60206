"""Speech as samples: trimmed, brought to one level, resampled for the line.

Levels are in dBFS of a full-scale square wave, so a sine of full scale has −3 dBFS RMS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

Int16 = NDArray[np.int16]
Float = NDArray[np.float32]

SILENCE_DBFS = -45.0
"""Anything below is silence to the caller's measurement of latency, too."""
LEVEL_DBFS = -20.0
"""RMS of the speaking parts; telephone exchanges expect about this."""
PEAK_DBFS = -3.0
LEAD_S, TAIL_S, FADE_S, FRAME_S = 0.010, 0.030, 0.003, 0.005


@dataclass(frozen=True, slots=True)
class Speech:
    """Mono int16 samples, their rate in Hz, and the voice they were spoken with."""

    pcm: Int16
    rate: int
    voice: str = ""

    @property
    def seconds(self) -> float:
        return len(self.pcm) / self.rate


def speech_from(audio: Float, rate: int, voice: str = "") -> Speech:
    """Float samples (any level) as levelled, trimmed speech: float32 → int16."""
    finished = trimmed(levelled(audio, rate), rate)
    return Speech(np.round(np.clip(finished, -1, 1) * 32767).astype(np.int16), rate, voice)


def levelled(audio: Float, rate: int) -> Float:
    """Speaking parts at −20 dBFS RMS, no sample above −3 dBFS. Silence stays as it is."""
    peak = float(np.abs(audio).max(initial=0))
    loudness = _frame_rms(audio, rate)
    speaking = loudness[loudness > loudness.max(initial=0) * 0.05]
    if peak < 1e-4 or not len(speaking):
        return audio
    rms = float(np.sqrt(np.mean(speaking**2)))
    gain = min(_amplitude(LEVEL_DBFS) / rms, _amplitude(PEAK_DBFS) / peak)
    return (audio * gain).astype(np.float32)


def trimmed(audio: Float, rate: int) -> Float:
    """At most 10 ms before the first and 30 ms after the last sound above −45 dBFS."""
    loud = np.flatnonzero(_frame_rms(audio, rate) > _amplitude(SILENCE_DBFS))
    if not len(loud):
        return np.zeros(0, np.float32)
    frame = round(FRAME_S * rate)
    start = max(0, int(loud[0]) * frame - round((LEAD_S - FRAME_S) * rate))
    end = min(len(audio), (int(loud[-1]) + 1) * frame + round(TAIL_S * rate))
    kept = audio[start:end].astype(np.float32, copy=True)
    fade = min(round(FADE_S * rate), len(kept) // 2)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    kept[:fade] *= ramp
    kept[len(kept) - fade :] *= ramp[::-1]
    return kept


def at_rate(speech: Speech, rate: int) -> Speech:
    """The same speech at another rate (8000 or 16000 Hz), band-limited by soxr."""
    if speech.rate == rate:
        return speech
    import soxr

    audio = soxr.resample(speech.pcm.astype(np.float32), speech.rate, rate, quality="HQ")
    pcm = np.round(np.clip(audio, -32768, 32767)).astype(np.int16)
    return Speech(cast(Int16, pcm), rate, speech.voice)


def dbfs(audio: Float) -> float:
    """RMS level of float samples (±1 is full scale); −120 for silence."""
    rms = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))) if len(audio) else 0.0
    return 20 * float(np.log10(max(rms, 1e-6)))


def frame_levels(audio: Float, rate: int) -> Float:
    """RMS level of each 5 ms, in dBFS; −120 for silence."""
    return cast(Float, 20 * np.log10(np.maximum(_frame_rms(audio, rate), 1e-6)))


def _amplitude(level: float) -> float:
    return float(10 ** (level / 20))


def _frame_rms(audio: Float, rate: int) -> Float:
    frame = round(FRAME_S * rate)
    whole = np.pad(audio, (0, -len(audio) % frame)).reshape(-1, frame)
    return cast(Float, np.sqrt(np.mean(np.square(whole, dtype=np.float32), axis=1)))
