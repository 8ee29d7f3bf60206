"""How the trial of hand-offs measures since when somebody is heard."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.handoff_trial import heard_since
from tests.asterisk.phones import FRAME, RATE, Heard

PAUSES = (40, 55)
"""Frames between which the voice pauses."""


def voice() -> np.ndarray:
    samples = np.random.default_rng(1).normal(0, 3000, RATE * 4)
    samples[PAUSES[0] * FRAME : PAUSES[1] * FRAME] = 0
    return samples.astype(np.int16)


def heard(starts_in: int, silent_frames: int = 0) -> Heard:
    """The loop from one of its samples on, whose first frames were lost."""
    samples = np.tile(voice(), 3)[starts_in:][: RATE * 8].copy()
    samples[: silent_frames * FRAME] = 0
    return Heard(samples, np.arange(len(samples) // FRAME) * 0.02, 8.0)


@pytest.mark.parametrize("starts_in", [0, 3000, 38 * FRAME, 50 * FRAME + 7])
def test_pauses_of_the_voice_are_none_of_the_line(starts_in: int) -> None:
    assert heard_since(heard(starts_in), voice()) == 0.0


@pytest.mark.parametrize("lost", [10, 60, 150])
def test_a_line_that_comes_late_is_late(lost: int) -> None:
    assert heard_since(heard(60 * FRAME, lost), voice()) == pytest.approx(lost * 0.02, abs=0.03)


def test_another_voice_is_not_heard() -> None:
    noise = np.random.default_rng(2).normal(0, 3000, RATE * 8).astype(np.int16)
    assert heard_since(Heard(noise, np.arange(400) * 0.02, 8.0), voice()) is None
