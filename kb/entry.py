"""One approved question and answer (一问一答口径): the unit the bot speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from kb.regions import without_name
from kb.slots import Slot


class Status(StrEnum):
    """Where an entry version stands in its life-cycle."""

    DRAFT = "draft"
    """草稿: being written; what was published before goes on being spoken."""
    IN_REVIEW = "in_review"
    """待审: the same, waiting for a second person."""
    APPROVED = "approved"
    """已审: somebody other than its authors has read it; not yet to be spoken."""
    PUBLISHED = "published"
    """已发布: spoken from its minute on, while it is valid."""
    EXPIRED = "expired"
    """失效: past its validity; no earlier version comes back."""
    WITHDRAWN = "withdrawn"
    """已撤回: taken out of use by somebody; no earlier version comes back."""


class Safety(StrEnum):
    """What has to be known about the caller's danger before the answer is spoken."""

    NONE = "none"
    """An ordinary matter."""
    ASK = "ask"
    """先问安危: spoken after triage has cleared the call."""
    HANDOFF = "handoff"
    """转110: spoken only on the bridge, while 110 rings."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of an entry. Immutable; a change is a new version.

    `region` is a GB/T 2260 code of six digits, or empty for the whole province.
    `phrasings` are further ways to ask (相似问法), used only to find the entry: they belong to
    the id and not to the version, and are never shown or spoken.
    `lines` are the dialled numbers (DID) the entry is for, empty for all; `audience` whom it is
    for (面向对象), empty for everybody. `until` is the minute at which, as planned, it is
    withdrawn or replaced, `slots` the values of the slots in the answer, past and coming ones too;
    only the store fills these in.
    """

    id: str
    version: int
    category: str
    department: str
    region: str
    question: str
    variants: tuple[str, ...]
    answer: str
    keywords: tuple[str, ...]
    source: str
    channel: str
    valid_from: date
    valid_to: date
    status: Status
    phrasings: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    audience: str = ""
    safety: Safety = Safety.NONE
    until: datetime | None = None
    slots: tuple[Slot, ...] = ()

    def valid_on(self, day: date) -> bool:
        """Whether `day` is within the entry's validity, both ends included."""
        return self.valid_from <= day <= self.valid_to

    @property
    def wordings(self) -> tuple[str, ...]:
        """Every way to ask this, without repeats: question, variants, phrasings.

        Of a city's entry also those without the city's name: a caller whose place is known
        does not say it.
        """
        given = (self.question, *self.variants, *self.phrasings)
        local = (without_name(w, self.region) for w in given) if self.region else ()
        return tuple(dict.fromkeys(w for w in (*given, *local) if w))


def by_id(entries: Sequence[Entry]) -> dict[str, Entry]:
    """Entries by id; of several with one id the last wins."""
    return {entry.id: entry for entry in entries}
