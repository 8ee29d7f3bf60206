"""The rules of the life-cycle: which step follows which, who wrote what, when a step takes effect.

What is spoken follows from the steps published, expired and withdrawn: of those whose minute has
come, the last one taken counts. So a later decision replaces one that was still to take effect.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime

from kb.entry import Entry, Status
from kb.errors import StepRefused
from kb.ledger import Version, as_utc
from kb.reading import HAINAN, begins, day_of

FOLLOWS: Mapping[Status, tuple[Status, ...]] = {
    Status.IN_REVIEW: (Status.DRAFT,),
    Status.DRAFT: (Status.IN_REVIEW,),
    Status.APPROVED: (Status.IN_REVIEW,),
    Status.PUBLISHED: (Status.APPROVED,),
    Status.WITHDRAWN: (Status.PUBLISHED, Status.WITHDRAWN),
}
"""The states a step may be taken from. A planned withdrawal may be brought forward.

What a file calls expired is taken out of use whatever it was (`kb.importing`)."""
DECIDES = (Status.PUBLISHED, Status.EXPIRED, Status.WITHDRAWN)
"""The steps that change what is spoken."""


def authors(known: Sequence[Version], version: int) -> set[str]:
    """Who wrote any part of a version that nobody has approved yet, as `person` has them.

    A version is made from another; what was approved there has had its second reader.
    """
    by_number = {v.entry.version: v for v in known}
    found: set[str] = set()
    number: int | None = version
    while number is not None and (made := by_number.get(number)) is not None:
        if number != version and made.approved:
            break
        found.add(person(made.who))
        number = made.based_on
    return found


def person(name: str) -> str:
    """A name as it is compared: however wide, spaced or capitalised it is written.

    Raises:
        StepRefused: it is empty.
    """
    plain = "".join(unicodedata.normalize("NFKC", name).split()).casefold()
    if not plain:
        raise StepRefused("Whoever changes the knowledge base has to have a name.")
    return plain


def effective_from(entry: Entry, now: datetime, wanted: datetime | None) -> datetime:
    """When a publication takes effect: never before the entry's validity."""
    minute = not_past(now, wanted)
    if entry.valid_from <= day_of(minute):
        return minute
    return as_utc(begins(entry.valid_from))


def not_past(now: datetime, wanted: datetime | None) -> datetime:
    """`wanted`, or now.

    Raises:
        StepRefused: its minute is over.
    """
    if wanted is None:
        return as_utc(now)
    if as_utc(wanted) < as_utc(now).replace(second=0, microsecond=0):
        minute = as_utc(wanted).astimezone(HAINAN)
        raise StepRefused(f"{minute:%Y-%m-%d %H:%M} is over; give a minute to come, or none.")
    return max(as_utc(wanted), as_utc(now))
