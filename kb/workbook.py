"""Workbooks (XLSX) by openpyxl: the first sheet that holds anything, and back."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from kb.errors import FileNotWritable
from kb.headings import RowError

_ZIP = b"PK\x03\x04"
_NOT_READABLE = "not readable as a workbook; save it as .xlsx anew, or as CSV"
LARGEST_CONTENT = 512 * 1024 * 1024
"""Bytes that a workbook may hold unpacked: a small file can unpack to a full disk."""

LONGEST_CELL = 32_767
"""Characters; openpyxl cuts what is longer without a word."""


def is_workbook(data: bytes) -> bool:
    """Whether a file is an XLSX, by its first bytes."""
    return data.startswith(_ZIP)


def sheet_rows(data: bytes, errors: list[RowError]) -> Iterator[tuple[int, list[str]]]:
    """(row number from 1, cells as text) of the rows that hold anything; never raises."""
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            if sum(part.file_size for part in parts.infolist()) > LARGEST_CONTENT:
                errors.append(RowError(1, "", "the workbook is too large; split it"))
                return
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        found = False
        for sheet in book.worksheets:
            width = 0
            for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
                cells = [_text(value) for value in values]
                if not any(cell.strip() for cell in cells):
                    continue
                if not found:
                    found = True
                    width = len(_trimmed(cells))
                # A sheet may be wider than its table; what is written beyond the head is not lost.
                cells = _trimmed(cells)
                cells += [""] * (width - len(cells))
                yield number, cells
            if found:
                return
        errors.append(RowError(1, "", "the file is empty"))
    except GeneratorExit:
        raise
    except Exception:  # a damaged file fails anywhere in zipfile, in XML or in openpyxl
        errors.append(RowError(1, "", _NOT_READABLE))


def write_sheet(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """A workbook of one sheet whose cells are all text.

    Raises:
        FileNotWritable: a text is longer than `LONGEST_CELL`.
    """
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    bold = []
    for heading in head:
        cell = WriteOnlyCell(sheet, value=heading)
        cell.font = Font(bold=True)
        bold.append(cell)
    sheet.append(bold)
    for row in rows:
        sheet.append([_as_text(sheet, value) for value in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _as_text(sheet: Any, value: str) -> Any:
    from openpyxl.cell import WriteOnlyCell

    if len(value) > LONGEST_CELL:
        raise FileNotWritable(
            f"A cell of a workbook holds {LONGEST_CELL} characters; {value[:20]!r}… is longer. "
            "Write CSV or JSON Lines instead."
        )
    cell = WriteOnlyCell(sheet, value=value)
    cell.data_type = "s"  # never a formula
    return cell


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _trimmed(cells: list[str]) -> list[str]:
    end = len(cells)
    while end and not cells[end - 1].strip():
        end -= 1
    return cells[:end]
