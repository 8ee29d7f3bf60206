"""Numbers as callers say them → as GB/T 15835-2011 has them written (逆文本规范化, ITN).

Figures are for digits read one by one, numbers with 十百千万亿, decimals, percentages and
fractions, Gregorian dates, times of day, measures, addresses, plates and other codes. Approximate
numbers (三四个, 十几, 几百), the lunar calendar, weekdays, fixed words and a single digit before an
ordinary measure word (三个人) stay in hanzi.

The text is read once, left to right: at each numeral the constructs are tried in order.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from asr.normalisation.codes import CODES
from asr.normalisation.construct import NUMERAL, Construct, Match, Reading
from asr.normalisation.quantities import QUANTITIES
from asr.normalisation.rewriting import Rewrite, Written

_KEPT = tomllib.loads(Path(__file__).with_name("kept.toml").read_text(encoding="utf-8"))
_WORDS = "|".join(map(re.escape, sorted(_KEPT["words"], key=len, reverse=True)))
_ONE_TO_TEN = "[一二三四五六七八九十]"
_LUNAR_DAY = f"(?:初|廿)?{_ONE_TO_TEN}+"


def _as_it_is(found: Match) -> Reading:
    return len(found[0]), found[0]


_STAYS = (
    rf"(?<!{NUMERAL})(?:{_WORDS})(?:(?<!{NUMERAL})|(?!{NUMERAL}))(?![{_KEPT['unless_followed_by']}])",
    "(?:周|星期|礼拜)[一二三四五六]",
    rf"(?:正月|腊月|冬月|农历{_ONE_TO_TEN}+月|初{_ONE_TO_TEN})(?:{_LUNAR_DAY})?(?:[到至]{_LUNAR_DAY})?",
)
_CONSTRUCTS = (
    *(Construct(re.compile(pattern), _as_it_is) for pattern in _STAYS),
    *CODES,
    *QUANTITIES,
)
_ANY = re.compile("|".join(f"(?:{construct.pattern.pattern})" for construct in _CONSTRUCTS))
_TWO_NUMERALS = re.compile(NUMERAL * 2)
_RUN = re.compile(f"(?:[0-9]|{NUMERAL})+|.", re.DOTALL)


def written(text: str) -> Written:
    """A transcript with its numbers in figures; any text goes through, and nothing is lost.

    Twice is the same as once. Figures, letters and marks that are there already stay.
    """
    rewrites: list[Rewrite] = []
    position = 0
    while found := _ANY.search(text, position):
        start = found.start()
        within_a_run = start > position and _TWO_NUMERALS.match(text, start - 1)
        reading = None if within_a_run else _read(text, start)
        if reading is None:
            position = _end_of_run(text, start)
            continue
        length, figure = reading
        position = start + length
        if figure != text[start:position]:
            rewrites.append(Rewrite(start, position, figure))
    return Written(text, tuple(rewrites))


def _read(text: str, start: int) -> Reading | None:
    """What the first construct says that has anything to say here."""
    for construct in _CONSTRUCTS:
        found = construct.pattern.match(text, start)
        if found is not None and (reading := construct.read(found)) is not None:
            return reading
    return None


def _end_of_run(text: str, start: int) -> int:
    """No number begins within a run of numerals that is none."""
    run = _RUN.match(text, start)
    return run.end() if run else start + 1
