"""The far side's audio on its way to the caller: a bounded jitter buffer.

A desk's frames come in their own rhythm and must go out in ours. A little is kept so
that a late frame leaves no hole; what exceeds the bound goes, oldest first, so that no
delay can build up in a conversation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from telephony.codecs import FRAME_SECONDS, Int16
from telephony.resampling import StreamResampler
from telephony.speech_level import window_is_loud

JITTER_S = 0.04
"""Audio kept back before the far side is heard, or heard again after a hole."""

MOST_S = 0.2
"""Audio kept at most."""

GONE_S = 0.2
"""Without a frame for so long the far side is not there (any more)."""


class FarSide:
    """Audio in at any rate and rhythm, out in frames at the line's rate.

    Parameters:
        rate: Hz, of the line.
        now: seconds, of any clock; `loud_at` is of the same.
    """

    def __init__(self, rate: int, now: Callable[[], float]) -> None:
        self._rate, self._now = rate, now
        self._resampler: StreamResampler | None = None
        self._buffer: Int16 = np.zeros(0, np.int16)
        self._flowing = False
        self._came_at = self.loud_at = float("-inf")
        """When a frame with sound in it (above −45 dBFS) last came."""
        self.bridged = False
        """The endpoint plays it to the caller; from us it goes into the recording alone."""
        self.dropped_s = 0.0

    def push(self, pcm: Int16, rate: int) -> None:
        """Audio of the far side, PCM16 mono, as it comes."""
        if self._resampler is None or self._resampler.rate_in != rate:
            self._resampler = StreamResampler(rate, self._rate)
        audio = self._resampler.push(pcm)
        self._came_at = self._now()
        if window_is_loud(audio, self._rate).any():
            self.loud_at = self._came_at
        kept = np.concatenate([self._buffer, audio])
        surplus = len(kept) - round(MOST_S * self._rate)
        if surplus > 0:
            # Down to the usual at once: one small gap, not one a frame.
            surplus = len(kept) - round(JITTER_S * self._rate)
            self.dropped_s += surplus / self._rate
            kept = kept[surplus:]
        self._buffer = kept

    @property
    def present(self) -> bool:
        """Frames have been coming lately."""
        return self._now() - self._came_at < GONE_S

    def ready(self, ahead_s: float = 0.0) -> bool:
        """There is enough to begin with; `ahead_s` more is wanted, to be sent in advance."""
        return self._flowing or len(self._buffer) >= round((JITTER_S + ahead_s) * self._rate)

    def take(self, samples: int | None = None) -> Int16 | None:
        """The next 20 ms, or so many samples; None while there is nothing to hear."""
        frame = round(FRAME_SECONDS * self._rate) if samples is None else samples
        self._flowing = self.ready() and len(self._buffer) >= frame
        if not self._flowing:
            return None
        taken, self._buffer = self._buffer[:frame], self._buffer[frame:]
        return taken
