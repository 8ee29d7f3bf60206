"""Hanzi from syllables (拼音转汉字): readable text of what the listener heard.

``decode`` finds the words whose sounds and frequency together explain the syllables best, with a
few other readings and their costs; ``written`` does so for a hypothesis. Pure; a general lexicon
with counts of the project's own texts lies beside it in ``data/``.
"""

from asr.hanzi.decoder import Reading, Word, decode
from asr.hanzi.lexicon import Lexicon, standard
from asr.hanzi.writing import by_sound, written

__all__ = ["Lexicon", "Reading", "Word", "by_sound", "decode", "standard", "written"]
