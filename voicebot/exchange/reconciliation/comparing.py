"""Two ledgers compared, message by message. Pure: entries in, differences out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from operator import attrgetter

from voicebot.exchange.reconciliation.entries import Entry


class Finding(StrEnum):
    """How two ledgers differ over a message."""

    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    CONTENT = "differing_content"
    STATE = "differing_state"
    """One side has done with it and the other has not, or the receiver has refused it."""
    DUPLICATED = "duplicated"
    """One ledger has a message twice, or two messages in one place of a ticket's order."""
    LATE = "late"
    """It arrived, but only after `Limits.late_s`."""


FINDING_NAMES = {
    Finding.MISSING_HERE: "我方缺失",
    Finding.MISSING_THERE: "对方缺失",
    Finding.CONTENT: "内容不一致",
    Finding.STATE: "状态不一致",
    Finding.DUPLICATED: "重复",
    Finding.LATE: "迟到",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be repaired, or known; `ours` and `theirs` as the ledgers have it."""

    finding: Finding
    ours: Entry | None
    theirs: Entry | None
    instead_of: str = ""
    """Of one that is DUPLICATED: the id of the first in its place."""

    @property
    def entry(self) -> Entry:
        """The message that it is about."""
        entry = self.ours or self.theirs
        assert entry is not None
        return entry

    @property
    def receiver_has(self) -> Entry | None:
        return self.theirs if self.entry.sender == "12345" else self.ours


@dataclass(frozen=True, slots=True)
class Limits:
    """When what is under way becomes a difference."""

    grace_s: float = 300.0
    """So long may a message be under way before the other side misses it, seconds."""
    late_s: float = 60.0
    """Between sending and receiving, seconds."""


def compare(
    ours: Iterable[Entry], theirs: Iterable[Entry], *, now: float, limits: Limits
) -> Iterator[Difference]:
    """The differences of two ledgers that are both ordered by id.

    A message that a ledger has twice is found as often as it is too many there; its first
    line is compared with the other ledger's.
    """
    for mine, other in _side_by_side(ours, theirs):
        for surplus in mine[1:]:
            yield Difference(Finding.DUPLICATED, surplus, None, surplus.id)
        for surplus in other[1:]:
            yield Difference(Finding.DUPLICATED, None, surplus, surplus.id)
        finding = _finding(mine[0] if mine else None, other[0] if other else None, now, limits)
        if finding is not None:
            yield Difference(finding, mine[0] if mine else None, other[0] if other else None)


def same_place(entries: Iterable[Entry], *, here: bool) -> Iterator[Difference]:
    """Messages of one ledger, ordered by place, whose place is another's already.

    Parameters:
        here: the ledger is ours.
    """
    first: Entry | None = None
    for entry in entries:
        if first is None or entry.place != first.place:
            first = entry
        elif entry.id != first.id:
            mine, other = (entry, None) if here else (None, entry)
            yield Difference(Finding.DUPLICATED, mine, other, first.id)


def _finding(mine: Entry | None, other: Entry | None, now: float, limits: Limits) -> Finding | None:
    if mine is None or other is None:
        only = mine or other
        if only is None or only.state == "superseded" or _under_way(only, now, limits):
            return None
        return Finding.MISSING_HERE if mine is None else Finding.MISSING_THERE
    if _content(mine) != _content(other):
        return Finding.CONTENT
    sent, received = (mine, other) if mine.sender == "12345" else (other, mine)
    if not (sent.settled and received.settled):
        return None if _under_way(sent, now, limits) else Finding.STATE
    return Finding.LATE if received.at - sent.sent_at > limits.late_s else None


def _under_way(entry: Entry, now: float, limits: Limits) -> bool:
    # A time to come is a clock that was wrong, and no reason to wait for that day.
    return abs(now - entry.sent_at) < limits.grace_s


def _content(entry: Entry) -> tuple[object, ...]:
    return entry.content_hash, entry.kind, entry.place


def _side_by_side(
    ours: Iterable[Entry], theirs: Iterable[Entry]
) -> Iterator[tuple[list[Entry], list[Entry]]]:
    """For each id its lines in either ledger; a merge join, so both are read once."""
    left, right = groupby(ours, attrgetter("id")), groupby(theirs, attrgetter("id"))
    mine, other = next(left, None), next(right, None)
    while mine is not None or other is not None:
        if other is None or (mine is not None and mine[0] < other[0]):
            assert mine is not None
            yield list(mine[1]), []
            mine = next(left, None)
        elif mine is None or other[0] < mine[0]:
            yield [], list(other[1])
            other = next(right, None)
        else:
            yield list(mine[1]), list(other[1])
            mine, other = next(left, None), next(right, None)
