"""CSV as spreadsheets write it: encoding, delimiter and stray quotation marks are found out."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from kb.headings import RowError


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


def records(text: str, errors: list[RowError]) -> Iterator[tuple[int, list[str]]]:
    """(line it begins on, cells) of each row that holds anything; adds to `errors`, never raises.

    A row that is no CSV costs itself and no other.
    """
    first = text.lstrip().splitlines()[0]
    delimiter = max(",\t;", key=first.count)
    width = 0
    for record in _records(text, delimiter):
        cells, line, last = record.cells, record.line, record.last
        if not any(cell.strip() for cell in cells) and not record.fault:
            continue
        if width and (record.fault or (len(cells) != width and last > line)):
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
            continue
        width = width or len(cells)
        yield line, cells


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
        following = map(lines.__getitem__, range(at, len(lines)))
        reader = csv.reader(following, delimiter=delimiter, strict=True)
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
