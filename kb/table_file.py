"""Reading a table as it comes: CSV, a workbook (XLSX) or JSON Lines, whatever its name says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kb.csv_file import decode, records
from kb.headings import Headings, RowError, read_head
from kb.json_lines import is_json_lines, read_objects
from kb.spreadsheet import unguarded
from kb.workbook import is_workbook, sheet_rows

UNKNOWN_ENCODING = "the encoding is not known; save the file as UTF-8 or GBK (中文 CSV)"


@dataclass(frozen=True, slots=True)
class Row:
    """One row by the names of `Headings`, and the line it begins on."""

    line: int
    cells: Mapping[str, str]


def read_rows(
    data: bytes, names: Headings, errors: list[RowError], warnings: list[RowError]
) -> Iterator[tuple[Row, Mapping[str, str]]]:
    """Yields each row with the headings its fields stood under; adds to `errors`, never raises."""
    if is_workbook(data):
        yield from _table(sheet_rows(data, errors), names, errors, warnings)
        return
    text = decode(data)
    if text is None:
        errors.append(RowError(1, "", UNKNOWN_ENCODING))
    elif not text.strip():
        errors.append(RowError(1, "", "the file is empty"))
    elif is_json_lines(text):
        for line, cells, titles in read_objects(text, names, errors, warnings):
            yield Row(line, {field: _unix(cell) for field, cell in cells.items()}), titles
    else:
        yield from _table(records(text, errors), names, errors, warnings)


def _table(
    rows: Iterator[tuple[int, list[str]]],
    names: Headings,
    errors: list[RowError],
    warnings: list[RowError],
) -> Iterator[tuple[Row, Mapping[str, str]]]:
    fields: list[str | None] = []
    titles: dict[str, str] = {}
    for line, cells in rows:
        if not fields:
            fields, titles = read_head(cells, names, line, errors, warnings)
            if not fields:
                return
        elif len(cells) != len(fields):
            errors.append(
                RowError(line, "", f"{len(cells)} cells where the head has {len(fields)}")
            )
        else:
            row = {
                field: unguarded(_unix(cell))
                for field, cell in zip(fields, cells, strict=True)
                if field is not None
            }
            yield Row(line, row), titles


def _unix(cell: str) -> str:
    return cell.replace("\r\n", "\n").replace("\r", "\n").strip()
