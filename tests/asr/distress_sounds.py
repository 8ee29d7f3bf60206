"""Voices in distress and what could pass for them, synthesised; no recording of any was to be had.

Float64 at 16 kHz within ±1, seeded. A voice is the sum of its partials through the resonances of
an open vowel; what makes it a scream, a wail or a sob is its pitch, its length and its roughness.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

RATE = 16_000

Samples = npt.NDArray[np.float64]
Sound = Callable[[np.random.Generator], Samples]

_OPEN = ((850.0, 120.0), (1400.0, 150.0), (2900.0, 250.0))
"""Hz and bandwidth of the resonances of an open vowel."""


def _voice(
    pitch: Samples, rng: np.random.Generator, *, rough: float = 0.0, breath: float
) -> Samples:
    """A vowel of this pitch, Hz at each sample; `rough`: how deep its level beats, 40 to 120 Hz."""
    drift = lfilter([0.02], [1, -0.98], rng.standard_normal(pitch.size))
    sung = pitch * (1 + 0.05 * drift)
    phase = 2 * np.pi * np.cumsum(sung) / RATE
    sound = np.sum(
        [np.where(k * sung < 3800, np.sin(k * phase) / k, 0.0) for k in range(1, 9)], axis=0
    )
    beat = rng.uniform(40, 120) * (
        1 + 0.5 * lfilter([0.05], [1, -0.95], rng.standard_normal(pitch.size))
    )
    sound *= 1 + rough * np.sin(2 * np.pi * np.cumsum(beat) / RATE)
    return _through(sound + breath * rng.standard_normal(pitch.size))


def _through(sound: Samples) -> Samples:
    """Through the resonances of an open vowel."""
    out = np.zeros(sound.size)
    for centre, width in _OPEN:
        radius = np.exp(-np.pi * width / RATE)
        poles = [1, -2 * radius * np.cos(2 * np.pi * centre / RATE), radius**2]
        out += lfilter([1 - radius], poles, sound)
    return out


def _swell(sound: Samples, rise_s: float, fall_s: float) -> Samples:
    """Faded in and out."""
    time = np.arange(sound.size) / RATE
    return sound * np.minimum(1, np.minimum(time / rise_s, time[::-1] / fall_s))


def _pause(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE))


def _at_peak(parts: list[Samples], dbfs: float) -> Samples:
    sound = np.concatenate([_pause(0.5), *parts, _pause(0.5)])
    return np.asarray(sound / np.abs(sound).max() * 10 ** (dbfs / 20))


def scream(rng: np.random.Generator) -> Samples:
    """One to three screams at 550 to 1300 Hz, rough."""
    parts: list[Samples] = []
    for _ in range(rng.integers(1, 4)):
        course = np.linspace(0, 1, round(rng.uniform(0.7, 2.0) * RATE))
        pitch = np.interp(course, [0, 0.2, 0.8, 1], [0.7, 1, 0.95, 0.7]) * rng.uniform(550, 1300)
        voice = _voice(pitch, rng, rough=rng.uniform(0.3, 0.8), breath=0.1)
        parts += [_swell(voice, 0.05, 0.15), _pause(rng.uniform(0.2, 0.6))]
    return _at_peak(parts, rng.uniform(-6, 0))


def wailing(rng: np.random.Generator) -> Samples:
    """Three to five long vowels at 320 to 650 Hz that fall, a breath after each."""
    parts: list[Samples] = []
    for _ in range(rng.integers(3, 6)):
        course = np.linspace(0, 1, round(rng.uniform(0.8, 1.8) * RATE))
        pitch = np.interp(course, [0, 0.3, 1], [0.85, 1, 0.6]) * rng.uniform(320, 650)
        breath = 0.03 * _through(rng.standard_normal(round(0.3 * RATE)))
        parts += [_swell(_voice(pitch, rng, breath=0.08), 0.05, 0.15), breath]
        parts.append(_pause(rng.uniform(0.1, 0.5)))
    return _at_peak(parts, rng.uniform(-14, -3))


def sobbing(rng: np.random.Generator) -> Samples:
    """Bursts of a high voice, two to five a second, six to ten in one breath."""
    parts: list[Samples] = []
    for _ in range(rng.integers(2, 4)):
        top, period = rng.uniform(290, 550), rng.uniform(0.22, 0.4)
        for _ in range(rng.integers(6, 11)):
            length = round(period * rng.uniform(0.5, 0.6) * RATE)
            pitch = top * rng.uniform(0.92, 1.08) * np.linspace(1.1, 0.85, length)
            parts.append(_swell(_voice(pitch, rng, breath=0.15), 0.02, 0.04))
            parts.append(_pause(period * rng.uniform(0.4, 0.48)))
        parts.append(0.1 * _through(rng.standard_normal(round(0.7 * RATE))))
    return _at_peak(parts, rng.uniform(-14, -4))


def barking(rng: np.random.Generator) -> Samples:
    """A dog: short, rough, high, uneven."""
    parts: list[Samples] = []
    for _ in range(rng.integers(4, 15)):
        length = round(rng.uniform(0.08, 0.22) * RATE)
        pitch = np.linspace(1, 0.7, length) * rng.uniform(350, 900)
        parts.append(_swell(_voice(pitch, rng, rough=0.4, breath=0.4), 0.01, 0.05))
        parts.append(_pause(rng.uniform(0.15, 1.0)))
    return _at_peak(parts, rng.uniform(-10, 0))


def siren(rng: np.random.Generator) -> Samples:
    """Up and down between 500 and 1300 Hz, with overtones."""
    time = np.arange(8 * RATE) / RATE
    pitch = 900 + 400 * np.sin(2 * np.pi * time / rng.uniform(1, 4))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    return _at_peak([np.sin(phase) + 0.3 * np.sin(2 * phase) + 0.2 * np.sin(3 * phase)], -10)


DISTRESS: Mapping[str, Sound] = {"scream": scream, "wailing": wailing, "sobbing": sobbing}
OTHERS: Mapping[str, Sound] = {"barking": barking, "siren": siren}
