"""Places of Hainan in what a caller says, resolved to GB/T 2260 codes (属地).

Names come from ``data/regions.csv`` (regions and their aliases) and ``data/places.toml`` (towns,
landmarks). They are found by characters, and by sound where the transcriber wrote others; the most
specific and last named place wins.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from asr.phonetics import find_all_patterns, to_syllables, without_tone

REGIONS = Path(__file__).parent / "data" / "regions.csv"
PLACES = Path(__file__).parent / "data" / "places.toml"
PROVINCE = "460000"

_KIND_SUFFIX = re.compile(r"(黎族苗族|黎族)?(自治县|市|县|区|群岛|镇|乡)$")
_BEFORE_PLACE = re.compile(r"(在|到|住|去|来|回|位于|地址是|地点是|属于|就是|是|我们|这里)$")
_AFTER_PLACE = re.compile(r"^(镇|乡|市|县|村|这边|那边|这里|那里|附近|旁边|开发区|路|街|的|站|港)")
_NOT_HERE = re.compile(r"(不在|不是|没在|没有在|不到|离开|不住|并非|不属于)[^，。,.]{0,2}$")
_FROM_THERE = re.compile(
    r"(从|由|自|老家在|老家是|户口在|户籍在|以前在|之前在|原来在)[^，。,.]{0,3}$"
)
_THERE_TO_HERE = re.compile(r"^[^，。,.]{0,3}(来|过来|回来|出发|开过来|坐车|人)")
_DENIED = {("bu", "zai"), ("bu", "shi"), ("mei", "zai"), ("li", "kai"), ("bu", "zhu")}
_SOUND_COST = {2: 0.04, 3: 0.08}
_SOUND_COST_LONG = 0.1


@dataclass(frozen=True, slots=True)
class Place:
    """A place that was named: the code with a local 110, its name, the words that matched."""

    code: str
    name: str
    matched: str


class Region(NamedTuple):
    code: str
    name: str
    parent: str
    extension: str
    aliases: tuple[str, ...]


class GazetteerError(Exception):
    """The places' data break their form; the message names file and line."""

    code = "flows.places"


def resolve(text: str, syllables: Sequence[str] = ()) -> Place | None:
    """The place the caller named, or None where none was, or its name is ambiguous.

    Args:
        text: hanzi; may be empty.
        syllables: the listener's toned pinyin; used where the text names no place.
    """
    return _resolve(text, tuple(syllables))


@lru_cache(maxsize=2048)
def _resolve(text: str, syllables: tuple[str, ...]) -> Place | None:
    gazetteer = load_gazetteer()
    named = gazetteer.by_characters(text)
    for stream in (to_syllables(text), syllables):
        if named is None and stream:
            named = gazetteer.by_sound(stream, besides=text)
    return named


class Gazetteer:
    """All names with their codes; immutable."""

    def __init__(
        self, regions: Sequence[Region], places: dict[str, list[str]], common: frozenset[str]
    ) -> None:
        self._regions = {region.code: region for region in regions}
        self._common = common
        self._codes: dict[str, set[str]] = {}
        principal: set[str] = set()
        for region in regions:
            stem = _KIND_SUFFIX.sub("", region.name)
            own = {region.name, stem} - {"东方", "白沙", ""}  # everyday word; a quarter of Haikou
            principal |= own
            for name in {*own, *region.aliases}:
                self._add(name, region.code)
        for code, names in places.items():
            for name in names:
                self._add(name, code)
        self._names = re.compile(
            "|".join(re.escape(name) for name in sorted(self._codes, key=len, reverse=True))
        )
        self._heard = [
            name
            for name in self._codes
            if name not in common and (len(name) > 2 or name in principal)
        ]
        self._patterns = [to_syllables(name) for name in self._heard]
        self._letters = [
            frozenset(without_tone(syllable) for syllable in pattern) for pattern in self._patterns
        ]

    def _add(self, name: str, code: str) -> None:
        if len(name) >= 2:
            self._codes.setdefault(name, set()).add(code)

    def by_characters(self, text: str) -> Place | None:
        found: Place | None = None
        for match in self._names.finditer(text):
            before, after = text[: match.start()], text[match.end() :]
            if match[0] in self._common and not (
                _BEFORE_PLACE.search(before) or _AFTER_PLACE.match(after)
            ):
                continue
            away = _FROM_THERE.search(before) and _THERE_TO_HERE.match(after)
            if _NOT_HERE.search(before) or away:
                continue
            found = self._later(found, match[0])
        return found

    def by_sound(self, stream: Sequence[str], besides: str = "") -> Place | None:
        """Of names that overlap the longest counts.

        Args:
            besides: a text whose names are left out: what it says of them is known already.
        """
        # Only names of which at most one syllable is spelled otherwise: any other is too far off.
        letters = {without_tone(syllable) for syllable in stream}
        near = [
            index
            for index, own in enumerate(self._letters)
            if len(own - letters) <= 1 and self._heard[index] not in besides
        ]
        patterns = [self._patterns[index] for index in near]
        limits = [_SOUND_COST.get(len(pattern), _SOUND_COST_LONG) for pattern in patterns]
        hits = find_all_patterns(patterns, stream, max_cost=limits) if patterns else []
        taken: list[tuple[int, int, str]] = []
        for index, match in sorted(hits, key=lambda hit: (hit[1].start - hit[1].end, hit[1].cost)):
            denied = tuple(without_tone(s) for s in stream[max(0, match.start - 2) : match.start])
            if denied in _DENIED:
                continue
            if all(match.end <= start or end <= match.start for start, end, _ in taken):
                taken.append((match.start, match.end, self._heard[near[index]]))
        found: Place | None = None
        for _, _, name in sorted(taken):
            found = self._later(found, name)
        return found

    def _later(self, found: Place | None, name: str) -> Place | None:
        """The later place, unless it only says again in which city the earlier one lies."""
        code = self._code(name)
        if code is None or code == PROVINCE:
            return found
        if found is not None and code in self._ancestors(found.code):
            return found
        return Place(code, self._regions[code].name, name)

    def _code(self, name: str) -> str | None:
        """The nearest region with a 110 of its own that holds every place of this name."""
        chains = [[code, *self._ancestors(code)] for code in self._codes[name]]
        shared = [code for code in chains[0] if all(code in chain for chain in chains)]
        return next((code for code in shared if self._regions[code].extension), None)

    def _ancestors(self, code: str) -> list[str]:
        chain = []
        while (code := self._regions[code].parent) in self._regions:
            chain.append(code)
        return chain


@lru_cache(maxsize=2)
def load_gazetteer(regions: Path = REGIONS, places: Path = PLACES) -> Gazetteer:
    """The names of both files.

    Raises:
        GazetteerError: a file is missing or wrong; names the line.
    """
    try:
        known = parse_regions(regions.read_text(encoding="utf-8-sig"), regions.name)
        listed = tomllib.loads(places.read_text(encoding="utf-8"))
    except OSError as error:
        raise GazetteerError(f"The places {error.filename} cannot be read.") from error
    except tomllib.TOMLDecodeError as error:
        raise GazetteerError(f"{places.name}: not valid TOML: {error}.") from error
    codes = {region.code for region in known}
    for code, names in listed.get("places", {}).items():
        if code not in codes:
            raise GazetteerError(f"{places.name}: {code} is no code of {regions.name}.")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise GazetteerError(f"{places.name}: {code} must be a list of names.")
    return Gazetteer(known, listed.get("places", {}), frozenset(listed.get("common", ())))


def parse_regions(content: str, name: str = "regions.csv") -> tuple[Region, ...]:
    """The rows of ``regions.csv``: code, name, parent, local_110_extension, …, aliases (;).

    Raises:
        GazetteerError: names the line and the column.
    """
    rows = csv.DictReader(content.splitlines())
    regions: dict[str, Region] = {}
    for row in rows:
        code = (row.get("code") or "").strip()
        if not re.fullmatch(r"[0-9]{6}", code):
            raise GazetteerError(
                f"{name}, line {rows.line_num}, code: {code!r} is not six figures."
            )
        if not (row.get("name") or "").strip():
            raise GazetteerError(f"{name}, line {rows.line_num}, name: it is empty.")
        parent = (row.get("parent") or "").strip()
        if parent and parent not in regions:
            raise GazetteerError(
                f"{name}, line {rows.line_num}, parent: {parent} stands in no line above."
            )
        aliases = tuple(a.strip() for a in (row.get("aliases") or "").split(";") if a.strip())
        extension = (row.get("local_110_extension") or "").strip()
        regions[code] = Region(code, row["name"].strip(), parent, extension, aliases)
    return tuple(regions.values())
