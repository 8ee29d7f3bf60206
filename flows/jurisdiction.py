"""Places of Hainan in what a caller says, resolved to GB/T 2260 codes (属地).

Names come from ``data/regions.csv`` (regions and their aliases) and ``data/places.toml`` (towns,
landmarks). They are found by characters, and by sound where the transcriber wrote others; the most
specific and last named place wins. A street or dish that is named after a place is no place, nor
is where somebody else comes from. The files are read once, when this module is imported.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from asr.phonetics import find_all_patterns, to_syllables, without_tone
from flows.gazetteer import Names, read_names

PROVINCE = "460000"

_KIND_SUFFIX = re.compile(r"(黎族苗族|黎族)?(自治县|市|县|区|群岛|镇|乡)$")
_BEFORE_PLACE = re.compile(r"(在|到|住|去|来|回|位于|地址是|地点是|属于|就是|是|我们|这里)$")
_AFTER_PLACE = re.compile(r"^(镇|乡|市|县|村|这边|那边|这里|那里|附近|旁边|开发区|的|站|港)")
_NOT_HERE = re.compile(r"(不在|不是|没在|没有在|不到|离开|不住|并非|不属于)[^，。,.]{0,2}$")
_FROM_THERE = re.compile(
    r"(从|由|自|老家在|老家是|户口在|户籍在|以前在|之前在|原来在)[^，。,.]{0,3}$"
)
_THERE_TO_HERE = re.compile(r"^[^，。,.]{0,3}(来|过来|回来|出发|开过来|坐车|人)")
_STREET = re.compile(
    r"^(?:[东南西北中]|[一二三四五六七八九十]+横?|环|新|老)*(?:路|街|大道|大街|巷)(?![上边])"
)
_OTHERS_ORIGIN = re.compile(
    r"(?:[他她]们?|(?:的|个|那|这|坏|本|有)人|男的|女的|老板|司机|对方|车主|房东|租客|师傅|亲戚|朋友|"
    r"同事|邻居|骗子|小偷|游客|客人|工人|老公|老婆|公司|车|号码)(?:都|好像|应该|也|家)?(?:是|来自|从)$"
)
_OWN_ORIGIN = re.compile(
    r"(?:我们?是|我们?老家在?|我们?户口在?|我们?户籍在?|往|朝|逃到|跑到|开到)$"
)
_ORIGIN_ENDS = re.compile(
    r"^(?:那边|这边)?(?:的人?|人|过来的?|来的|跑)(?![一-鿿]{0,2}[区镇乡村湾路县市])"
)
_STREET_SOUND = {("lu",), ("jie",), ("da", "dao"), ("da", "jie")}
_WAYS = frozenset({"dong", "nan", "xi", "bei", "zhong", "yi", "er", "san", "si", "wu"})
_DENIED = {("bu", "zai"), ("bu", "shi"), ("mei", "zai"), ("li", "kai"), ("bu", "zhu")}
_SOUND_COST = {2: 0.04, 3: 0.08}
_SOUND_COST_LONG = 0.1


@dataclass(frozen=True, slots=True)
class Place:
    """A place that was named: the code with a local 110, its name, the words that matched."""

    code: str
    name: str
    matched: str


def resolve(text: str, syllables: Sequence[str] = ()) -> Place | None:
    """The place the caller named, or None where none was, or its name is ambiguous.

    Args:
        text: hanzi; may be empty.
        syllables: the listener's toned pinyin; used where the text names no place.
    """
    return _resolve(text, tuple(syllables))


@lru_cache(maxsize=2048)
def _resolve(text: str, syllables: tuple[str, ...]) -> Place | None:
    named = _GAZETTEER.by_characters(text)
    for stream in (to_syllables(text), syllables):
        if named is None and stream:
            named = _GAZETTEER.by_sound(stream, besides=text)
    return named


class Gazetteer:
    """All names with their codes; immutable."""

    def __init__(self, names: Names) -> None:
        self._regions = {region.code: region for region in names.regions}
        self._common, self._no_places = names.common, frozenset(names.no_places)
        self._codes: dict[str, set[str]] = {}
        principal: set[str] = set()
        for region in names.regions:
            stem = _KIND_SUFFIX.sub("", region.name)
            own = {region.name, stem} - {"东方", "白沙", ""}  # everyday word; a quarter of Haikou
            principal |= own
            for name in {*own, *region.aliases}:
                self._add(name, region.code)
        for code, listed in names.places.items():
            for name in listed:
                self._add(name, code)
        self._names = re.compile(
            "|".join(
                re.escape(name)
                for name in sorted({*self._codes, *names.no_places}, key=len, reverse=True)
            )
        )
        self._heard = [
            name
            for name in self._codes
            if name not in names.common and (len(name) > 2 or name in principal)
        ] + list(names.no_places)

    @cached_property
    def _patterns(self) -> list[tuple[str, ...]]:
        return [to_syllables(name) for name in self._heard]

    @cached_property
    def _letters(self) -> list[frozenset[str]]:
        return [frozenset(map(without_tone, pattern)) for pattern in self._patterns]

    def _add(self, name: str, code: str) -> None:
        if len(name) >= 2:
            self._codes.setdefault(name, set()).add(code)

    def by_characters(self, text: str) -> Place | None:
        found: Place | None = None
        origin: Place | None = None
        for match in self._names.finditer(text):
            before, after = text[: match.start()], text[match.end() :]
            if match[0] in self._no_places or _STREET.match(after):
                continue
            if match[0] in self._common and not (
                _BEFORE_PLACE.search(before) or _AFTER_PLACE.match(after)
            ):
                continue
            away = _FROM_THERE.search(before) and _THERE_TO_HERE.match(after)
            if _NOT_HERE.search(before) or away:
                continue
            comes_from = _ORIGIN_ENDS.match(after)
            if comes_from and _OTHERS_ORIGIN.search(before):
                continue
            if comes_from and _OWN_ORIGIN.search(before):
                origin = self._later(origin, match[0])
            else:
                found = self._later(found, match[0])
        return found or origin

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
        plain = tuple(without_tone(syllable) for syllable in stream)
        for start, end, name in sorted(taken):
            if name in self._no_places or _is_street(plain[end:]) or _is_origin(plain, start, end):
                continue
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


def _is_street(after: Sequence[str]) -> bool:
    rest = list(after[:4])
    while rest and rest[0] in _WAYS:
        rest.pop(0)
    return tuple(rest[:1]) in _STREET_SOUND or tuple(rest[:2]) in _STREET_SOUND


def _is_origin(stream: Sequence[str], start: int, end: int) -> bool:
    """他是三亚的, 打我的人是三亚人."""
    before, after = tuple(stream[max(0, start - 2) : start]), stream[end : end + 1]
    return before in {("ta", "shi"), ("ren", "shi")} and tuple(after) in {("de",), ("ren",)}


_GAZETTEER = Gazetteer(read_names())
