"""Chinese call-progress tones (GB/T 3380, YD/T 729), told from speech as they come.

All of them are 450 ± 25 Hz; only the cadence says what they mean:

    dial          (拨号音)  continuous
    ringback      (回铃音)  1 s on, 4 s off
    busy          (忙音)    0.35 s on, 0.35 s off
    congestion    (拥塞音)  0.7 s on, 0.7 s off
    unobtainable  (空号音)  0.1 s on and off three times, 0.4 s on and off

A tone is 20 ms windows in which nearly all energy lies at one frequency, at one level;
what is neither tone nor silence is another sound, and no tone is concluded across it.
Pure: audio in, what it is out; time is counted in samples.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import StrEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

from telephony.codecs import FRAME_SECONDS, Int16

Float = NDArray[np.float64]

FREQUENCIES = (425.0, 437.5, 450.0, 462.5, 475.0)
"""Hz: the standard's 450 ± 25 in steps that a 20 ms window cannot tell apart."""

PURITY = 0.8
"""Part of a window's energy that the tone has; voices have it for a few windows at most."""

FAINTEST_DBFS = -50.0
"""RMS below which nothing is heard."""

STEADY_DB = 3.0
"""How far the level of one tone may rise; that of a voice does not stand still so long."""

_SILENT, _TONE, _OTHER = "-", "+", "?"


class Tone(StrEnum):
    """What the exchange says."""

    DIAL = "dial"
    RINGBACK = "ringback"
    BUSY = "busy"
    CONGESTION = "congestion"
    UNOBTAINABLE = "unobtainable"


class CallProgress:
    """Listens to one direction of a line.

    Parameters:
        rate: Hz, 8000 or 16000.
    """

    def __init__(self, rate: int) -> None:
        self._window = round(rate * FRAME_SECONDS)
        self._rate = rate
        self._rest: Int16 = np.zeros(0, np.int16)
        self._runs: deque[tuple[str, float]] = deque(maxlen=12)
        """(what, seconds) of the stretches before the present one."""
        self._kind, self._seconds = _SILENT, 0.0
        self._level = 0.0
        """Of the present tone, dBFS."""
        self._doubtful = False
        """The newest window was no tone any more, but may be its edge."""

    @property
    def in_tone(self) -> bool:
        """The newest sound is a tone, be it in one of its pauses: no voice is heard in it."""
        before = [kind for kind, _ in list(self._runs)[-2:]]
        match self._kind:
            case "+":
                return self._seconds >= 3 * FRAME_SECONDS or before == [_TONE, _SILENT]
            case "-":
                return before[-1:] == [_TONE]
            case _:
                return False

    def push(self, pcm: Int16) -> Tone | None:
        """The next audio, PCM16 mono, any length; the tone that it makes certain, if any.

        A tone that goes on is told again with each of its periods.
        """
        audio = np.concatenate([self._rest, pcm])
        whole = len(audio) // self._window * self._window
        self._rest = audio[whole:]
        found = None
        for window in audio[:whole].reshape(-1, self._window).astype(np.float64):
            found = self._take(window) or found
        return found

    def _take(self, window: Float) -> Tone | None:
        kind, level = _heard(window, self._rate)
        louder = kind == self._kind == _TONE and level - self._level > STEADY_DB
        if louder and self._seconds >= 3 * FRAME_SECONDS:
            kind = _OTHER
        if kind == _OTHER and self._kind != _OTHER and not self._doubtful:
            # One window of it is the edge of a tone; two are another sound.
            self._doubtful = True
            kind = self._kind
        else:
            self._doubtful = False
        if kind == self._kind:
            self._seconds += FRAME_SECONDS
            if kind == _TONE:
                self._level = max(self._level, level)
        else:
            self._runs.append((self._kind, self._seconds))
            self._kind, self._seconds = kind, FRAME_SECONDS
            self._level = level
        return self._concluded()

    def _concluded(self) -> Tone | None:
        """What the stretches so far make certain, at the moment they do."""
        if self._kind == _TONE:
            return Tone.DIAL if _just(self._seconds, 2.5) else None
        if self._kind != _SILENT or self._seconds > 1.0 + FRAME_SECONDS / 2:
            return None
        if _just(self._seconds, 1.0) and self._ends_with((_TONE, 1.0)):
            return Tone.RINGBACK
        if not _just(self._seconds, 3 * FRAME_SECONDS):
            return None
        # A tone has just ended: its length, and the pause before it.
        if self._ends_with((_TONE, 0.35), (_SILENT, 0.35), (_TONE, 0.35)):
            return Tone.BUSY
        if self._ends_with((_TONE, 0.7), (_SILENT, 0.7), (_TONE, 0.7)):
            return Tone.CONGESTION
        short = ((_TONE, 0.1), (_SILENT, 0.1))
        if self._ends_with((_SILENT, 0.1), *short, (_TONE, 0.1)) or self._ends_with(
            *short, *short, (_TONE, 0.4)
        ):
            return Tone.UNOBTAINABLE
        return None

    def _ends_with(self, *stretches: tuple[str, float]) -> bool:
        """The last stretches were these, each as long within a quarter and two windows.

        The first may have begun before we listened, and so be shorter.
        """
        if len(self._runs) < len(stretches):
            return False
        last = list(self._runs)[-len(stretches) :]
        whole = True
        for index, ((kind, seconds), (expected, length)) in enumerate(
            zip(last, stretches, strict=True)
        ):
            slack = 0.15 * length + FRAME_SECONDS
            first = index == 0 and len(stretches) > 1
            fits = seconds <= length + slack if first else abs(seconds - length) <= slack
            whole = whole and kind == expected and fits
        return whole


def _just(seconds: float, due: float) -> bool:
    return abs(seconds - due) < FRAME_SECONDS / 2


def _heard(window: Float, rate: int) -> tuple[str, float]:
    """(what a window holds, its level in dBFS)."""
    energy = float(np.dot(window, window))
    level = 10 * np.log10(energy / len(window) / 32768.0**2 + 1e-12)
    if level < FAINTEST_DBFS:
        return _SILENT, level
    parts = _filters(rate) @ window
    purity = float((parts**2).sum(axis=1).max()) / energy
    return (_TONE if purity >= PURITY else _OTHER), level


@cache
def _filters(rate: int) -> Float:
    """An orthonormal sine and cosine for each frequency, shape (frequencies, 2, samples)."""
    time = np.arange(round(rate * FRAME_SECONDS)) / rate
    pairs: Sequence[Float] = [
        np.linalg.qr(np.stack([np.cos(w * time), np.sin(w * time)], axis=1))[0].T
        for w in (2 * np.pi * frequency for frequency in FREQUENCIES)
    ]
    return np.stack(pairs)
