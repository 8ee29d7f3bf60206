"""A danger told in one breath with an ordinary question: stretches of a long turn, each read alone.

请问社保卡怎么补办哎呀厨房着火了 is one turn, and its question speaks against the danger in it.
Recognised speech has no punctuation to part them by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flows.triage.assessment import Turn
from flows.triage.calibration import URGENT, Calibration, log_odds, with_urgent
from flows.triage.heard import Heard
from flows.triage.reading import NAMED, Reading
from flows.triage.tokens import units

_SHORT_OF = 0.1
"""Log-odds below the hand-off that leave it at the question."""

SIZES = (10, 20)
"""Units, or syllables, of a stretch: a cry, and a sentence."""

LIKELY, CERTAIN = 0.85, 0.93
"""Probability of 110_now from which a stretch is asked about, and from which it is handed off.
Pairs of an ordinary gate line and an emergency run together: recall 0.77 without stretches,
0.83 with them; the false alarms of pairs of ordinary lines go from 0.025 to 0.035."""


def may_hide_danger(reading: Reading) -> bool:
    """Words of danger were said that the rest of the turn speaks against."""
    return reading.length > SIZES[0] and any(
        s.phrase.kind == "danger" and s.guards and s.local >= NAMED for s in reading.strengths
    )


def stretches(turn: Turn) -> Iterator[Turn]:
    """Overlapping stretches of the turn, by its text or, where there is none, by its sounds."""
    written = units(turn.text)
    heard = written or turn.syllables
    for size in SIZES:
        last = len(heard) - size
        if last <= 0:
            return
        step = size // 3
        for start in sorted({*range(0, last, step), last}):
            part = heard[start : start + size]
            if written:
                yield replace(turn, text=_joined(part), alternatives=(), syllables=())
            else:
                yield replace(turn, syllables=part)


def with_stretch(whole: Heard, stretch: Heard, calibration: Calibration) -> Heard:
    """The turn with the danger of one of its stretches, and the phrases of both."""
    if stretch.odds <= whole.odds or stretch.spread[URGENT] < LIKELY:
        return whole
    odds = stretch.odds
    if stretch.spread[URGENT] < CERTAIN:
        odds = max(whole.odds, min(odds, log_odds(calibration.handoff) - _SHORT_OF))
    told = {strength.phrase for strength in stretch.reading.strengths}
    others = (s for s in whole.reading.strengths if s.phrase not in told)
    reading = replace(whole.reading, strengths=(*stretch.reading.strengths, *others))
    spread = with_urgent(stretch.spread, odds)
    return replace(whole, reading=reading, spread=spread, scores=stretch.scores)


def _joined(part: tuple[str, ...]) -> str:
    return "".join(f" {unit} " if unit.isascii() else unit for unit in part).strip()
