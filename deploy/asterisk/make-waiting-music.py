#!/usr/bin/env python3
"""Writes the waiting music (等待音乐): soft chimes, 16 s, 8 kHz mono, made of sines alone.

    make-waiting-music.py /var/lib/asterisk/moh/waiting.wav

No pause in it is longer than a second, so that a caller never thinks the line is dead.
"""

import math
import struct
import sys
import wave

RATE = 8000
BEAT_S = 0.8
NOTES = (
    523,
    659,
    784,
    659,
    587,
    698,
    880,
    698,
    523,
    659,
    784,
    1047,
    880,
    784,
    659,
    587,
    0,
    523,
    784,
    0,
)
LOUDNESS = 0.12


def chime(frequency: float) -> list[float]:
    """One note that fades over its beat; 0 Hz sounds the octave of the key note, softly."""
    volume, frequency = (LOUDNESS, frequency) if frequency else (LOUDNESS / 2, 262)
    return [
        volume
        * min(1.0, i / 80)
        * math.exp(-2.5 * i / RATE)
        * (
            math.sin(2 * math.pi * frequency * i / RATE)
            + 0.3 * math.sin(4 * math.pi * frequency * i / RATE)
        )
        for i in range(int(RATE * BEAT_S))
    ]


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: make-waiting-music.py FILE.wav")
    samples = [sample for note in NOTES for sample in chime(note)]
    with wave.open(sys.argv[1], "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<h", round(32767 * s)) for s in samples))


if __name__ == "__main__":
    main()
