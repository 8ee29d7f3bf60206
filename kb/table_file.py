"""Reading a spreadsheet's CSV as it comes: encoding, delimiter and headings are found out."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row was left out, or what about it should be looked at.

    `line` counts the file's lines from 1 and is where the row begins; `column` is the heading
    as the file has it, empty when the whole row is meant.
    """

    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        where = f"line {self.line}" + (f", column {self.column}" if self.column else "")
        return f"{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row by the names of `Headings`, and the line it begins on."""

    line: int
    cells: Mapping[str, str]


class Headings:
    """Which names a file may give its columns; spaces and case do not matter.

    Args:
        names: field → headings that mean it. The field's own name always does.
        required: fields without which the file cannot be used.
    """

    def __init__(self, names: Mapping[str, tuple[str, ...]], required: tuple[str, ...]) -> None:
        self.required = required
        self._fields = {_plain(h): f for f, headings in names.items() for h in (f, *headings)}

    def field(self, heading: str) -> str | None:
        """The field that `heading` means, None if it is unknown."""
        return self._fields.get(_plain(heading))


def decode(data: bytes) -> str | None:
    """Text of a CSV in UTF-8 (BOM or not), UTF-16 with BOM or GB18030 (GBK); else None."""
    marked = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    encodings = ("utf-16",) if marked else ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def read_rows(
    data: bytes, headings: Headings, errors: list[RowError], warnings: list[RowError]
) -> Iterator[tuple[Row, Mapping[str, str]]]:
    """Yields each row with the headings its fields stood under; adds to `errors`, never raises."""
    text = decode(data)
    if text is None:
        errors.append(
            RowError(1, "", "the encoding is not known; save the file as UTF-8 or GBK (中文 CSV)")
        )
        return
    if not text.strip():
        errors.append(RowError(1, "", "the file is empty"))
        return
    first = text.lstrip().splitlines()[0]
    delimiter = max(",\t;", key=first.count)
    fields: list[str | None] = []
    titles: dict[str, str] = {}
    for record in _records(text, delimiter):
        cells, line, last = record.cells, record.line, record.last
        if not any(cell.strip() for cell in cells) and not record.fault:
            continue
        if not fields:
            fields, titles = _head(cells, headings, line, errors, warnings)
            if not fields:
                return
        elif record.fault or (len(cells) != len(fields) and last > line):
            record.split = True
            errors.append(
                RowError(
                    line,
                    "",
                    f"a quotation mark is not closed, or not where a cell ends: lines {line} to "
                    f"{last} read as one row. This line is left out, the next ones are read anew"
                    if last > line
                    else f"not readable as CSV ({record.fault})",
                )
            )
        elif len(cells) != len(fields):
            errors.append(
                RowError(line, "", f"{len(cells)} cells where the head has {len(fields)}")
            )
        else:
            row = {f: c.strip() for f, c in zip(fields, cells, strict=True) if f is not None}
            yield Row(line, row), titles


@dataclass(slots=True)
class _Record:
    """One row as CSV has it, from `line` to `last`; `split`: go on after `line`, not `last`."""

    cells: list[str]
    line: int
    last: int
    fault: str = ""
    split: bool = False


def _records(text: str, delimiter: str) -> Iterator[_Record]:
    """The rows; one with a stray quotation mark may take in rows after it, and is told apart."""
    lines = list(io.StringIO(text, newline=""))
    at = 0
    while at < len(lines):
        reader = csv.reader(islice(lines, at, None), delimiter=delimiter, strict=True)
        record = _Record([], at + 1, at + 1)
        try:
            record.cells = next(reader, [])
        except csv.Error as error:
            record.fault = str(error)
        record.last = at + max(1, reader.line_num)
        if record.fault and record.last == record.line:
            # Within one line a mark in the middle of a cell does no harm.
            record = _Record(_leniently(lines[at], delimiter), at + 1, at + 1)
            record.fault = "" if record.cells else "a character that no table can hold"
        yield record
        at = record.line if record.split else record.last


def _leniently(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _head(
    cells: list[str],
    headings: Headings,
    line: int,
    errors: list[RowError],
    warnings: list[RowError],
) -> tuple[list[str | None], dict[str, str]]:
    """The field of each column, none at all when a required one is missing."""
    fields: list[str | None] = []
    titles: dict[str, str] = {}
    for cell in cells:
        field = headings.field(cell)
        if field is None and cell.strip():
            warnings.append(RowError(line, cell.strip(), "unknown column, not read"))
        elif field in titles:
            errors.append(RowError(line, cell.strip(), f"means the same as {titles[field]}"))
            return [], {}
        if field is not None:
            titles[field] = cell.strip()
        fields.append(field)
    missing = [field for field in headings.required if field not in titles]
    if missing:
        errors.append(RowError(line, "", f"the head lacks the column(s) {', '.join(missing)}"))
        return [], {}
    return fields, titles


def _plain(heading: str) -> str:
    return "".join(heading.split()).strip("\ufeff").lower().replace("-", "_")
