"""Entries from files into the store: each row as far along the life-cycle as it may go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kb import ledger
from kb.entry import Entry, Status
from kb.errors import SamePerson
from kb.ledger import Act
from kb.rules import authors, effective_from, person
from kb.tables import steps

ENDED = (Status.EXPIRED, Status.WITHDRAWN)
_ORDER = (Status.DRAFT, Status.IN_REVIEW, Status.APPROVED, Status.PUBLISHED)


@dataclass(frozen=True, slots=True)
class Stored:
    """What an import changed, by entry id."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]


def import_entries(
    session: Session,
    entries: Iterable[Entry],
    who: str,
    *,
    why: str = "import",
    at: datetime | None = None,
    login: str = "",
    reviewed_by: str = "",
    publish: bool = False,
) -> Stored:
    """Store new versions of the entries that differ from their newest one, all or none.

    The status of a row says how far it wants to go: a draft stays one; what is in review,
    approved or published in the file is put in review; what is expired or withdrawn is taken out
    of use. `version` and `phrasings` of the entries given are ignored.

    Args:
        reviewed_by: who has read the rows that are approved or published: they are approved.
        publish: let what was approved so be spoken at once, or from the start of its validity.

    Raises:
        SamePerson: the reviewer is the importer, or wrote a draft that a row builds upon.
    """
    act = Act(who, why, login, at or datetime.now(UTC))
    approval = replace(act, who=reviewed_by)
    outcome: dict[str, list[str]] = {"added": [], "changed": [], "unchanged": []}
    written: list[dict[str, object]] = []
    taken: list[dict[str, object]] = []
    with session.begin_nested():
        ledger.claim(session)
        rows = by_last(entries)
        newest = ledger.newest_of(session, [entry.id for entry in rows])
        approved = _approved(session)
        for given in rows:
            known = newest.get(given.id)
            entry = _placed(given, known)
            new = known is None or entry.version != known.version
            status = None if new or known is None else known.status
            ahead = steps_ahead(given.status, status, reviewed=bool(reviewed_by), publish=publish)
            if new:
                written.append(ledger.version_row(entry, act, known.version if known else None))
            if Status.APPROVED in ahead:
                writers = _writers(session, known, approved) | ({person(who)} if new else set())
                if person(reviewed_by) in writers:
                    raise SamePerson(
                        f"{reviewed_by} wrote {entry.id} or a part of it: "
                        "somebody else has to review it."
                    )
            for step in ahead:
                signed = approval if step is Status.APPROVED else act
                taken.append(ledger.step_row(entry, step, signed, _effective(entry, step, act)))
            kind = "unchanged" if not new and not ahead else "changed" if known else "added"
            outcome[kind].append(given.id)
        ledger.append(session, written, taken)
    return Stored(**{kind: tuple(names) for kind, names in outcome.items()})


def steps_ahead(
    wanted: Status, now: Status | None, *, reviewed: bool, publish: bool
) -> list[Status]:
    """The steps a row takes: from where the same content stands (None: it is new) to what it may.

    Nothing goes backwards: a file does not take a published entry back to a draft.
    """
    if wanted in ENDED:
        return [] if now in ENDED else [wanted]
    if wanted is Status.DRAFT:
        path = [Status.DRAFT]
    elif wanted is Status.IN_REVIEW or not reviewed:
        path = [Status.IN_REVIEW]
    else:
        path = [Status.IN_REVIEW, Status.APPROVED, *([Status.PUBLISHED] if publish else [])]
    reached = _ORDER.index(now) if now in _ORDER else -1
    return [step for step in path if _ORDER.index(step) > reached]


def by_last(entries: Iterable[Entry]) -> list[Entry]:
    """One entry for each id, the last given."""
    return list({entry.id: entry for entry in entries}.values())


def _placed(given: Entry, known: Entry | None) -> Entry:
    """The row under the number of the version it is, or is to be."""
    if known is None:
        return ledger.renumbered(given, 1)
    same = ledger.content(known) == ledger.content(given)
    back = known.status in ENDED and given.status not in ENDED
    return ledger.renumbered(given, known.version if same and not back else known.version + 1)


def _effective(entry: Entry, step: Status, act: Act) -> datetime | None:
    if step is Status.PUBLISHED:
        return effective_from(entry, act.at, None)
    return act.at if step in ENDED else None


def _approved(session: Session) -> set[tuple[str, int]]:
    rows = session.execute(
        sa.select(steps.c.id, steps.c.version).where(steps.c.status == Status.APPROVED.value)
    )
    return {(row.id, row.version) for row in rows}


def _writers(session: Session, known: Entry | None, approved: set[tuple[str, int]]) -> set[str]:
    """Who wrote what the row builds upon, where nobody has approved that yet."""
    if known is None or (known.id, known.version) in approved:
        return set()
    return set(authors(ledger.history(session, known.id), known.version))
