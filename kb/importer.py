"""Entries from a file: every fault is named with its line and column, good rows go through."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from kb.entry import Entry, Safety, Status
from kb.headings import RowError, headings
from kb.regions import normal
from kb.slots import fault
from kb.status_names import SAFETIES, STATUSES
from kb.table_file import read_rows
from kb.workbook import is_workbook

LONGEST_ANSWER = 200
"""Characters: about 45 s of speech, more than a caller listens to."""
LONGEST_QUESTION = 100
LONGEST_NAME = 200
EARLIEST_YEAR = 1900
"""What begins earlier is a slip; the first days of the calendar have no moment in UTC either."""
TOLERATED_WORDS = frozenset({"app"})
"""Latin words that may be spoken, with a warning."""
NOT_STORED = 0
"""`version` of an entry that comes from a file: the store gives the real one."""

REQUIRED = (
    "id", "category", "department", "question", "answer", "valid_from", "valid_to", "status",
)  # fmt: skip
_HEADINGS = headings("entries", REQUIRED)
_PHRASING_HEADINGS = headings("phrasings", ("id", "phrasing"))

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
REGION = re.compile(r"[0-9]{6}\Z")
_LINE = re.compile(r"[+0-9*#]{1,32}\Z")
_DATE = re.compile(r"(\d{4})[-/.年]?(\d{1,2})[-/.月]?(\d{1,2})日?\Z", re.ASCII)
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]+")
_SEPARATOR = re.compile(r"[|｜]")


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file held: the good entries, why rows were left out, what should be looked at."""

    entries: tuple[Entry, ...]
    errors: tuple[RowError, ...]
    warnings: tuple[RowError, ...]


@dataclass(frozen=True, slots=True)
class ImportedPhrasings:
    """Extra phrasings by entry id, in the order of the file."""

    phrasings: Mapping[str, tuple[str, ...]]
    errors: tuple[RowError, ...]
    warnings: tuple[RowError, ...]


class _Refused(Exception):
    """A cell that spoils its row."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field, self.reason = field, reason


def read_entries(
    data: bytes,
    mapping: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Entries of a file as bytes: CSV (UTF-8 with or without BOM, GBK), XLSX or JSON Lines.

    `mapping` is the user's own heading → field. `progress` is told the row and how many there
    may be, 0 where that is not known. Faults of the content are never raised.

    Raises:
        FileNotReadable: `mapping` names a field that there is not.
    """
    names = _HEADINGS.mapped(mapping) if mapping else _HEADINGS
    errors: list[RowError] = []
    warnings: list[RowError] = []
    lines: dict[str, int] = {}
    questions: dict[tuple[str, str], str] = {}
    entries: list[Entry] = []
    expected = 0 if is_workbook(data) else data.count(b"\n")
    for row, titles in read_rows(data, names, errors, warnings):
        if progress is not None:
            progress(row.line, expected)
        try:
            entry = _entry(row.cells)
            if entry.id in lines:
                raise _Refused("id", f"{entry.id} was already on line {lines[entry.id]}")
        except _Refused as refused:
            title = titles.get(refused.field, refused.field)
            errors.append(RowError(row.line, title, refused.reason))
            continue
        lines[entry.id] = row.line
        twin = questions.setdefault((entry.question, entry.region), entry.id)
        if twin != entry.id:
            warnings.append(
                RowError(row.line, titles["question"], f"asks the same as {twin} for that region")
            )
        for word in _LATIN.findall(entry.answer):
            warnings.append(RowError(row.line, titles["answer"], f"{word} will be spelt out"))
        entries.append(entry)
    return Imported(tuple(entries), tuple(errors), tuple(warnings))


def read_phrasings(data: bytes) -> ImportedPhrasings:
    """Extra phrasings of a file with the columns id and phrasing; never raises."""
    errors: list[RowError] = []
    warnings: list[RowError] = []
    phrasings: dict[str, dict[str, None]] = {}
    for row, titles in read_rows(data, _PHRASING_HEADINGS, errors, warnings):
        try:
            name = _identifier(row.cells)
            phrasing = _sentence(row.cells, "phrasing")
        except _Refused as refused:
            title = titles.get(refused.field, refused.field)
            errors.append(RowError(row.line, title, refused.reason))
            continue
        if phrasing in phrasings.setdefault(name, {}):
            warnings.append(RowError(row.line, titles["phrasing"], "was already given"))
        phrasings[name][phrasing] = None
    return ImportedPhrasings(
        {name: tuple(texts) for name, texts in phrasings.items()}, tuple(errors), tuple(warnings)
    )


def _entry(cells: Mapping[str, str]) -> Entry:
    starts, ends = _date(cells, "valid_from"), _date(cells, "valid_to")
    if ends < starts:
        raise _Refused("valid_to", f"{ends} is before valid_from, {starts}")
    status = STATUSES.get(cells["status"].lower())
    if status is None:
        raise _Refused(
            "status", f"{cells['status']!r} is none of {', '.join(s.value for s in Status)}"
        )
    region = cells.get("region", "")
    if region and not REGION.match(region):
        raise _Refused("region", f"{region!r} is no code of six digits (GB/T 2260)")
    for field in (
        "category",
        "department",
        "variants",
        "keywords",
        "source",
        "channel",
        "audience",
    ):
        _printable(cells, field)
    return Entry(
        id=_identifier(cells),
        version=NOT_STORED,
        category=_name(cells, "category"),
        department=_name(cells, "department"),
        region=normal(region),
        question=_sentence(cells, "question"),
        variants=_list(cells.get("variants", "")),
        answer=_speakable(cells),
        keywords=_list(cells.get("keywords", "")),
        source=cells.get("source", ""),
        channel=cells.get("channel", ""),
        valid_from=starts,
        valid_to=ends,
        status=status,
        lines=_lines(cells),
        audience=cells.get("audience", ""),
        safety=_safety(cells),
    )


def is_identifier(name: str) -> bool:
    """Whether an entry may be called so."""
    return _ID.match(name) is not None


def _identifier(cells: Mapping[str, str]) -> str:
    name = _filled(cells, "id")
    if not is_identifier(name):
        raise _Refused("id", f"{name[:70]!r} is no id: letters, digits, - _ . and at most 64")
    return name


def _filled(cells: Mapping[str, str], field: str) -> str:
    if not cells[field]:
        raise _Refused(field, "is empty")
    return cells[field]


def _name(cells: Mapping[str, str], field: str) -> str:
    text = _filled(cells, field)
    if len(text) > LONGEST_NAME:
        raise _Refused(field, f"has {len(text)} characters, at most {LONGEST_NAME}")
    return text


def _sentence(cells: Mapping[str, str], field: str) -> str:
    text = _filled(cells, field)
    _printable(cells, field)
    if len(text) > LONGEST_QUESTION:
        raise _Refused(field, f"has {len(text)} characters, at most {LONGEST_QUESTION}")
    if not any(c.isalnum() for c in text):
        raise _Refused(field, "holds no words")
    return text


def _speakable(cells: Mapping[str, str]) -> str:
    """The answer, if a voice can read it out."""
    answer = _filled(cells, "answer")
    if len(answer) > LONGEST_ANSWER:
        raise _Refused("answer", f"has {len(answer)} characters, at most {LONGEST_ANSWER}")
    reason = fault(answer) or unspeakable(answer)
    if reason:
        raise _Refused("answer", reason)
    return answer


def unspeakable(text: str) -> str:
    """Why no voice can read it out; empty if one can."""
    for word in _LATIN.findall(text):
        if word.lower() not in TOLERATED_WORDS:
            return f"cannot be spoken: write {word!r} in Chinese"
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cf", "Co", "Cn", "Cs", "So"):
            return f"cannot be spoken: character {character!r}"
    if text.strip() and not any(map(str.isalnum, text)):
        return "holds no words"
    return ""


def _printable(cells: Mapping[str, str], field: str) -> None:
    """Refuses what no file and no screen can show, and no file can hold."""
    for character in cells.get(field, ""):
        if unicodedata.category(character) in ("Cc", "Cs") and character != "\n":
            raise _Refused(field, f"holds the control character {character!r}")


def _lines(cells: Mapping[str, str]) -> tuple[str, ...]:
    numbers = _list(cells.get("lines", ""))
    for number in numbers:
        if not _LINE.match(number):
            raise _Refused("lines", f"{number[:40]!r} is no dialled number (DID)")
    return numbers


def _safety(cells: Mapping[str, str]) -> Safety:
    safety = SAFETIES.get(cells.get("safety", "").lower())
    if safety is None:
        raise _Refused(
            "safety", f"{cells['safety'][:40]!r} is none of {', '.join(s.value for s in Safety)}"
        )
    return safety


def _date(cells: Mapping[str, str], field: str) -> date:
    text = _filled(cells, field)
    found = as_date(text)
    if found is None:
        raise _Refused(field, f"{text[:40]!r} is no date such as 2026-01-31")
    if found.year < EARLIEST_YEAR:
        raise _Refused(field, f"{found} is before {EARLIEST_YEAR}")
    return found


def as_date(text: str) -> date | None:
    """The day that a cell means, None if none."""
    match = _DATE.match(text)
    try:
        return date(*(int(part) for part in match.groups())) if match else None
    except ValueError:
        return None


def _list(cell: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in _SEPARATOR.split(cell) if part.strip()))
