"""How recognised Mandarin is scored: characters, and syllables without their tones.

Brackets in references are ignored, 幺 = 一, 两 = 二, Arabic figures are written out, script and
punctuation do not count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from asr.cleaning import bare, simplify
from asr.phonetics import read_digits
from asr.rerank import toneless
from asr.syllables import to_syllables

_BRACKETS = re.compile(r"[（(【\[][^）)】\]]*[）)】\]]")
_ALIKE = str.maketrans("幺两", "一二")


def normalise(text: str) -> str:
    """The characters of a text that count."""
    return bare(read_digits(simplify(_BRACKETS.sub("", text)))).translate(_ALIKE)


def character_error_rate(references: Sequence[str], texts: Sequence[str]) -> float:
    """Substitutions, deletions and insertions of both normalised, by characters of the references.

    Raises:
        ValueError: where there is no reference.
    """
    import jiwer

    if not any(map(normalise, references)):
        raise ValueError("there is no reference to score against")
    return float(jiwer.cer([normalise(r) for r in references], [normalise(t) for t in texts]))


def syllable_error_rate(
    references: Sequence[str], syllables: Sequence[Sequence[str]] | Sequence[str]
) -> float:
    """The same by toneless pinyin; what was recognised is a text or its syllables."""
    import jiwer

    spoken = [" ".join(toneless(to_syllables(normalise(r)))) for r in references]
    if not any(spoken):
        raise ValueError("there is no reference to score against")
    heard = [
        " ".join(toneless(to_syllables(normalise(s)) if isinstance(s, str) else s))
        for s in syllables
    ]
    return float(jiwer.wer(spoken, heard))
