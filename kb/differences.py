"""What an import would change: each entry of a file beside the newest version on record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kb.entry import Entry
from kb.importing import by_last, steps_ahead
from kb.ledger import CONTENT


@dataclass(frozen=True, slots=True)
class Difference:
    """One entry: new, changed in its content, moved on in its life-cycle, or as before."""

    id: str
    change: Literal["added", "changed", "moved", "unchanged"]
    question: str
    status: str
    """What it would be."""
    fields: tuple[tuple[str, str, str], ...] = ()
    """(field, before, after) where they differ; nothing for a new entry."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "change": self.change,
            "status": self.status,
            "fields": {field: [before, after] for field, before, after in self.fields},
        }


def differences(
    known: Mapping[str, Entry], given: Iterable[Entry], *, reviewed: bool, publish: bool
) -> list[Difference]:
    """In the order of the file.

    Args:
        known: the newest version of each entry on record.
        reviewed: whether a reviewer is named; see `kb.importing.import_entries`.
    """
    return [_difference(known.get(e.id), e, reviewed, publish) for e in by_last(given)]


def _difference(old: Entry | None, new: Entry, reviewed: bool, publish: bool) -> Difference:
    fields = () if old is None else _fields(old, new)
    now = old.status if old is not None and not fields else None
    ahead = steps_ahead(new.status, now, reviewed=reviewed, publish=publish)
    status = (ahead[-1] if ahead else now or new.status).value
    if old is None:
        return Difference(new.id, "added", new.question, status)
    if fields:
        return Difference(new.id, "changed", new.question, status, fields)
    if ahead:
        moved = (("status", old.status.value, status),)
        return Difference(new.id, "moved", new.question, status, moved)
    return Difference(new.id, "unchanged", new.question, status)


def _fields(old: Entry, new: Entry) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (field, _text(getattr(old, field)), _text(getattr(new, field)))
        for field in CONTENT
        if getattr(old, field) != getattr(new, field)
    )


def _text(value: object) -> str:
    return "|".join(map(str, value)) if isinstance(value, tuple) else str(value)
