"""Where sound begins and ends on a waveform: the measure that latency is taken with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from telephony.codecs import FRAME_SECONDS, Int16

THRESHOLD_DBFS = -45.0
"""Above it is sound; line noise and G.711's own noise lie far below."""

THRESHOLD_AMPLITUDE = 32768.0 * 10 ** (THRESHOLD_DBFS / 20)


def window_is_loud(pcm: Int16, rate: int) -> NDArray[np.bool_]:
    """For each whole 20 ms window of `pcm` (n,): is its RMS above −45 dBFS?"""
    window = round(rate * FRAME_SECONDS)
    whole = len(pcm) // window
    frames = pcm[: whole * window].reshape(whole, window).astype(np.float64)
    loud: NDArray[np.bool_] = np.sqrt((frames**2).mean(axis=1)) > THRESHOLD_AMPLITUDE
    return loud


def first_sound(pcm: Int16, rate: int) -> int | None:
    """The sample that the first loud 20 ms window starts at."""
    loud = np.flatnonzero(window_is_loud(pcm, rate))
    return int(loud[0]) * round(rate * FRAME_SECONDS) if len(loud) else None


def speech_span(pcm: Int16, rate: int) -> tuple[int, int] | None:
    """First and one past the last sample of speech; None for silence throughout.

    The last one is the last sample above −45 dBFS in the last loud window, so
    that neither a click nor a trailing pause moves it.
    """
    window = round(rate * FRAME_SECONDS)
    padded = np.concatenate([pcm, np.zeros(-len(pcm) % window, np.int16)])
    loud = np.flatnonzero(window_is_loud(padded, rate))
    if not len(loud):
        return None
    tail = padded[int(loud[-1]) * window : (int(loud[-1]) + 1) * window].astype(np.int32)
    over = np.flatnonzero(np.abs(tail) > THRESHOLD_AMPLITUDE)
    return int(loud[0]) * window, min(len(pcm), int(loud[-1]) * window + int(over[-1]) + 1)


def sound_segments(pcm: Int16, rate: int, *, join_s: float = 0.8) -> Sequence[tuple[int, int]]:
    """Stretches of sound as (start, end) samples, pauses below `join_s` bridged."""
    window = round(rate * FRAME_SECONDS)
    segments: list[tuple[int, int]] = []
    for index in np.flatnonzero(window_is_loud(pcm, rate)):
        start, end = int(index) * window, (int(index) + 1) * window
        if segments and start - segments[-1][1] < join_s * rate:
            segments[-1] = (segments[-1][0], end)
        else:
            segments.append((start, end))
    return segments
