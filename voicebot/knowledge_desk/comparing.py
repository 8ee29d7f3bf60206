"""What two versions of an entry differ in, field by field and word by word. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kb.entry import Entry
from kb.entry_form import Values, values_of
from kb.word_diff import Piece, list_diff, word_diff


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that differs; `lists`: its pieces are whole texts, else parts of one text."""

    field: str
    lists: bool
    pieces: tuple[Piece, ...]

    def as_dict(self) -> dict[str, Any]:
        pieces = [{"kind": piece.kind, "text": piece.text} for piece in self.pieces]
        return {"field": self.field, "lists": self.lists, "pieces": pieces}


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody else wrote a version after the one that was changed.

    `theirs` is what he has changed since, `both` the fields that both have changed, not alike.
    `merged` holds both people's work: mine where I have changed a field, else what is there now.
    """

    version: int
    who: str
    theirs: tuple[FieldChange, ...]
    both: tuple[str, ...]
    merged: Values

    def as_dict(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "who": self.who,
            "theirs": [change.as_dict() for change in self.theirs],
            "both": list(self.both),
            "merged": self.merged,
        }


def changes(before: Entry, after: Entry) -> tuple[FieldChange, ...]:
    """The fields that differ, in the order of the form."""
    old, new = values_of(before), values_of(after)
    return tuple(_change(name, old[name], new[name]) for name in new if old[name] != new[name])


def conflict(seen: Entry, theirs: Entry, mine: Entry, who: str) -> Conflict:
    """What has to be looked at before `mine`, made from `seen`, can follow `theirs` of `who`."""
    their_changes = changes(seen, theirs)
    own = {each.field for each in changes(seen, mine)}
    apart = {each.field for each in changes(theirs, mine)}
    both = tuple(each.field for each in their_changes if each.field in own & apart)
    now, written = values_of(theirs), values_of(mine)
    merged = {name: written[name] if name in own else now[name] for name in now}
    return Conflict(theirs.version, who, their_changes, both, merged)


def _change(name: str, old: str | Sequence[str], new: str | Sequence[str]) -> FieldChange:
    if isinstance(old, str) and isinstance(new, str):
        return FieldChange(name, False, word_diff(old, new))
    return FieldChange(name, True, list_diff(list(old), list(new)))
