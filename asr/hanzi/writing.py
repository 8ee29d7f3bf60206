"""A phonetic recogniser's hypothesis with text: what it heard, written in hanzi."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from asr.hanzi.decoder import Reading, decode
from asr.hanzi.lexicon import Lexicon
from asr.hypothesis import Hypothesis, Word
from asr.streaming import shared_length


def written(
    heard: Hypothesis, lexicon: Lexicon | None = None, *, before: Hypothesis | None = None
) -> Hypothesis:
    """The hypothesis with text, other readings, and words in hanzi with the times of theirs.

    One without syllables comes back as it is. The engine's name says by whom it was heard; there
    are no scores, since those of a transcriber are of another kind.

    Args:
        heard: with syllables and no text.
        lexicon: the one that comes with the project where none is given.
        before: the partial written last of the same utterance, for ``stable``.
    """
    readings = decode(heard.syllables, lexicon)
    if not readings:
        return heard
    best, *others = readings
    return replace(
        heard,
        text=best.text,
        alternatives=tuple(reading.text for reading in others),
        words=_timed(best, heard.words),
        stable=len(best.text)
        if heard.final
        else shared_length(before.text if before else "", best.text),
    )


def by_sound(syllables: tuple[str, ...]) -> Hypothesis:
    """What the listener heard of a whole utterance, written."""
    return written(Hypothesis("listener", syllables=syllables, final=True))


def _timed(reading: Reading, syllables: Sequence[Word]) -> tuple[Word, ...]:
    if not syllables:
        return ()
    return tuple(
        Word(text, syllables[start].start, syllables[end - 1].end)
        for text, start, end in reading.words
    )
