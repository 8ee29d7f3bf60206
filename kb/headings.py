"""What the columns of a file of entries may be called, and how a fault in one is told."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kb.errors import FileNotReadable

_NAMES = Path(__file__).parent / "data" / "headings.toml"


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row was left out, or what about it should be looked at.

    `line` counts the file's lines (a workbook's rows) from 1 and is where the row begins;
    `column` is the heading as the file has it, empty when the whole row is meant.
    """

    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        where = f"line {self.line}" + (f", column {self.column}" if self.column else "")
        return f"{where}: {self.reason}"


class Headings:
    """Which names a file may give its columns; spaces and case do not matter.

    Args:
        names: field → headings that mean it. The field's own name always does.
        required: fields without which the file cannot be used.
    """

    def __init__(self, names: Mapping[str, tuple[str, ...]], required: tuple[str, ...]) -> None:
        self.names = names
        self.required = required
        self._fields = {_plain(h): f for f, headings in names.items() for h in (f, *headings)}

    def field(self, heading: str) -> str | None:
        """The field that `heading` means, None if it is unknown."""
        return self._fields.get(_plain(heading))

    def mapped(self, pairs: Mapping[str, str]) -> Headings:
        """With the user's own names, heading → field; a field so named has no other name.

        Raises:
            FileNotReadable: a field that there is not.
        """
        unknown = sorted(set(pairs.values()) - self.names.keys())
        if unknown:
            raise FileNotReadable(
                f"There is no field {', '.join(unknown)}; the fields are {', '.join(self.names)}."
            )
        named = Headings(self.names, self.required)
        named._fields = {h: f for h, f in self._fields.items() if f not in pairs.values()}
        named._fields |= {_plain(heading): field for heading, field in pairs.items()}
        return named


@cache
def headings(kind: str, required: tuple[str, ...]) -> Headings:
    """The headings of `kb/data/headings.toml` for ``entries`` or ``phrasings``."""
    names = tomllib.loads(_NAMES.read_text("utf-8"))[kind]
    return Headings({field: tuple(others) for field, others in names.items()}, required)


def parse_pairs(given: Iterable[str]) -> dict[str, str]:
    """Heading → field of texts such as ``问题=question``.

    Raises:
        FileNotReadable: a text of another form.
    """
    pairs: dict[str, str] = {}
    for text in given:
        heading, equals, field = text.rpartition("=")
        if not (heading.strip() and equals and field.strip()):
            raise FileNotReadable(f"{text!r} is no mapping such as 问题=question.")
        pairs[heading.strip()] = field.strip()
    return pairs


def read_head(
    cells: Iterable[str],
    names: Headings,
    line: int,
    errors: list[RowError],
    warnings: list[RowError],
) -> tuple[list[str | None], dict[str, str]]:
    """The field of each column and each field's heading; none when a required one is missing."""
    fields: list[str | None] = []
    titles: dict[str, str] = {}
    for cell in cells:
        field = names.field(cell)
        if field is None and cell.strip():
            warnings.append(RowError(line, cell.strip(), "unknown column, not read"))
        elif field in titles:
            errors.append(RowError(line, cell.strip(), f"means the same as {titles[field]}"))
            return [], {}
        if field is not None:
            titles[field] = cell.strip()
        fields.append(field)
    missing = [field for field in names.required if field not in titles]
    if missing:
        errors.append(RowError(line, "", f"the head lacks the column(s) {', '.join(missing)}"))
        return [], {}
    return fields, titles


def _plain(heading: str) -> str:
    return "".join(heading.split()).strip("\ufeff").lower().replace("-", "_")
