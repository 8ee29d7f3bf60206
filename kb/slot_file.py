"""Values of slots from a file and into one: name, region, value, source and validity."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kb.headings import RowError, headings
from kb.importer import REGION, as_date, unspeakable
from kb.regions import normal
from kb.slots import Slot, is_name
from kb.spreadsheet import guarded
from kb.table_file import read_rows

LONGEST_VALUE = 60
"""Characters: an address; the answer around it is spoken too."""
_HEADINGS = headings("slots", ("name", "region", "value", "source", "valid_from", "valid_to"))


@dataclass(frozen=True, slots=True)
class ImportedSlots:
    """The good rows of a file, why others were left out, what should be looked at."""

    slots: tuple[Slot, ...]
    errors: tuple[RowError, ...]
    warnings: tuple[RowError, ...]


def read_slots(data: bytes) -> ImportedSlots:
    """Values of a file as bytes: CSV (UTF-8 or GBK), XLSX or JSON Lines; never raises.

    An empty value takes back the one of that name, region and first day.
    """
    errors: list[RowError] = []
    warnings: list[RowError] = []
    lines: dict[tuple[str, ...], int] = {}
    slots: list[Slot] = []
    for row, titles in read_rows(data, _HEADINGS, errors, warnings):
        found = _slot(row.cells)
        if isinstance(found, tuple):
            field, reason = found
            errors.append(RowError(row.line, titles.get(field, field), reason))
            continue
        key = (found.name, found.region, found.valid_from.isoformat())
        if key in lines:
            reason = f"a value that begins then was already on line {lines[key]}"
            errors.append(RowError(row.line, titles["name"], reason))
            continue
        lines[key] = row.line
        slots.append(found)
    return ImportedSlots(tuple(slots), tuple(errors), tuple(warnings))


def write_slots(slots: Iterable[Slot]) -> bytes:
    """The values as CSV in UTF-8 that `read_slots` reads back without a difference."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([others[0] for others in _HEADINGS.names.values()])
    for slot in slots:
        cells = (str(getattr(slot, field)) for field in _HEADINGS.names)
        writer.writerow([guarded(cell) for cell in cells])
    return out.getvalue().encode("utf-8-sig")


def _slot(cells: Mapping[str, str]) -> Slot | tuple[str, str]:
    """The row as a value, or the field that spoils it and why."""
    name, region, value = cells["name"].strip("{}"), cells["region"], cells["value"]
    if not is_name(name):
        return "name", f"{name[:40]!r} is no slot's name: hanzi and figures, at most 20"
    if region and not REGION.match(region):
        return "region", f"{region!r} is no code of six digits (GB/T 2260)"
    if len(value) > LONGEST_VALUE:
        return "value", f"has {len(value)} characters, at most {LONGEST_VALUE}"
    if "{" in value or "}" in value:
        return "value", "holds braces; a slot has no slots in it"
    if reason := unspeakable(value):
        return "value", reason
    days = [as_date(cells[field]) for field in ("valid_from", "valid_to")]
    for field, day in zip(("valid_from", "valid_to"), days, strict=True):
        if day is None:
            return field, f"{cells[field][:40]!r} is no date such as 2026-01-31"
    starts, ends = days
    assert starts is not None
    assert ends is not None
    if ends < starts:
        return "valid_to", f"{ends} is before valid_from, {starts}"
    if any(ord(character) < 32 for character in cells["source"]):
        return "source", "holds a control character"
    return Slot(name, normal(region), value, cells["source"], starts, ends)
