"""What a caller hears who waits: a file, or soft tones made here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from enum import Enum, auto

import pjsua2 as pj

log = logging.getLogger(__name__)

Note = tuple[int, int, int]
"""Hz, milliseconds on, milliseconds off."""


class Sound(Enum):
    MUSIC = auto()
    RING_BACK = auto()
    """回铃音: 450 Hz as in GB/T 3380, its pause cut to keep silences under 4 s."""
    BUSY = auto()
    """忙音, GB/T 3380."""


_NOTES: dict[Sound, tuple[Note, ...]] = {
    Sound.MUSIC: ((523, 400, 200), (659, 400, 200), (784, 400, 1400)),
    Sound.RING_BACK: ((450, 1000, 2500),),
    Sound.BUSY: ((450, 350, 350),),
}


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


def make_sound(sound: Sound, music: str) -> pj.AudioMedia:
    """A source of that sound, for ever; `music` is the file of the music, "" for tones."""
    if sound is Sound.MUSIC and music:
        player = pj.AudioMediaPlayer()
        try:
            player.createPlayer(music, 0)
        except pj.Error as error:
            log.warning("the music on hold cannot be read: %s", error.reason)
        else:
            return player
    return Tones(_NOTES[sound])
