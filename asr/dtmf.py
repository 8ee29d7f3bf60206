"""Keeps the tones of pressed keys (in-band DTMF) out of the recognisers.

A key is two steady sines at once, one of four low and one of four high frequencies (ITU-T Q.23).
A stretch holds one as ITU-T Q.24 has receivers decide it: by level, by twist (the difference
between the two), by frequency and by length; and, so that voices and music do not pass for keys
(talk-off), by how little else sounds. Nothing is reported: which key it was comes from the line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

Int16 = npt.NDArray[np.int16]
Float32 = npt.NDArray[np.float32]

_LOW, _HIGH = (697.0, 770.0, 852.0, 941.0), (1209.0, 1336.0, 1477.0, 1633.0)
_KEYS = ("123A", "456B", "789C", "*0#D")
_DETUNED = (0.972, 0.988, 0.996, 1.004, 1.012, 1.028)
"""Where each frequency is looked for: Q.24 accepts what is 1.5 % off and refuses 3.5 %."""
_REFUSED = (0, len(_DETUNED) - 1)

_BLOCK_SECONDS = 0.01
_WINDOW_BLOCKS = 2
"""20 ms, each 10 ms: the shortest key, of 40 ms, fills two of them, however they lie."""

_PROMISING = 0.4
"""Part of a window's energy at two nominal frequencies that makes a closer look worth it; a key
1.5 % off and with any twist has half."""
_PURITY = 0.85
"""Part of a window's energy in the two sines: a key 8 dB above the noise has it."""
_FAINTEST_DBFS = -42.0
"""RMS of a window; keys arrive at −10 to −30 dBFS."""
_TWIST_DB, _REVERSE_TWIST_DB = 6.0, 10.0
"""High over low, and low over high: Q.24's 4 to 5 and 8 dB, and what else a line does to them."""

_JUMP = 4.0
"""Energy of a block over the one before it from which a key may have set in, 6 dB."""
_ONSET_BLOCKS = 3
"""Blocks after which the tones of a key that set in at a jump have been noticed."""


def key_in(window: Int16, rate: int) -> str | None:
    """The key whose tones, and nothing else to speak of, fill a window of PCM16 at `rate` Hz."""
    sound = window.astype(np.float32)
    energy = float(sound @ sound)
    if energy < len(sound) * 32768.0**2 * 10 ** (_FAINTEST_DBFS / 10):
        return None
    nominal = _strengths(_nominal(len(sound), rate), sound)
    if float(nominal.max(axis=1).sum()) < _PROMISING * energy:
        return None
    low, high = (int(best) for best in _strengths(_detuned(len(sound), rate), sound).argmax(axis=1))
    if low % len(_DETUNED) in _REFUSED or high % len(_DETUNED) in _REFUSED:
        return None
    parts = np.square(_pair(len(sound), rate, low, high) @ sound)
    low_energy, high_energy = float(parts[:2].sum()), float(parts[2:].sum())
    if low_energy + high_energy < _PURITY * energy:
        return None
    twist = 10 * math.log10((high_energy + 1e-9) / (low_energy + 1e-9))
    if not -_REVERSE_TWIST_DB <= twist <= _TWIST_DB:
        return None
    return _KEYS[low // len(_DETUNED)][high // len(_DETUNED)]


class KeyMute:
    """Puts silence in the place of keys in one stream.

    A key of 40 ms and more is found wherever it lies, and is silenced from its beginning: what is
    left of one, a click of 20 ms, is heard as a syllable. So sound that sets in waits for 30 ms,
    until it is known to be none; all other audio is given back at once.

    Args:
        rate: Hz, 8000 or 16000.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._block = round(rate * _BLOCK_SECONDS)
        self._rest: Int16 = np.zeros(0, np.int16)
        self._window: Int16 = np.zeros(_WINDOW_BLOCKS * self._block, np.int16)
        self._held: list[Int16] = []
        """Blocks not given back yet."""
        self._key: str | None = None
        """In the newest window."""
        self._sounding = False
        """It was in the window before, too."""
        self._energy = 0.0
        """Of the newest block."""
        self._since_jump = _ONSET_BLOCKS
        """Blocks after the one in which the energy jumped."""

    def push(self, pcm: Int16) -> Int16:
        """The next audio, PCM16 mono, any length → what the recognisers may hear of it.

        Sample for sample what went in, in order, less at most 40 ms that still wait.
        """
        audio = np.concatenate([self._rest, pcm])
        whole = len(audio) // self._block * self._block
        self._rest = audio[whole:]
        for block in audio[:whole].reshape(-1, self._block):
            self._take(block)
        given = len(self._held) - self._waiting()
        out, self._held = self._held[:given], self._held[given:]
        return np.concatenate([*out, np.zeros(0, np.int16)])

    def _waiting(self) -> int:
        """How many of the newest blocks may yet prove to be a key's first."""
        if self._sounding:
            return 0
        begun = _WINDOW_BLOCKS if self._key is not None else 0
        return max(begun, self._since_jump + 1 if self._since_jump < _ONSET_BLOCKS else 0)

    def _take(self, block: Int16) -> None:
        self._held.append(block)
        self._window = np.concatenate([self._window[self._block :], block])
        before = self._energy
        self._energy = float(np.square(block, dtype=np.float64).sum())
        self._since_jump = 0 if self._energy > _JUMP * before else self._since_jump + 1
        key, last, faded = key_in(self._window, self._rate), self._key, self._sounding
        self._key, self._sounding = key, key is not None and key == last
        if self._sounding:
            self._mute(min(self._since_jump, _ONSET_BLOCKS) + 1)
        elif faded:
            self._mute(1)

    def _mute(self, blocks: int) -> None:
        first = max(0, len(self._held) - blocks)
        self._held[first:] = [np.zeros_like(block) for block in self._held[first:]]


def _strengths(probes: Float32, sound: Float32) -> Float32:
    """Energy of the sound at each probe's frequency, shape (2 groups, frequencies)."""
    parts = np.square((probes @ sound).reshape(2, -1, 2)).sum(axis=2)
    return np.asarray(parts * (2 / len(sound)), np.float32)


@cache
def _nominal(samples: int, rate: int) -> Float32:
    """Probes at the eight frequencies."""
    return _probes([*_LOW, *_HIGH], samples, rate)


@cache
def _detuned(samples: int, rate: int) -> Float32:
    """Probes at and beside them."""
    return _probes([f * d for f in (*_LOW, *_HIGH) for d in _DETUNED], samples, rate)


def _probes(frequencies: Sequence[float], samples: int, rate: int) -> Float32:
    """A cosine and a sine for each frequency, shape (2 · frequencies, samples): all at once what
    Goertzel's recursion gives one by one."""
    phase = np.outer(frequencies, 2 * np.pi * np.arange(samples) / rate)
    return np.stack([np.cos(phase), np.sin(phase)], axis=1).reshape(-1, samples).astype(np.float32)


@cache
def _pair(samples: int, rate: int, low: int, high: int) -> Float32:
    """An orthonormal basis for two of the frequencies of `_detuned`, counted in their group,
    shape (4, samples): within 20 ms the two are not orthogonal by themselves."""
    probes = _detuned(samples, rate).reshape(2, -1, 2, samples)
    waves = np.concatenate([probes[0, low], probes[1, high]])
    return np.asarray(np.linalg.qr(waves.T)[0].T, np.float32)
