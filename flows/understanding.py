"""Whether the words of a turn are words to act on, or nobody made them out. Pure.

Who is not understood is asked again once, and gets a human then (`flows.replying`). It is old
people, dialects and bad lines that are not understood: the threshold lies below what Mandarin
has through a bad line, short replies are taken as they are, and danger is looked for in every
reading all the same.
"""

from __future__ import annotations

import re

from flows.turns import CallerTurn
from flows.wording import plain

UNDERSTOOD = 0.25
"""Share of intelligibility that words must have. 40 sentences and 20 short replies were spoken by
the bot's own voice and sent over three lines: clear, with 10 dB of noise or voices over it, weak
with 3 % of its packets lost. No sentence had less than 0.5; two of the 60 replies had less than
this, both misheard. So had speech that runs backwards (30 of 30), six voices at once (28 of 30),
mumbling (27 of 30) and a synthetic voice in five other languages (50 of 60). Tried once afterwards
on 101 utterances of people over the clear line: all are understood."""

SHORT_REPLY = 3
"""Syllables. In shorter replies (嗯, 好的, 没有) one syllable misheard is most of what was said."""

ENGLISH_WORDS = 3
"""Hello and OK are said in Chinese too."""

ECHOED = 6
"""Characters that nobody repeats by chance."""

_LATIN_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?", re.IGNORECASE)


def understood(turn: CallerTurn) -> bool:
    """Whether the ears agree well enough on what was said, and that it was Chinese.

    The listener knows Mandarin alone, so that no other language is agreed on; the transcriber's
    own "other" is not needed, and is said of dialects too.
    """
    if english(turn):
        return False
    if max(len(plain(turn.transcript)), len(turn.syllables)) <= SHORT_REPLY:
        return True
    return turn.intelligible >= UNDERSTOOD


def echoed(turn: CallerTurn, wording: str) -> bool:
    """Whether the turn is a stretch of what the bot has just said, sent back by the line."""
    said = plain(turn.transcript)
    return len(said) >= ECHOED and said in plain(wording)


def english(turn: CallerTurn) -> bool:
    """Whether it was a sentence in English."""
    words = _LATIN_WORD.findall(turn.transcript)
    return turn.language == "en" and len(words) >= ENGLISH_WORDS
