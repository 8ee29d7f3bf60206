"""Whether two tickets may be about one matter: by words, place, number and days. Pure.

A proposal only: people merge (并案). Numbers are chosen by reason, not fitted: there are no
judged pairs yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz, process
from rapidfuzz.utils import default_process

from asr.phonetics import to_syllables, without_tone

WITHIN_DAYS = 14.0
"""Two tickets that lie further apart are two matters."""
SAME_CALLER, SAME_PLACE, ELSEWHERE = 55.0, 65.0, 85.0
"""How alike the matters must be, 0..100, with the same number, the same place, or neither."""
PLACE = 80.0
"""From here on two places are the same, 0..100."""
WORTH_HEARING = 30.0
"""Texts less alike than this as written are not compared by sound: that is far slower."""
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Matter:
    """What is compared of a ticket."""

    ticket: str
    matter: str
    place: str
    number: str
    region: str | None
    created_at: float


@dataclass(frozen=True, slots=True)
class Likeness:
    ticket: str
    score: float
    """How alike the matters are, 0..100."""
    reasons: tuple[str, ...]


def alike(one: Matter, other: Matter) -> Likeness | None:
    """Why `other` may be the same matter as `one`; None: nothing speaks for it."""
    if one.ticket == other.ticket or abs(one.created_at - other.created_at) > WITHIN_DAYS * _DAY:
        return None
    score = wording(one.matter, other.matter)
    if score < SAME_CALLER:
        return None
    caller = bool(one.number) and one.number == other.number
    region = None in (one.region, other.region) or one.region == other.region
    place = region and bool(one.place and other.place) and wording(one.place, other.place) >= PLACE
    needed = min(
        [ELSEWHERE] * region + [SAME_CALLER] * caller + [SAME_PLACE] * place, default=101.0
    )
    if score < needed:
        return None
    reasons = [f"内容相似 {score:.0f}%"]
    if caller:
        reasons.append("同一来电号码")
    if place:
        reasons.append("同一地点")
    return Likeness(other.ticket, round(score, 1), tuple(reasons))


def nearest(text: str, texts: Sequence[str], most: int) -> list[int]:
    """Places of the texts that are the most alike as written, the likeliest first.

    Some µs a text: among thousands only those are worth `wording`.
    """
    found = process.extract(text, texts, scorer=fuzz.ratio, processor=None, limit=most)
    return [place for _, _, place in found]


def wording(one: str, other: str) -> float:
    """How alike two texts are, 0..100: as written, or as they sound (recognisers mishear)."""
    written = fuzz.token_sort_ratio(one, other, processor=default_process)
    written = max(written, fuzz.partial_ratio(one, other) * _fair(one, other))
    if written < WORTH_HEARING:
        return float(written)
    return float(max(written, fuzz.ratio(_sound(one), _sound(other))))


def _fair(one: str, other: str) -> float:
    """A short text lies in any long one: it counts only as far as it is not much shorter."""
    longer = max(len(one), len(other))
    return min(1.0, 2.0 * min(len(one), len(other)) / longer) if longer else 0.0


@lru_cache(4096)
def _sound(text: str) -> tuple[str, ...]:
    return tuple(without_tone(each) for each in to_syllables(text))
