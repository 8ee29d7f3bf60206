"""What the far side hears, and when: a playout buffer without a clock.

A service may send audio faster than it is spoken; a telephone plays it at the
speed of life. `Playout` holds what has come and gives it out as time passes, so
that marks are answered when their audio was heard, and `clear` takes back
exactly what was not.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from telephony.codecs import Int16


@dataclass(frozen=True, slots=True)
class PlayedMark:
    """A mark that playout has reached.

    Parameters:
        name: the mark's name.
        at: samples heard before it, from the start of the call.
    """

    name: str
    at: int


class Playout:
    """A playout buffer of one call; time is counted in samples heard."""

    def __init__(self) -> None:
        self._queue: deque[Int16 | str] = deque()
        self.buffered = 0
        """Samples that wait to be heard."""
        self.position = 0
        """Samples heard so far, silence included."""
        self.underruns = 0
        """How often audio ran dry with less than a whole step in the buffer."""

    @property
    def idle(self) -> bool:
        """Nothing waits: neither audio nor a mark."""
        return not self._queue

    def push(self, pcm: Int16) -> None:
        """Adds audio (n,) behind what waits."""
        if len(pcm):
            self._queue.append(pcm)
            self.buffered += len(pcm)

    def mark(self, name: str) -> None:
        """Adds a mark behind the audio that waits."""
        self._queue.append(name)

    def clear(self) -> tuple[str, ...]:
        """Drops what was not heard; gives the names of the marks in it, in order."""
        names = tuple(item for item in self._queue if isinstance(item, str))
        self._queue.clear()
        self.buffered = 0
        return names

    def advance(self, samples: int) -> tuple[Int16, tuple[PlayedMark, ...]]:
        """Lets time pass: what is heard in it (samples,), and the marks reached.

        Where the buffer is empty there is silence. A mark right behind the last
        sample of the step belongs to this step.
        """
        heard = np.zeros(samples, np.int16)
        marks: list[PlayedMark] = []
        filled = 0
        while self._queue:
            item = self._queue[0]
            if isinstance(item, str):
                marks.append(PlayedMark(item, self.position + filled))
                self._queue.popleft()
                continue
            if filled == samples:
                break
            taken = min(len(item), samples - filled)
            heard[filled : filled + taken] = item[:taken]
            filled += taken
            self._queue.popleft()
            if taken < len(item):
                self._queue.appendleft(item[taken:])
        if 0 < filled < samples:
            self.underruns += 1
        self.buffered -= filled
        self.position += samples
        return heard, tuple(marks)
