"""Is an answer's audio fit to be heard: length, clipping, silence, words left out.

Errors are audio that no caller should get; warnings are for the reviewer's ear.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from voicebot.call.voices.reading import spoken
from voicebot.call.voices.sound import FRAME_S, SILENCE_DBFS, Int16, Speech, frame_levels

LONG_S, LONGEST_S = 45.0, 60.0
"""More than a caller listens to; more than a caller waits for."""
CLIPPED_DBFS = -1.0
"""Speech is levelled to -3 dBFS at most: a higher peak has met the ceiling."""
FLAT_SAMPLES, NEAR_PEAK = 5, 0.95
"""So many equal samples in a row near the peak are a wave whose top was cut off."""
LONGEST_GAP_S = 1.5
"""Punctuation makes pauses of 0.4 s at most."""
SLOWEST, FASTEST = 2.0, 8.0
"""Syllables a second. Mandarin is spoken with 4 to 6; words that are lacking raise it."""

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with an audio, in a sentence for the reviewer."""

    level: Level
    code: str
    """``silent`` | ``clipped`` | ``long`` | ``gap`` | ``pace``."""
    message: str


@dataclass(frozen=True, slots=True)
class Measured:
    """An answer's audio in figures."""

    seconds: float
    peak_dbfs: float
    """-120 for digital silence."""
    gap_s: float
    """The longest silence within."""
    syllables_per_s: float
    """Without the silences."""
    flat: bool
    """The top of a wave was cut off."""


def measure(speech: Speech, text: str) -> Measured:
    """The figures of the speech that says `text`."""
    peak = int(np.abs(speech.pcm.astype(np.int32)).max(initial=0))
    levels = frame_levels((speech.pcm / 32768).astype(np.float32), speech.rate)
    voiced = levels > SILENCE_DBFS
    said = sum(1 for character in spoken(text) if "一" <= character <= "鿿")
    voiced_s = float(voiced.sum()) * FRAME_S
    return Measured(
        seconds=round(speech.seconds, 2),
        peak_dbfs=round(20 * float(np.log10(max(peak / 32768, 1e-6))), 1),
        gap_s=round(_longest_run(~voiced) * FRAME_S, 2),
        syllables_per_s=round(said / voiced_s, 1) if voiced_s else 0.0,
        flat=_flat(speech.pcm, peak),
    )


def findings(speech: Speech, text: str) -> tuple[Finding, ...]:
    """What the reviewer of `text` should know about its audio; errors first."""
    found = measure(speech, text)
    if not found.syllables_per_s and found.peak_dbfs < SILENCE_DBFS:
        return (Finding("error", "silent", "there is nothing to be heard"),)
    faults: list[Finding] = []
    if found.flat or found.peak_dbfs > CLIPPED_DBFS:
        faults.append(Finding("error", "clipped", f"clipped at {found.peak_dbfs} dBFS"))
    if found.seconds > LONGEST_S:
        told = f"{found.seconds:.0f} s long, at most {LONGEST_S:.0f}; make it shorter"
        faults.append(Finding("error", "long", told))
    elif found.seconds > LONG_S:
        told = f"{found.seconds:.0f} s long; few callers listen for more than {LONG_S:.0f}"
        faults.append(Finding("warning", "long", told))
    if found.gap_s > LONGEST_GAP_S:
        faults.append(Finding("warning", "gap", f"silent for {found.gap_s} s within"))
    if not SLOWEST <= found.syllables_per_s <= FASTEST:
        told = f"{found.syllables_per_s} syllables a second: listen whether all words are there"
        faults.append(Finding("warning", "pace", told))
    return tuple(faults)


def _longest_run(marks: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    """Length of the longest stretch of true marks."""
    edges = np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8))
    runs = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return int(runs.max(initial=0))


def _flat(pcm: Int16, peak: int) -> bool:
    if not peak:
        return False
    high = np.abs(pcm[1:].astype(np.int32)) >= NEAR_PEAK * peak
    return _longest_run((np.diff(pcm) == 0) & high) >= FLAT_SAMPLES - 1
