"""Transcripts for people to read: figures as they are written, and punctuation.

``written`` and ``punctuated`` each answer with a ``Written``, which holds the raw text too and says
what became of which characters. Triage and search work on sound and never see this. Pure: no
model, no I/O.
"""

from asr.normalisation.figures import written
from asr.normalisation.punctuation import Utterance, punctuated
from asr.normalisation.rewriting import Rewrite, Written

__all__ = ["Rewrite", "Utterance", "Written", "punctuated", "written"]
