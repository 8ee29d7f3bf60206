"""Voices of callers and desks, by the project's own voice."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voicebot.call.speech import Synthesizer, at_rate, open_synthesizer
from voicebot.config import load_settings

RATE = 8000
_one_at_a_time = threading.Lock()


@cache
def _synthesizer() -> Synthesizer:
    return open_synthesizer("auto", load_settings().paths.models)


def speak(text: str) -> npt.NDArray[np.int16]:
    """The text at 8 kHz, without the silence at its ends, so that it loops without a gap.

    It is rendered once, and may be asked for in any thread.
    """
    with _one_at_a_time:
        return _spoken(text)


@cache
def _spoken(text: str) -> npt.NDArray[np.int16]:
    pcm = at_rate(_synthesizer().render(text), RATE).pcm
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 300)
    return pcm[loud[0] : loud[-1]]


def render(text: str, path: Path) -> Path:
    """The text as a WAV file for a telephone."""
    from tests.asterisk.phones import write_wav

    return write_wav(path, speak(text))
