"""What the package's weights are fitted on: the demonstration entries and the tuning questions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from kb.corpus import DATA, Labelled, read_gaps, read_labelled
from kb.entry import Entry, Status
from kb.importer import read_entries, read_phrasings


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Entries that are published on a day, tuning questions, and questions without an entry."""

    entries: tuple[Entry, ...]
    tuning: tuple[Labelled, ...]
    gaps: tuple[str, ...]
    withheld: tuple[Entry, ...]

    def plain(self) -> TrainingData:
        """The same without further ways to ask, as a new user's entries are."""
        bare = (
            tuple(replace(entry, phrasings=()) for entry in entries)
            for entries in (self.entries, self.withheld)
        )
        return TrainingData(next(bare), self.tuning, self.gaps, next(bare))

    @property
    def unanswered(self) -> tuple[str, ...]:
        """The gaps and the wordings of what is withheld, as `kb.store.gaps` gives them."""
        wordings = (wording for entry in self.withheld for wording in entry.wordings)
        return tuple(sorted({*self.gaps, *wordings}))


def demonstration(day: date) -> TrainingData:
    """From the files in `kb/data`.

    Raises:
        FileNotReadable: one is missing or damaged.
    """
    more = read_phrasings((DATA / "phrasings.csv").read_bytes()).phrasings
    published: list[Entry] = []
    withheld: list[Entry] = []
    for entry in read_entries((DATA / "faq.csv").read_bytes()).entries:
        full = replace(entry, phrasings=tuple(more.get(entry.id, ())))
        if entry.status in (Status.APPROVED, Status.PUBLISHED) and entry.valid_on(day):
            published.append(replace(full, status=Status.PUBLISHED))
        else:
            withheld.append(full)
    questions = read_labelled(DATA / "gate_queries.jsonl")
    return TrainingData(tuple(published), tuple(questions), read_gaps(), tuple(withheld))
