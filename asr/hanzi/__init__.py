"""Hanzi from syllables (拼音转汉字): readable text of what the listener heard.

``decode`` finds the words whose sounds and frequency together explain the syllables best, with a
few other readings and their costs. Pure; a general lexicon and counts of the project's own texts
lie beside it in ``data/``.
"""

from asr.hanzi.decoder import Reading, Word, decode
from asr.hanzi.lexicon import Lexicon, standard

__all__ = ["Lexicon", "Reading", "Word", "decode", "standard"]
