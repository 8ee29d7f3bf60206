"""Which of many entries may be read to a caller, without asking for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from operator import attrgetter

import numpy as np

from kb.entry import Entry
from kb.features import Mask
from kb.reading import may_read
from kb.slots import names_in

_FOUND_AND_SPOKEN = frozenset(
    ("id", "version", "category", "department", "question", "variants", "answer", "keywords",
     "source", "channel", "phrasings", "safety")
)  # fmt: skip
_GOVERNING = attrgetter(*(f.name for f in fields(Entry) if f.name not in _FOUND_AND_SPOKEN))
"""What else an entry has decides who may hear it, and the slots that its answer names:
`kb.reading.may_read` sees no more."""


class Eligibility:
    """Entries sorted by what decides who may hear them: there are few such kinds of entries."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        kinds: dict[object, int] = {}
        governing = ((_GOVERNING(e), names_in(e.answer)) for e in entries)
        self._kinds = np.array([kinds.setdefault(kind, len(kinds)) for kind in governing], int)
        _, first = np.unique(self._kinds, return_index=True)
        self._examples = [entries[row] for row in first]
        self.local = np.array([bool(e.region) for e in entries], bool)
        """(entries,) which are made for one region."""

    def mask(self, at: date, *, region: str | None, line: str | None, audience: str | None) -> Mask:
        """(entries,) which may be read; see `kb.reading.may_read`."""
        allowed = [
            may_read(example, at, region=region, line=line, audience=audience)
            for example in self._examples
        ]
        mask: Mask = np.array(allowed, bool)[self._kinds]
        return mask
