"""What a caller hears who waits: a file, or soft tones made here."""

from __future__ import annotations

from collections.abc import Sequence

import pjsua2 as pj

Note = tuple[int, int, int]
"""Hz, milliseconds on, milliseconds off."""

SOFT: tuple[Note, ...] = ((523, 400, 200), (659, 400, 200), (784, 400, 1400))
RINGING: tuple[Note, ...] = ((450, 1000, 2500),)
"""Ring-back (回铃音): 450 Hz as in GB/T 3380, its pause cut to keep silences under 4 s."""
BUSY: tuple[Note, ...] = ((450, 350, 350),)
"""Busy tone (忙音), GB/T 3380."""


class Tones(pj.ToneGenerator):  # type: ignore[misc]
    """Notes, over and over."""

    def __init__(self, notes: Sequence[Note], volume: int = 4000) -> None:
        super().__init__()
        self.createToneGenerator(8000, 1)
        listed = pj.ToneDescVector()
        for hertz, on_ms, off_ms in notes:
            tone = pj.ToneDesc()
            tone.freq1, tone.freq2, tone.volume = hertz, 0, volume
            tone.on_msec, tone.off_msec = on_ms, off_ms
            listed.append(tone)
        self.play(listed, True)


def hold_music(path: str) -> pj.AudioMedia:
    """The music on hold: the WAV file at `path`, or soft tones when there is none to read."""
    if path:
        player = pj.AudioMediaPlayer()
        try:
            player.createPlayer(path, 0)
        except pj.Error:
            return Tones(SOFT)
        return player
    return Tones(SOFT)
