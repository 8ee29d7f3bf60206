"""Which rows of the audit were altered, removed or put in; pure.

Each row holds the hash of the row before it (`previous`) and its own (`hash`), which is the
SHA-256 of the canonical JSON (RFC 8785) of all its other fields. A chain proves that the rows
between two known hashes are those that were written. Whoever can write the whole database can
make another chain: that is what anchors are for, hashes that are kept outside of it.

Rule: what `digest` gives for a row never changes, or old rows could not be checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import rfc8785

GENESIS = "0" * 64
"""`previous` of the first row of all."""

PRUNED = "audit.pruned"
"""The act that removes rows past their time; its subject is the last of them: ``ID HASH``."""

CONTENT = ("id", "at", "principal", "role", "action", "subject", "client", "allowed", "previous")


@dataclass(frozen=True, slots=True)
class Link:
    """A row of the audit. `at`: seconds since the epoch."""

    id: int
    at: float
    principal: str
    role: str
    action: str
    subject: str
    client: str
    allowed: bool
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """A row by its number and its hash: the chain was so at some moment."""

    id: int
    hash: str


class Fault(StrEnum):
    """What is wrong at a row."""

    ALTERED = "altered"
    REMOVED = "removed"
    INSERTED = "inserted"
    TRUNCATED = "truncated"
    FORGED = "forged"
    HEADLESS = "headless"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Fault.ALTERED: "its content is not what was written",
    Fault.REMOVED: "rows before it were removed",
    Fault.INSERTED: "it, or the row before it, was put in or exchanged",
    Fault.TRUNCATED: "it was the last row, and is not there or not the last any more",
    Fault.FORGED: "the chain was made anew: it does not lead to a hash that was kept elsewhere",
    Fault.HEADLESS: "it is the last row that is there, and the record of the last one was removed",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault at a row."""

    id: int
    fault: Fault

    def __str__(self) -> str:
        return f"Row {self.id}: {self.fault.sentence}."


def digest(content: Mapping[str, Any]) -> str:
    """The hash of a row, 64 hexadecimal digits; `content` holds at least `CONTENT`."""
    return hashlib.sha256(rfc8785.dumps({name: content[name] for name in CONTENT})).hexdigest()


def linked(content: Mapping[str, Any], before: Anchor) -> dict[str, Any]:
    """The row that comes after `before`, with its number, link and hash."""
    row = {**content, "id": before.id + 1, "previous": before.hash}
    return {**row, "hash": digest(row)}


def faults(
    links: Iterable[Link], head: Anchor | None, anchors: Sequence[Anchor] = ()
) -> Iterator[Finding]:
    """Everything that is wrong with a chain.

    Parameters:
        links: all rows, by number.
        head: the last row as the database has it on record; None: not known.
        anchors: rows as they were known elsewhere; those that were pruned since do not count.
    """
    kept = {anchor.id: anchor.hash for anchor in anchors}
    first: Link | None = None
    last: Anchor | None = None
    attested: set[Anchor] = set()
    for link in links:
        if digest(asdict(link)) != link.hash:
            yield Finding(link.id, Fault.ALTERED)
        if first is None or last is None:
            first = link
        elif link.previous != last.hash:
            gap = link.id > last.id + 1
            yield Finding(link.id, Fault.REMOVED if gap else Fault.INSERTED)
        if kept.pop(link.id, link.hash) != link.hash:
            yield Finding(link.id, Fault.FORGED)
        if link.action == PRUNED and (pruned := _anchor(link.subject)) is not None:
            attested.add(pruned)
        last = Anchor(link.id, link.hash)
    if first is not None and first.previous != GENESIS and not _attested(first, attested):
        yield Finding(first.id, Fault.REMOVED)
    if head is not None and head != (last or Anchor(0, GENESIS)):
        yield Finding(head.id, Fault.TRUNCATED)
    for number in sorted(kept):
        if first is None or number >= first.id:
            yield Finding(number, Fault.FORGED)


def _attested(first: Link, attested: Iterable[Anchor]) -> bool:
    return any(each.hash == first.previous and each.id < first.id for each in attested)


def _anchor(words: str) -> Anchor | None:
    number, _, known = words.partition(" ")
    return Anchor(int(number), known) if number.isdecimal() and len(known) == 64 else None


def parse_anchor(words: str) -> Anchor | None:
    """``ID:HASH`` as `voicebot audit verify` prints it; None if it is not that."""
    return _anchor(words.strip().replace(":", " ", 1))
