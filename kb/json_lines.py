"""JSON Lines: one object a line; lists of texts are joined as a spreadsheet has them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from kb.headings import Headings, RowError

SEPARATOR = "|"


def is_json_lines(text: str) -> bool:
    """Whether a text begins like an object."""
    return text.lstrip("\ufeff \t\r\n").startswith("{")


def read_objects(
    text: str, names: Headings, errors: list[RowError], warnings: list[RowError]
) -> Iterator[tuple[int, Mapping[str, str], Mapping[str, str]]]:
    """Line, cells and the keys they stood under, of each line that is an object; never raises."""
    told: set[str] = set()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            errors.append(RowError(number, "", f"not readable as JSON ({error})"))
            continue
        if not isinstance(found, dict):
            errors.append(RowError(number, "", "is no object {…}"))
            continue
        cells = dict.fromkeys(names.names, "")
        titles = {field: field for field in names.names}
        faults: list[RowError] = []
        for key, value in found.items():
            field = names.field(key)
            if field is None:
                if key not in told:
                    warnings.append(RowError(number, key, "unknown column, not read"))
                    told.add(key)
                continue
            plain = _text(value)
            if plain is None:
                faults.append(RowError(number, key, "is neither a text nor a list of texts"))
            else:
                cells[field], titles[field] = plain, key
        if faults:
            errors += faults[:1]
            continue
        yield number, cells, titles


def _text(value: object) -> str | None:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return SEPARATOR.join(value)
    return None
