"""Where there is sound, and where a long recording can be cut: by frame energy alone.

Not a voice detector (the application has a better one); it keeps silence away from engines that
invent words in it, and cuts long files at their pauses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from asr.hypothesis import Pcm

SAMPLE_RATE = 16_000
_FRAME = SAMPLE_RATE // 50  # 20 ms
_FLOOR_DB = -58.0  # A-law idle noise is about -72 dBFS, the quietest caller about -45
_ABOVE_NOISE_DB = 6.0
_NOISE_PERCENTILE = 10
_STRETCH = 150  # frames, 3 s: one word after a long silence is still much of the loudest stretch
_STEADY_DB = 2.5  # white noise spreads by 1.7 dB in frames of 20 ms, the densest speech by 5
_MIN_ACTIVE = 5  # 100 ms: less is a click, not a word


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a recording that holds sound, ``start`` and ``end`` in seconds from its start."""

    start: float
    end: float
    pcm: Pcm


def frame_levels(pcm: Pcm) -> npt.NDArray[np.float32]:
    """Level of each 20 ms frame in dBFS, shape (samples // 320,)."""
    frames = pcm[: pcm.size // _FRAME * _FRAME].reshape(-1, _FRAME)
    power = np.mean(np.square(frames, dtype=np.float32), axis=1)
    return np.asarray(10.0 * np.log10(power + 1e-10), dtype=np.float32)


def active_extent(pcm: Pcm) -> tuple[float, float] | None:
    """First and last second at which anything rises over the background; None if nothing does.

    Errs towards hearing something: a caller who talks without a pause has no background.
    """
    levels = frame_levels(pcm)
    if levels.size < _MIN_ACTIVE:
        return None
    low, noise = np.percentile(levels, [5, _NOISE_PERCENTILE])
    stretches = sliding_window_view(levels, min(_STRETCH, levels.size))
    high = float(np.percentile(stretches, 95, axis=1).max())
    if high - low < _STEADY_DB:
        return None
    threshold = max(_FLOOR_DB, noise + min(_ABOVE_NOISE_DB, 0.4 * (high - noise)))
    active = np.flatnonzero(levels > threshold)
    if active.size < _MIN_ACTIVE:
        return None
    return int(active[0]) / 50, int(active[-1] + 1) / 50


def quietest(pcm: Pcm, first: float, last: float) -> int:
    """The sample between ``first`` and ``last`` (samples) at which a cut does the least harm."""
    return _quietest(frame_levels(pcm)[: int(last) // _FRAME], int(first) // _FRAME) * _FRAME


def _quietest(levels: npt.NDArray[np.float32], first: int) -> int:
    width = 15  # 0.3 s: the middle of a pause, not a stop consonant's closure
    smooth = np.convolve(levels, np.ones(width) / width, mode="valid")
    return first + int(np.argmin(smooth[first:])) + width // 2


class Segmenter:
    """Cuts a recording that comes in blocks into pieces at its quietest places.

    Args:
        max_seconds: no piece is longer.
        pause_seconds: a silence this long always ends a piece.
        margin_seconds: silence left before and after the sound of a piece.
    """

    def __init__(
        self, *, max_seconds: float = 20.0, pause_seconds: float = 0.8, margin_seconds: float = 0.3
    ) -> None:
        self._max = round(max_seconds / 0.02)
        self._pause = round(pause_seconds / 0.02)
        self._margin = margin_seconds

    def split(self, blocks: Iterable[Pcm]) -> Iterator[Segment]:
        """Pieces that hold sound, in order, not overlapping; silence is left out."""
        buffer = np.empty(0, np.float32)
        offset = 0
        for block in blocks:
            buffer = np.concatenate([buffer, block])
            while buffer.size > (self._max + self._pause) * _FRAME:
                cut = self._cut(frame_levels(buffer)) * _FRAME
                yield from self._trimmed(buffer[:cut], offset)
                buffer, offset = buffer[cut:], offset + cut
        while buffer.size:
            frames = buffer.size // _FRAME
            cut = self._cut(frame_levels(buffer)) * _FRAME if frames > self._pause else buffer.size
            yield from self._trimmed(buffer[:cut], offset)
            buffer, offset = buffer[cut:], offset + cut

    def _cut(self, levels: npt.NDArray[np.float32]) -> int:
        """Frame at which to cut: the first long pause, else the quietest place not too early."""
        threshold = max(_FLOOR_DB, float(np.percentile(levels, _NOISE_PERCENTILE)) + 3.0)
        quiet = levels <= threshold
        run, heard = 0, False
        for index, is_quiet in enumerate(quiet[: self._max]):
            run = run + 1 if is_quiet else 0
            heard = heard or not is_quiet
            if heard and run == self._pause:
                return index - self._pause // 2
        if levels.size <= self._max:
            return int(levels.size) + 1  # the rest, with its last part of a frame
        return _quietest(levels[: self._max], self._max * 2 // 5)

    def _trimmed(self, pcm: Pcm, offset: int) -> Iterator[Segment]:
        extent = active_extent(pcm)
        if extent is None:
            return
        first = max(0, round((extent[0] - self._margin) * SAMPLE_RATE))
        last = min(pcm.size, round((extent[1] + self._margin) * SAMPLE_RATE))
        yield Segment(
            start=(offset + first) / SAMPLE_RATE, end=(offset + last) / SAMPLE_RATE,
            pcm=pcm[first:last],
        )  # fmt: skip
