"""Recorded sentences, to be said one after the other in a call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from telephony.codecs import Int16


def sentences(shared: Path, count: int) -> list[Int16]:
    """Recordings (n,) at the line's 8 kHz, each with silence in which its turn ends.

    Parameters:
        shared: folder of the evaluation data.
    """
    found = []
    for path in sorted((shared / "data" / "speech" / "aishell1_s0150").iterdir())[:count]:
        pcm, rate = sf.read(path, dtype="int16")
        found.append(np.concatenate([soxr.resample(pcm, rate, 8000), np.zeros(12_000, np.int16)]))
    return found
