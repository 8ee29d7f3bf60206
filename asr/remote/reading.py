"""Segments and a partial → a hypothesis: the same for every protocol."""

from __future__ import annotations

from collections.abc import Sequence

from asr.cleaning import clean
from asr.hypothesis import Hypothesis
from asr.remote.dialect import SAMPLE_RATE, Segment
from asr.streaming import shared_length


def read_partial(
    engine: str, segments: Sequence[Segment], partial: str, *, begin: int, end: int, before: str
) -> Hypothesis:
    """What is heard so far.

    Args:
        engine: its name.
        segments: what is closed, times counted from the start of the stream.
        partial: raw text of what is not.
        begin, end: the audio heard, in samples of the stream.
        before: text of the partial before.
    """
    text = _text([*_best(segments), partial])
    return Hypothesis(
        engine, text, start=begin / SAMPLE_RATE, end=end / SAMPLE_RATE,
        stable=shared_length(before, text),
    )  # fmt: skip


def read_final(
    engine: str, segments: Sequence[Segment], partial: str, *, begin: int, end: int
) -> Hypothesis:
    """The end of the utterance: with words, and the readings of its last segment.

    A partial that no segment has replaced is part of it: nothing that was heard is dropped.
    """
    best = _best(segments)
    text = _text([*best, partial])
    others: list[str] = []
    if best and not partial:  # readings of all segments would multiply
        last = next(s for s in reversed(segments) if s.readings[0])
        others = [_text([*best[:-1], reading]) for reading in last.readings[1:]]
    alternatives = tuple(dict.fromkeys(other for other in others if other and other != text))
    words = tuple(word for segment in segments for word in segment.words)
    return Hypothesis(
        engine, text, alternatives, words=words, final=True, stable=len(text),
        start=words[0].start if words else begin / SAMPLE_RATE,
        end=min(words[-1].end, end / SAMPLE_RATE) if words else end / SAMPLE_RATE,
    )  # fmt: skip


def _best(segments: Sequence[Segment]) -> list[str]:
    return [segment.readings[0] for segment in segments if segment.readings[0]]


def _text(parts: Sequence[str]) -> str:
    return clean(" ".join(filter(None, parts)))
