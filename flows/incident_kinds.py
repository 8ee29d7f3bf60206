"""What has happened, and where exactly, in a caller's own words: kinds, towns, spots. Pure.

Kinds are data (`data/incident_kinds.toml`); places are compared by sound, since recognisers write
one village in several ways.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from asr.phonetics import to_syllables, without_tone

DEFAULT_FILE = Path(__file__).with_name("data") / "incident_kinds.toml"

_TOWN = re.compile(r"([一-鿿]{2})[镇乡]")
_NO_TOWN = re.compile(r"[在到个这那我你他们的了是有老家城下同回去来]")
"""我在镇上, 老乡, 家乡: no name of a town."""
_SPOT = re.compile(
    r"([一-鿿]{2})(路|街|村|桥|小区|水库|隧道|中学|小学|医院|大厦|广场|市场|码头|港|农场|花园|工地|大道)"
)
_NO_SPOT = re.compile(r"[这那个条座我你他们的了是有在上下全整进出]")

Sound = tuple[str, ...]
"""Pinyin without tones."""


class IncidentKindsError(ValueError):
    """The file of kinds cannot be used; the message names the kind."""

    code = "flows.incident_kinds"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of event.

    Parameters:
        wide: it strikes a whole county at once; else only one place in it.
        codes: categories 1-7 of annex 2 that fit it.
    """

    id: str
    name: str
    wide: bool
    codes: frozenset[int]
    words: tuple[str, ...]


def load_kinds(path: Path = DEFAULT_FILE) -> dict[str, Kind]:
    """The kinds by id, in the order in which they are looked for.

    Raises:
        IncidentKindsError: the file cannot be read, or a kind has no name, words or codes 1-7.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise IncidentKindsError(f"{path}: the kinds cannot be read: {error}") from error
    kinds = {}
    for id_, table in tables.items():
        try:
            kind = Kind(
                id_,
                str(table["name"]),
                bool(table["wide"]),
                frozenset(int(code) for code in table["codes"]),
                tuple(str(word) for word in table["words"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise IncidentKindsError(f"{path}: kind {id_}: {error!r}") from error
        if not (kind.name and kind.words and all(kind.words)) or not kind.codes <= set(range(1, 8)):
            raise IncidentKindsError(f"{path}: kind {id_} needs a name, words and codes of 1 to 7")
        kinds[id_] = kind
    return kinds


KINDS = load_kinds()


@lru_cache(maxsize=8192)
def kind_of(words: str) -> str:
    """The id of the first kind whose words occur; "" for none."""
    return next(
        (kind.id for kind in KINDS.values() if any(word in words for word in kind.words)), ""
    )


@lru_cache(maxsize=8192)
def towns(words: str) -> frozenset[Sound]:
    """Towns (乡镇) that are named, by sound."""
    return frozenset(_sound(name) for name in _TOWN.findall(words) if not _NO_TOWN.search(name))


@lru_cache(maxsize=8192)
def spots(words: str) -> frozenset[Sound]:
    """Villages, roads, buildings that are named, by sound."""
    return frozenset(
        (*_sound(name), kind) for name, kind in _SPOT.findall(words) if not _NO_SPOT.search(name)
    )


def _sound(name: str) -> Sound:
    return tuple(without_tone(syllable) for syllable in to_syllables(name))


@lru_cache(maxsize=8192)
def _pairs(words: str) -> frozenset[str]:
    plain = "".join(character for character in words if "一" <= character <= "鿿")
    return frozenset(plain[at : at + 2] for at in range(len(plain) - 1))


def likeness(one: str, other: str) -> float:
    """How alike two callers' words are, 0..1: pairs of characters of the shorter in the other.

    Too few words are like nothing.
    """
    a, b = _pairs(one), _pairs(other)
    fewer = min(len(a), len(b))
    return len(a & b) / fewer if fewer >= _LEAST_PAIRS else 0.0


_LEAST_PAIRS = 4
