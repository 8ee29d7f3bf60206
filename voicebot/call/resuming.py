"""Where an interrupted utterance goes on: at the beginning of a sentence.

Rendered speech has its pauses by punctuation (`voices.reading.PAUSES`), so the ends of
sentences can be found in the sound itself, whoever spoke it. Pure.
"""

from __future__ import annotations

import numpy as np

from telephony.codecs import FRAME_SECONDS, Int16

SENTENCE_S = 0.28
"""Pause that ends a sentence; a comma's is 0.2 s."""
QUIET = 120
"""Amplitude below which rendered speech pauses, of 32768."""
LEAD_S = 0.04
"""Silence kept before the sentence."""
LEAST_S = 0.3
"""A sentence that had only just begun is no news: the one before is said again as well."""


def resume_point(pcm: Int16, rate: int, heard_s: float) -> int:
    """The sample from which to go on when `heard_s` seconds were heard; 0 for the beginning."""
    frame = round(FRAME_SECONDS * rate)
    count = min(len(pcm), round((heard_s - LEAST_S) * rate)) // frame
    if count <= 0:
        return 0
    frames = np.abs(pcm[: count * frame].astype(np.int32)).reshape(count, frame)
    quiet = frames.max(axis=1) < QUIET
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.view(np.int8), [0]])))
    starts, ends = edges[::2], edges[1::2]
    pauses = [
        end
        for start, end in zip(starts, ends, strict=True)
        if end - start >= SENTENCE_S / FRAME_SECONDS and end < count
    ]
    return max(0, int(pauses[-1]) * frame - round(LEAD_S * rate)) if pauses else 0
