"""The phrase table (``phrases.toml``), checked and made ready for matching.

A mistake in the table is reported with its line: whoever edits phrases is not a programmer.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from flows.triage.assessment import LINES
from flows.triage.errors import PhraseError
from flows.triage.tokens import Units, units

TABLE = Path(__file__).with_name("phrases.toml")
KINDS = (
    *("danger", "request_police", "request_human", "police", "service", "outside"),
    "retraction",
)
SCOPES = ("before", "clause", "turn", "over")

_PHRASE_KEYS = {"topic", "kind", "weight", "category", "lines", "flags", "sound", "words"}
_GUARD_KEYS = {"name", "scope", "keep", "words", "unless", "kinds", "across"}
_CLASS = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Phrase:
    """What one entry of ``words`` says.

    Attributes:
        written: as it stands in the table, for evidence.
        parts: in order, each a choice of atoms (units in a row).
        sound: whether sound alone, without the characters, counts.
    """

    written: str
    parts: tuple[tuple[Units, ...], ...]
    topic: str
    kind: str
    weight: float
    category: int | None
    lines: tuple[str, ...]
    flags: tuple[str, ...]
    sound: bool


@dataclass(frozen=True, slots=True)
class Guard:
    """Words that speak against a danger: they leave `keep` of its evidence.

    `across`, for the scope ``before``: what alone may lie between the words and the phrase.
    """

    name: str
    scope: str
    keep: float
    kinds: frozenset[str]
    words: tuple[tuple[tuple[Units, ...], ...], ...]
    unless: tuple[Units, ...]
    across: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Phrasebook:
    phrases: tuple[Phrase, ...]
    guards: tuple[Guard, ...]
    frames: tuple[Units, ...] = ()

    @property
    def topics(self) -> tuple[str, ...]:
        """Topics in the order of the table; with the guards' names they are features."""
        return tuple(dict.fromkeys(phrase.topic for phrase in self.phrases))


@lru_cache(maxsize=4)
def load_phrasebook(path: Path = TABLE) -> Phrasebook:
    """The table of a file.

    Raises:
        PhraseError: names the file, the line and what is wrong there.
    """
    try:
        return parse_phrasebook(path.read_text(encoding="utf-8"), path.name)
    except OSError as error:
        raise PhraseError(f"The phrases {path} cannot be read: {error.strerror}.") from error


def parse_phrasebook(content: str, name: str = "phrases.toml") -> Phrasebook:
    """The table of a text; see `load_phrasebook`."""
    try:
        table = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise PhraseError(f"{name}: not valid TOML: {error}.") from error
    reader = _Reader(name, content.splitlines(), table)
    unknown = set(table) - {"frames", "classes", "phrases", "guards"}
    if unknown:
        raise reader.wrong(f"[[{min(unknown)}]]", 0, f"unknown table {min(unknown)!r}")
    phrases = tuple(
        phrase
        for number, entry in enumerate(table.get("phrases", ()))
        for phrase in reader.phrases(number, entry)
    )
    guards = tuple(
        reader.guard(number, entry) for number, entry in enumerate(table.get("guards", ()))
    )
    frames = table.get("frames", [])
    if not isinstance(frames, list) or not all(isinstance(word, str) for word in frames):
        raise reader.wrong("frames", 0, "frames must be a list of words")
    return Phrasebook(phrases, guards, tuple(units(word) for word in frames))


class _Reader:
    """Turns the tables into values and knows on which line each stands."""

    def __init__(self, name: str, lines: list[str], table: Mapping[str, Any]) -> None:
        self._name, self._lines = name, lines
        classes = table.get("classes", {})
        for key, words in classes.items():
            if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                raise self.wrong(f"{key} =", 0, f"class {key!r} must be a list of words")
        self._classes: Mapping[str, list[str]] = classes

    def phrases(self, number: int, entry: Mapping[str, Any]) -> list[Phrase]:
        header, where = "[[phrases]]", number
        self._check_keys(header, where, entry, _PHRASE_KEYS, ("topic", "kind", "weight", "words"))
        kind, category = entry["kind"], entry.get("category")
        if kind not in KINDS:
            raise self.wrong(header, where, f"kind {kind!r} is none of {', '.join(KINDS)}", "kind")
        if category is not None and category not in range(1, 8):
            raise self.wrong(header, where, f"category {category!r} is not 1 to 7", "category")
        lines = tuple(entry.get("lines", ()))
        if set(lines) - set(LINES):
            raise self.wrong(header, where, f"lines {lines} are not all of {LINES}", "lines")
        weight = self._fraction(header, where, entry, "weight")
        flags = tuple(entry.get("flags", ()))
        return [
            Phrase(
                written,
                self._parts(header, where, written),
                entry["topic"],
                kind,
                weight,
                category,
                lines,
                flags,
                entry.get("sound", True),
            )
            for written in self._words(header, where, entry, "words")
        ]

    def guard(self, number: int, entry: Mapping[str, Any]) -> Guard:
        header = "[[guards]]"
        self._check_keys(header, number, entry, _GUARD_KEYS, ("name", "scope", "keep", "words"))
        scope = entry["scope"]
        if scope not in SCOPES:
            raise self.wrong(
                header, number, f"scope {scope!r} is none of {', '.join(SCOPES)}", "scope"
            )
        kinds = frozenset(entry.get("kinds", ("danger", "request_police")))
        if kinds - set(KINDS):
            raise self.wrong(header, number, f"kinds {sorted(kinds)} are not all known", "kinds")
        keep = self._fraction(header, number, entry, "keep")
        if not keep:
            raise self.wrong(
                header, number, "keep is 0, but an explicit danger must never vanish", "keep"
            )
        words = self._words(header, number, entry, "words")
        unless = self._words(header, number, entry, "unless") if "unless" in entry else []
        across = self._words(header, number, entry, "across") if "across" in entry else []
        return Guard(
            entry["name"],
            scope,
            keep,
            kinds,
            tuple(self._parts(header, number, word) for word in words),
            tuple(units(word) for word in unless),
            frozenset(unit for word in across for unit in units(word)),
        )

    def _parts(self, header: str, number: int, written: str) -> tuple[tuple[Units, ...], ...]:
        parts = tuple(self._choices(header, number, written, part) for part in written.split("*"))
        if not all(all(choice) and choice for choice in parts):
            raise self.wrong(header, number, f"{written!r} has an empty part", f'"{written}"')
        return parts

    def _choices(self, header: str, number: int, written: str, part: str) -> tuple[Units, ...]:
        pieces: list[list[str]] = []
        for index, piece in enumerate(_CLASS.split(part)):
            if index % 2 == 0:
                pieces.append([piece])
            elif piece in self._classes:
                pieces.append(self._classes[piece])
            else:
                raise self.wrong(
                    header, number, f"{written!r} names no class: {piece!r}", f'"{written}"'
                )
        return tuple(dict.fromkeys(units("".join(p)) for p in itertools.product(*pieces)))

    def _words(self, header: str, number: int, entry: Mapping[str, Any], key: str) -> list[str]:
        words = entry[key]
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise self.wrong(header, number, f"{key} must be a list of words", key)
        if not words:
            raise self.wrong(header, number, f"{key} is empty", key)
        return words

    def _fraction(self, header: str, number: int, entry: Mapping[str, Any], key: str) -> float:
        value = entry[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise self.wrong(header, number, f"{key} {value!r} is not between 0 and 1", key)
        return float(value)

    def _check_keys(
        self,
        header: str,
        number: int,
        entry: Mapping[str, Any],
        allowed: set[str],
        required: tuple[str, ...],
    ) -> None:
        for key in entry:
            if key not in allowed:
                raise self.wrong(header, number, f"unknown key {key!r}", key)
        for key in required:
            if key not in entry:
                raise self.wrong(header, number, f"{key} is missing")

    def wrong(self, header: str, number: int, what: str, near: str = "") -> PhraseError:
        """The error for the `number`-th table under `header`, at the line that holds `near`."""
        begins = [i for i, line in enumerate(self._lines) if line.strip().startswith(header)]
        begin = begins[number] if number < len(begins) else 0
        later = [i for i, line in enumerate(self._lines) if i > begin and line.startswith("[[")]
        end = later[0] if later else len(self._lines)
        at = next((i for i in range(begin, end) if near and near in self._lines[i]), begin)
        return PhraseError(f"{self._name}, line {at + 1}: {what}.")
