"""Text as units: one for each hanzi, Latin word or figure, with the clause it stands in."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

Units = tuple[str, ...]

MAX_UNITS = 300
"""Of a long turn only the end is read: a caller's danger is in what was said last."""

_UNIT = re.compile(r"[a-z]+(?:'[a-z]+)*|[0-9]+|[一-鿿]|([,.!?;。…]+)")


class Tokens(NamedTuple):
    """`clauses[i]` is the number of the clause that `units[i]` stands in."""

    units: Units
    clauses: tuple[int, ...]


@lru_cache(maxsize=4096)
def tokens(text: str) -> Tokens:
    """Half-width, lower case, without punctuation; never raises."""
    plain = unicodedata.normalize("NFKC", text[-4 * MAX_UNITS :]).lower().replace("’", "'")
    found: list[str] = []
    clauses: list[int] = []
    clause = 0
    for match in _UNIT.finditer(plain):
        if match[1]:
            clause += 1
        else:
            found.append(match[0])
            clauses.append(clause)
    return Tokens(tuple(found[-MAX_UNITS:]), tuple(clauses[-MAX_UNITS:]))


def units(text: str) -> Units:
    """The units alone."""
    return tokens(text).units
