"""The hotline's own words, for the recogniser to know them by sound."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from asr.domain import DomainWords
from asr.hanzi import standard
from flows.gazetteer import Names, read_names
from flows.triage.phrasebook import Phrasebook, load_phrasebook

if TYPE_CHECKING:
    from kb.entry import Entry

_KIND = re.compile(r"(?:黎族|苗族)*(?:自治县|[省市县区])$")
_DEPARTMENT = re.compile(r"[（）()、/]+")
_SHORTEST_KEYWORD = 3
"""Shorter ones (小区, 油烟) are everyday words: the transcriber knows them, and too much sounds
like them."""
_DANGER = frozenset({"danger", "request_police", "request_human", "retraction"})
_EVERYDAY_COST = 9.0
"""Of a character as a word by itself, in nats: 来, 街 and 玩 are below, 陵, 琼 and 儋 far above."""


def domain_words(entries: Iterable[Entry] = ()) -> DomainWords:
    """Places, departments and subjects; danger is protected.

    Args:
        entries: what is published; without them there are places alone.

    Raises:
        GazetteerError, PhraseError: data of flows are wrong.
    """
    return DomainWords(
        words=tuple(dict.fromkeys([*_places(read_names()), *_subjects(entries)])),
        ordinary=_ordinary(),
        protected=_protected(),
    )


@cache
def _ordinary() -> frozenset[str]:
    lexicon = standard()
    return frozenset(
        word
        for word, cost in zip(lexicon.words, lexicon.cost, strict=True)
        if 2 <= len(word) <= 4 or (len(word) == 1 and cost < _EVERYDAY_COST)
    )


@cache
def _protected() -> frozenset[str]:
    return frozenset(_dangers(load_phrasebook()))


def _places(names: Names) -> Iterator[str]:
    for region in names.regions:
        yield region.name
        yield _KIND.sub("", region.name)
        yield from region.aliases
    for places in names.places.values():
        yield from places


def _subjects(entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        yield from _DEPARTMENT.split(entry.department)
        yield from (word for word in entry.keywords if len(word) >= _SHORTEST_KEYWORD)


def _dangers(book: Phrasebook) -> Iterator[str]:
    for phrase in book.phrases:
        if phrase.kind in _DANGER:
            yield from ("".join(atom) for part in phrase.parts for atom in part)
