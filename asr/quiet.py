"""Stretches of a line on which nobody says anything: what is not worth a recogniser's time.

A line's own noise is told by its steadiness, not by its level: a whisper that is heard over it in
any of four bands ends the quiet, and is given with what was before it. Noise that comes and goes (a
street, a television, another voice) is no quiet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from asr.hypothesis import Pcm

RATE = 16_000

_BLOCK = 1024
"""Samples that are judged at once: 64 ms."""
_EDGES_HZ = (200, 800, 1600, 2600, 3600)
_EDGES = np.array([round(hertz * _BLOCK / RATE) for hertz in _EDGES_HZ])
_REMEMBERED = 94
"""Blocks among whose levels the line's own is looked for: 6 s."""
_OVER_DB = 5.0
"""Over the lowest level of a band from which something is heard: a block of steady noise in the
narrowest band stays within 3.4 dB (2.5 standard deviations to either side)."""
_FAINTEST_DB = -75.0
"""Of a band, dBFS: A-law's smallest step. What is below is silence."""
_QUIET_BLOCKS = 16
"""Quiet blocks after which it is not listened to, 1 s: no pause within a turn is as long."""
_BEFORE = RATE * 6 // 10
"""Samples before the end of the quiet that are heard as well."""

Levels = npt.NDArray[np.float64]


class QuietGate:
    """One stream's audio, at 16 kHz: what of it is to be heard."""

    def __init__(self) -> None:
        self._levels = np.full((_REMEMBERED, len(_EDGES) - 1), np.inf)
        self._block = 0
        self._unjudged = np.zeros(0, np.float32)
        self._quiet = 0
        self._kept: deque[Pcm] = deque()
        self._passed = 0
        """Samples before those that are kept, which will not be given."""
        self.held = 0
        """All of them: samples since the newest that was given."""

    @property
    def closed(self) -> bool:
        return self._quiet >= _QUIET_BLOCKS

    def push(self, pcm: Pcm) -> Iterator[tuple[int, Pcm]]:
        """The next samples (n,), float32, any number. Pairs in their order: so many samples are
        passed over, and then this is to be heard."""
        for begin in range(0, pcm.size, _BLOCK):
            piece = pcm[begin : begin + _BLOCK]
            self._judge(piece)
            self._kept.append(piece)
            self.held += piece.size
            if not self.closed:
                yield self._give()
            while self.closed and self.held - self._passed - self._kept[0].size >= _BEFORE:
                self._passed += self._kept.popleft().size

    def _give(self) -> tuple[int, Pcm]:
        passed, audio = self._passed, np.concatenate(self._kept)
        self._kept.clear()
        self.held = self._passed = 0
        return passed, audio

    def _judge(self, piece: Pcm) -> None:
        self._unjudged = np.concatenate([self._unjudged, piece])
        if self._unjudged.size < _BLOCK:
            return
        levels = _band_levels(self._unjudged[:_BLOCK])
        self._unjudged = self._unjudged[_BLOCK:]
        self._levels[self._block % _REMEMBERED] = levels
        self._block += 1
        heard = (levels > self._levels.min(axis=0) + _OVER_DB).any()
        self._quiet = 0 if heard else self._quiet + 1


def _band_levels(block: Pcm) -> Levels:
    """dBFS of each band."""
    power = np.abs(np.fft.rfft(block)) ** 2
    bands = np.add.reduceat(power[: _EDGES[-1]], _EDGES[:-1]) * (2 / _BLOCK**2)
    levels: Levels = np.maximum(10 * np.log10(bands + 1e-12), _FAINTEST_DB)
    return levels
