"""The newest audio of a call, so that what a lost connection has swallowed can be sent again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asr.hypothesis import Pcm

Int16 = npt.NDArray[np.int16]


class AudioRing:
    """A bounded stream; places in it are samples since it began.

    Args:
        capacity: samples kept; the oldest give way.
    """

    def __init__(self, capacity: int) -> None:
        self._samples: Int16 = np.empty(capacity, np.int16)
        self.end = 0
        """Samples taken so far."""

    @property
    def first(self) -> int:
        """The oldest sample that is still there."""
        return max(0, self.end - self._samples.size)

    def append(self, pcm: Pcm) -> None:
        """Take float32 samples in -1..1."""
        self.end += pcm.size
        kept = np.rint(pcm[-self._samples.size :] * 32767.0).astype(np.int16)
        start = (self.end - kept.size) % self._samples.size
        before_wrap = min(kept.size, self._samples.size - start)
        self._samples[start : start + before_wrap] = kept[:before_wrap]
        self._samples[: kept.size - before_wrap] = kept[before_wrap:]

    def read(self, begin: int, end: int) -> Int16:
        """A copy of the samples from ``begin`` to ``end``, both within ``first`` … ``end``."""
        places = np.arange(begin, end) % self._samples.size
        return self._samples[places]
