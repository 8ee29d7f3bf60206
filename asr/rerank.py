"""Choosing among the transcriber's n-best by what the listener heard (重打分).

The two ears err differently: Whisper writes a wrong homophone or invents a word, the listener has
the sounds but no words. The reading whose sounds agree best with the listener's, weighed against
the transcriber's own order, is right more often than the first one; so is one that is written
with words of the domain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from asr.alignment import PatternSet
from asr.domain import NO_WORDS, DomainWords
from asr.hypothesis import Hypothesis
from asr.syllables import to_syllables, without_tone

AGREEMENT_WEIGHT = 3.0
_DOMAIN_WEIGHT = 1.0  # what a reading of nothing but domain words is worth
_RANK_STEP = 0.05  # where the engine gives no scores: about the usual gap in log-probability
_FEWEST_SYLLABLES = 2


def toneless(syllables: Sequence[str]) -> tuple[str, ...]:
    """Syllables without tones: the listener's tones are its weakest part."""
    return tuple(without_tone(syllable) for syllable in syllables)


def agreement(text: str, syllables: Sequence[str]) -> float:
    """How well a text sounds like what the listener heard, 0..1."""
    heard = toneless(syllables)
    return float(PatternSet([heard]).similarities(toneless(to_syllables(text)))[0])


def rerank(
    hypothesis: Hypothesis,
    syllables: Sequence[str],
    words: DomainWords = NO_WORDS,
    *,
    weight: float = AGREEMENT_WEIGHT,
) -> Hypothesis:
    """The hypothesis with its readings in the order of score + ``weight`` · agreement + words.

    Args:
        hypothesis: with text and alternatives; one without alternatives comes back unchanged.
        syllables: the listener's toned syllables of the same stretch of audio; with fewer than two
            the order stays.
        words: of the domain; the share of a reading that they make up counts too.
        weight: what full agreement is worth in mean log-probability a token.
    """
    readings = hypothesis.n_best
    if hypothesis.language == "en":
        return hypothesis  # the listener's syllables are Mandarin
    if len(readings) < 2 or len(syllables) < _FEWEST_SYLLABLES:
        return hypothesis
    scores = hypothesis.scores
    if len(scores) != len(readings):
        scores = tuple(-_RANK_STEP * rank for rank in range(len(readings)))
    total = [
        score + weight * agreement(reading, syllables) + _DOMAIN_WEIGHT * words.share(reading)
        for reading, score in zip(readings, scores, strict=True)
    ]
    order = sorted(range(len(readings)), key=lambda i: -total[i])
    best = readings[order[0]]
    return replace(
        hypothesis,
        text=best,
        alternatives=tuple(readings[i] for i in order[1:]),
        scores=tuple(scores[i] for i in order) if hypothesis.scores else (),
        stable=len(best) if hypothesis.final else min(hypothesis.stable, len(best)),
    )
