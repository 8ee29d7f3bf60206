"""What is no intelligible Mandarin: noise taken for words, other languages, what no ear made out.

Pure decisions on what the two ears gave. The thresholds lie in gaps that were measured through a
telephone's 8 kHz A-law; the figures are beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from asr.domain import NO_WORDS, DomainWords
from asr.fusion import fused
from asr.hypothesis import Hypothesis
from asr.rerank import agreement

UNKNOWN = "unknown"

_SURE = {"zh": 0.5, "en": 0.7, "other": 0.8}
"""Share of the probability from which a language is named. English is decoded in another way, so
it needs most: English speech has 0.75 and more (people 0.89), Mandarin less than 0.07."""

_NOISE_SCORE = -0.7
"""Mean log-probability a token, below which words without a single syllable are noise:
telephone speech has −0.2 to −0.6."""

_LOOP, _LOOP_SHARE = 12, 0.25
"""Characters from which a text of few different ones is a decoder's loop, and how few they are."""

_STRANGE, _CLEAR = 0.35, 0.75
"""Agreement of the ears on what neither understood (other languages, 0 to 0.42), and on Mandarin
(0.71 and more)."""
_DOUBTFUL_SCORE, _SURE_SCORE = -1.5, -0.5
"""The transcriber's score where it is the only witness; English has −0.3 to −0.8."""
_ONE_EAR = 0.5
"""Most that words are worth of which the listener heard no syllable."""


def spoken_language(probabilities: Mapping[str, float]) -> str:
    """ "zh", "en" or "other"; "unknown" where none is sure.

    Args:
        probabilities: of each language by its ISO 639 code, adding up to 1.
    """
    chinese = probabilities.get("zh", 0.0) + probabilities.get("yue", 0.0)
    english = probabilities.get("en", 0.0)
    shares = {"zh": chinese, "en": english, "other": 1.0 - chinese - english}
    return next((name for name, share in shares.items() if share >= _SURE[name]), UNKNOWN)


def judged(
    hypothesis: Hypothesis, syllables: Sequence[str], words: DomainWords = NO_WORDS
) -> Hypothesis:
    """The transcriber's final after the listener was asked.

    The listener picks among the readings and bears out words of the domain; doubtful words of
    which it heard no syllable are taken away as noise; what is left says how intelligible it was.

    Args:
        hypothesis: with its language, where the engine names one.
        syllables: the listener's, of the same audio.
        words: of the domain.
    """
    hypothesis = fused(hypothesis, syllables, words)
    if not syllables and _noise(hypothesis):
        hypothesis = replace(hypothesis, text="", alternatives=(), scores=(), stable=0)
    return replace(hypothesis, intelligible=intelligibility(hypothesis, syllables))


def _noise(hypothesis: Hypothesis) -> bool:
    """Words of which the listener heard nothing: unlikely ones, or a loop in no known language
    (a fax was 诶诶诒诒识 and so on, scored as speech is). 救命 again and again is Mandarin."""
    text = hypothesis.text
    loop = len(text) >= _LOOP and len(set(text)) <= _LOOP_SHARE * len(text)
    unlikely = bool(hypothesis.scores) and hypothesis.scores[0] < _NOISE_SCORE
    return unlikely or (loop and hypothesis.language == "other")


def intelligibility(hypothesis: Hypothesis, syllables: Sequence[str]) -> float:
    """How far a final can be taken for what was said, 0..1; below 0.5 better ask again.

    Two recognisers that share no error agree on words alone. The listener knows no English: there
    the transcriber's own score must do.
    """
    if not hypothesis.text:
        return 0.0
    if hypothesis.language != "en" and syllables:
        return _share(agreement(hypothesis.text, syllables), _STRANGE, _CLEAR)
    score = hypothesis.scores[0] if hypothesis.scores else _DOUBTFUL_SCORE
    alone = _share(score, _DOUBTFUL_SCORE, _SURE_SCORE)
    return alone if hypothesis.language == "en" else min(_ONE_EAR, alone)


def _share(value: float, low: float, high: float) -> float:
    """Where a value lies between two others, 0..1."""
    return min(1.0, max(0.0, (value - low) / (high - low)))
