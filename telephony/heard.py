"""What the caller heard, by the marks that the service sets round each utterance.

Mark names: `begin:<purpose>:<utterance>[:<entry>]` and `end:<purpose>:<utterance>`,
purpose one of answer, prompt, safety. Sound outside any marks is a person: the
desk, after a hand-off. Pure; all positions are samples from the start of the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from telephony.codecs import Int16
from telephony.speech_level import first_sound, sound_segments

ANSWER = "answer"
"""Purpose of an approved answer; prompts and safety wording are none."""

UNMARKED = "unmarked"
"""Purpose of sound that no mark surrounds."""


@dataclass(frozen=True, slots=True)
class MarkedSpan:
    """One utterance as played; `complete` is False when it was cut."""

    purpose: str
    utterance: str
    entry: str | None
    start: int
    end: int
    complete: bool


@dataclass(frozen=True, slots=True)
class UtteranceMark:
    """A mark at one end of an utterance."""

    begins: bool
    purpose: str
    utterance: str
    entry: str | None


def read_mark(name: str) -> UtteranceMark | None:
    """The meaning of a mark's name; None for a mark of somebody else's."""
    edge, purpose, utterance, entry = [*name.split(":", 3), "", "", ""][:4]
    if edge not in ("begin", "end") or not purpose or not utterance:
        return None
    return UtteranceMark(edge == "begin", purpose, utterance, entry or None)


class UtteranceTrack:
    """Follows marks as playout reaches them."""

    def __init__(self) -> None:
        self.spans: list[MarkedSpan] = []
        self.begun = 0
        self.ended = 0
        self._open: dict[tuple[str, str], tuple[str | None, int]] = {}

    @property
    def in_utterance(self) -> bool:
        return bool(self._open)

    def reached(self, name: str, at: int) -> None:
        """The mark `name` was played at sample `at`. Other names than ours are ignored."""
        mark = read_mark(name)
        if mark is None:
            return
        key = (mark.purpose, mark.utterance)
        if mark.begins:
            self._open[key] = (mark.entry, at)
            self.begun += 1
        else:
            self.ended += 1
            self._end(key, at, complete=True)

    def cut(self, at: int) -> None:
        """Everything open ends here, unfinished: cleared, or the call is over."""
        for key in list(self._open):
            self._end(key, at, complete=False)
            self.ended += 1

    def _end(self, key: tuple[str, str], at: int, *, complete: bool) -> None:
        opened = self._open.pop(key, None)
        if opened is not None:
            entry, start = opened
            self.spans.append(MarkedSpan(*key, entry, start, at, complete))


def answer_sounds(
    spans: Sequence[MarkedSpan], heard: Int16, rate: int
) -> Sequence[tuple[MarkedSpan, int]]:
    """The answers in order, each with the sample its sound starts at.

    An answer whose audio is silent throughout does not count.
    """
    found = []
    for span in sorted(spans, key=lambda each: each.start):
        onset = first_sound(heard[span.start : span.end], rate) if span.purpose == ANSWER else None
        if onset is not None:
            found.append((span, span.start + onset))
    return found


def unmarked_spans(spans: Sequence[MarkedSpan], heard: Int16, rate: int) -> Sequence[MarkedSpan]:
    """Stretches of sound outside all marks."""
    outside = np.array(heard, copy=True)
    for span in spans:
        outside[span.start : span.end] = 0
    return [
        MarkedSpan(UNMARKED, f"{UNMARKED}-{number}", None, start, end, True)
        for number, (start, end) in enumerate(sound_segments(outside, rate), 1)
    ]
