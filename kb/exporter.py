"""Entries into a file that `kb.importer` reads back without a difference."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from kb.entry import Entry
from kb.headings import headings
from kb.importer import REQUIRED
from kb.json_lines import SEPARATOR
from kb.spreadsheet import guarded
from kb.status_names import SAFETY_NAMES, STATUS_NAMES
from kb.workbook import write_sheet

Format = Literal["csv", "xlsx", "jsonl"]
Encoding = Literal["utf-8", "gbk", "gb18030"]

MISSING = "〓"
"""What a printer sets for a sign it lacks; GBK has it."""
_LISTS = ("variants", "keywords", "lines")
_IN_LISTS = {SEPARATOR: "／", "｜": "／"}
_SHEET = "知识库"


@dataclass(frozen=True, slots=True)
class Replaced:
    """A character that the file cannot hold, and where it was."""

    entry: str
    column: str
    character: str

    def __str__(self) -> str:
        return f"{self.entry}, {self.column}: {self.character!r} (U+{ord(self.character):04X})"


def write_entries(
    entries: Sequence[Entry], form: Format, encoding: Encoding = "utf-8"
) -> tuple[bytes, tuple[Replaced, ...]]:
    """The file, and what had to be replaced in it; `encoding` is that of a CSV.

    UTF-8 begins with a byte order mark, so that spreadsheets read it as UTF-8. A list's own
    separator within one of its texts becomes ／.

    Raises:
        FileNotWritable: a text is longer than a workbook's cell.
    """
    replaced: list[Replaced] = []
    if form == "jsonl":
        return "".join(_json_lines(entries, replaced)).encode(), tuple(replaced)
    names = headings("entries", REQUIRED).names
    head = [others[0] for others in names.values()]
    rows = []
    for entry in entries:
        cells = _values(entry, replaced)
        rows.append([guarded(cells[field]) for field in names])
    if form == "xlsx":
        return write_sheet(_SHEET, head, rows), tuple(replaced)
    if encoding != "utf-8":
        rows = [
            [
                _encodable(cell, encoding, entry.id, title, replaced)
                for cell, title in zip(row, head, strict=True)
            ]
            for row, entry in zip(rows, entries, strict=True)
        ]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows(rows)
    codec = "utf-8-sig" if encoding == "utf-8" else encoding
    return out.getvalue().encode(codec), tuple(replaced)


def write_phrasings(entries: Sequence[Entry]) -> bytes:
    """The further ways to ask as CSV in UTF-8, one a line, as `kb.importer` reads them."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([others[0] for others in headings("phrasings", ()).names.values()])
    for entry in entries:
        writer.writerows([entry.id, guarded(phrasing)] for phrasing in entry.phrasings)
    return out.getvalue().encode("utf-8-sig")


def _values(entry: Entry, replaced: list[Replaced]) -> dict[str, str]:
    cells = {
        field: value if isinstance(value := getattr(entry, field), str) else ""
        for field in headings("entries", REQUIRED).names
    }
    for field in _LISTS:
        cells[field] = SEPARATOR.join(_separable(entry, field, replaced))
    cells["valid_from"] = entry.valid_from.isoformat()
    cells["valid_to"] = entry.valid_to.isoformat()
    cells["status"] = STATUS_NAMES[entry.status]
    cells["safety"] = SAFETY_NAMES[entry.safety]
    return cells


def _json_lines(entries: Sequence[Entry], replaced: list[Replaced]) -> Iterator[str]:
    for entry in entries:
        values: dict[str, object] = dict(_values(entry, replaced))
        for field in _LISTS:
            values[field] = _separable(entry, field, [])
        values["status"], values["safety"] = entry.status.value, entry.safety.value
        yield json.dumps(values, ensure_ascii=False) + "\n"


def _separable(entry: Entry, field: str, replaced: list[Replaced]) -> list[str]:
    texts: list[str] = list(getattr(entry, field))
    for character, other in _IN_LISTS.items():
        if any(character in text for text in texts):
            replaced.append(Replaced(entry.id, field, character))
            texts = [text.replace(character, other) for text in texts]
    return texts


def _encodable(cell: str, encoding: str, entry: str, column: str, replaced: list[Replaced]) -> str:
    try:
        cell.encode(encoding)
    except UnicodeEncodeError:
        pass
    else:
        return cell
    written = ""
    for character in cell:
        try:
            character.encode(encoding)
        except UnicodeEncodeError:
            replaced.append(Replaced(entry, column, character))
            character = MISSING
        written += character
    return written
