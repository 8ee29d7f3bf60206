"""One kind of spoken number: what it looks like, and how it is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from asr.normalisation.numerals import ONES, UNITS, ZEROS

DIGIT = f"[{ZEROS}幺{ONES}]"
"""Pattern of a digit read by itself, 幺 for 一 as on the telephone."""
NUMERAL = f"[{ZEROS}幺{ONES}两{UNITS}]"
"""Pattern of any character that numbers are made of."""

ENDS = f"(?![0-9]|{NUMERAL})"
"""Pattern of a place where no number goes on."""

Match = re.Match[str]
Reading = tuple[int, str]
"""How many of the characters found are written anew, and as what."""

_NEARBY = 8


class Construct(NamedTuple):
    """Where ``pattern`` matches, ``read`` is asked; None leaves the place to the next construct."""

    pattern: re.Pattern[str]
    read: Callable[[Match], Reading | None]


def before(found: Match) -> str:
    """The few characters before what was found."""
    return found.string[max(0, found.start() - _NEARBY) : found.start()]


def after(found: Match) -> str:
    """The few characters after what was found."""
    return found.string[found.end() : found.end() + _NEARBY]
