"""Slots in answers (口径里的空位): ``{公积金电话}`` becomes the value for the caller's place.

Fees, addresses and telephone numbers differ by region and change by the day; the wording around
them does not. An answer with a slot that has no value for a caller is not read to him.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from kb.regions import PROVINCE, covers

_NAME = re.compile(r"[\u4e00-\u9fff0-9]{1,20}")
_SLOT = re.compile(rf"\{{({_NAME.pattern})\}}")
_BRACES = re.compile(r"[{}]")


@dataclass(frozen=True, slots=True)
class Slot:
    """One value of a slot, for one place and period, both ends included.

    `region` is a GB/T 2260 code of six digits, or empty for the whole province. Of several
    values for one place and day the one that began last counts.
    """

    name: str
    region: str
    value: str
    source: str
    valid_from: date
    valid_to: date


def names_in(answer: str) -> tuple[str, ...]:
    """The slots of an answer, in their order, without repeats."""
    return tuple(dict.fromkeys(_SLOT.findall(answer))) if "{" in answer else ()


def is_name(text: str) -> bool:
    """Whether a slot may be called so: hanzi and figures, at most 20."""
    return _NAME.fullmatch(text) is not None


def fault(answer: str) -> str:
    """What is wrong with the braces of an answer, as a sentence without its stop; else empty."""
    rest = _SLOT.sub("", answer)
    found = _BRACES.search(rest)
    if found is None:
        return ""
    near = rest[max(0, found.start() - 5) : found.start() + 12]
    return (
        f"has braces that are no slot near {near!r}: "
        "write {名称}, with a name of hanzi and figures, at most 20"
    )


def value(slots: Iterable[Slot], name: str, place: str, day: date) -> str | None:
    """The value of a slot for a place (GB/T 2260) and a day: county, else city, else province."""
    there = [s for s in slots if s.name == name and s.valid_from <= day <= s.valid_to]
    for area in _areas(place):
        of_area = [s for s in there if (s.region or PROVINCE) == area]
        if of_area:
            return max(of_area, key=lambda s: s.valid_from).value
    return None


def fill(answer: str, slots: Sequence[Slot], place: str, day: date) -> str | None:
    """The answer with its slots filled; None if one has no value."""
    found = {name: value(slots, name, place, day) for name in names_in(answer)}
    if None in found.values():
        return None
    return _SLOT.sub(lambda match: found[match[1]] or "", answer) if found else answer


def place_for(region: str, place: str | None) -> str:
    """By which place an entry for `region` is filled for a caller at `place`.

    The caller's, where the entry is for it; else (unknown, or asking about elsewhere) its own.
    """
    if place and place != PROVINCE and covers(region, place):
        return place
    return region or PROVINCE


def texts(answer: str, region: str, slots: Sequence[Slot], day: date) -> tuple[str, ...]:
    """All that callers may hear, on that day or later, of an answer of an entry for `region`."""
    places = dict.fromkeys([region or PROVINCE, *(place_for(region, s.region) for s in slots)])
    days = {day}
    days.update(edge for s in slots for edge in (s.valid_from, _after(s.valid_to)) if edge > day)
    found = (fill(answer, slots, place, when) for when in sorted(days) for place in places)
    return tuple(dict.fromkeys(text for text in found if text is not None))


def bare(answer: str) -> str:
    """The answer with the names of its slots in their places."""
    return _SLOT.sub(r"\1", answer)


def _areas(place: str) -> tuple[str, ...]:
    """From the most exact to the province; the codes 4690xx are counties of their own."""
    city = () if place[2:4] == "90" else (f"{place[:4]}00",)
    return tuple(dict.fromkeys((place, *city, PROVINCE)))


def _after(day: date) -> date:
    return day + timedelta(days=1) if day < date.max else day
