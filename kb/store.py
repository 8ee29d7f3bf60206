"""Where entries are kept: what may be spoken at a moment, imports, further phrasings, gaps.

`published` is the one place that entries come from to be spoken. Functions work inside the session
given and leave the commit to the caller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kb import ledger
from kb.entry import Entry, Status
from kb.importing import Stored as Stored
from kb.importing import import_entries as import_entries
from kb.ledger import Version as Version
from kb.ledger import announce_published, as_entry, as_utc, aware, claim
from kb.ledger import history as history
from kb.reading import in_force, moment
from kb.rules import DECIDES
from kb.slot_store import with_slots
from kb.tables import gap_questions, phrasings, publications, revisions, steps, versions
from kb.tables import metadata as metadata


def published(session: Session, at: date) -> list[Entry]:
    """The entries that may be spoken at a moment, with the phrasings to find them by.

    Of the steps published, expired and withdrawn whose minute has come, the last one taken counts
    for each id. So a new wording takes over at its minute, the old one never comes back after
    it, and a draft hides nothing. `until` of an entry is the minute at which a step taken
    already will end it.

    Args:
        at: aware, or in Hainan's time; a plain day counts as its last moment.
    """
    now = as_utc(moment(at))
    deciding = sa.select(steps).where(steps.c.status.in_([s.value for s in DECIDES])).subquery()
    last = (
        sa.select(deciding.c.id, sa.func.max(deciding.c.number).label("number"))
        .where(deciding.c.effective_at <= now)
        .group_by(deciding.c.id)
        .subquery()
    )
    planned = (
        sa.select(deciding.c.id, sa.func.min(deciding.c.effective_at).label("until"))
        .join(last, sa.and_(deciding.c.id == last.c.id, deciding.c.number > last.c.number))
        .group_by(deciding.c.id)
        .subquery()
    )
    approval = steps.alias()
    approved = sa.exists().where(
        approval.c.id == versions.c.id,
        approval.c.version == versions.c.version,
        approval.c.status == Status.APPROVED.value,
    )
    rows = session.execute(
        sa.select(versions, planned.c.until)
        .join(steps, sa.and_(steps.c.id == versions.c.id, steps.c.version == versions.c.version))
        .join(last, steps.c.number == last.c.number)
        .outerjoin(planned, planned.c.id == versions.c.id)
        .where(steps.c.status == Status.PUBLISHED.value, approved)
        .order_by(versions.c.id)
    )
    extra = _phrasings(session)
    found = (as_entry(row, Status.PUBLISHED, row.until) for row in rows)
    spoken = [
        replace(entry, phrasings=extra[entry.id]) if entry.id in extra else entry
        for entry in found
        if in_force(entry, at)
    ]
    return with_slots(session, spoken)


def newest(session: Session) -> list[Entry]:
    """The last version of every entry, with its phrasings and the values of its slots."""
    extra = _phrasings(session)
    found = (
        replace(entry, phrasings=extra.get(name, ()))
        for name, entry in ledger.newest(session).items()
    )
    return with_slots(session, list(found))


def next_step(session: Session, after: datetime) -> datetime | None:
    """The next minute at which a step taken already takes effect; None if none is planned.

    A step that one taken later, for the same minute or before, has overruled takes none.
    """
    later = steps.alias()
    overruled = sa.exists().where(
        later.c.id == steps.c.id,
        later.c.number > steps.c.number,
        later.c.effective_at <= steps.c.effective_at,
    )
    found: datetime | None = session.scalar(
        sa.select(sa.func.min(steps.c.effective_at)).where(
            steps.c.effective_at > as_utc(after), ~overruled
        )
    )
    return aware(found) if found else None


def import_phrasings(
    session: Session,
    texts: Mapping[str, Sequence[str]],
    who: str,
    *,
    at: datetime | None = None,
) -> int:
    """Add extra phrasings to entries; how many were new. Ids need not exist yet."""
    claim(session)
    known = _phrasings(session)
    rows = [
        {"entry_id": name, "phrasing": text, "position": position,
         "added_at": at or datetime.now(UTC), "added_by": who}
        for name, new in new_phrasings(session, texts).items()
        for position, text in enumerate(new, len(known.get(name, ())))
    ]  # fmt: skip
    if rows:
        with session.begin_nested():
            session.execute(sa.insert(phrasings), rows)
            announce_published(session)
    return len(rows)


def new_phrasings(session: Session, texts: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Those that are not on record, by entry."""
    known = _phrasings(session)
    return {
        name: [text for text in dict.fromkeys(given) if text not in known.get(name, ())]
        for name, given in texts.items()
    }


def import_gaps(
    session: Session, questions: Iterable[str], who: str, *, at: datetime | None = None
) -> int:
    """Add questions known to have no entry (知识缺口); how many were new."""
    claim(session)
    rows = [
        {"question": question, "added_at": at or datetime.now(UTC), "added_by": who}
        for question in new_gaps(session, questions)
    ]
    if rows:
        with session.begin_nested():
            session.execute(sa.insert(gap_questions), rows)
            announce_published(session)
    return len(rows)


def new_gaps(session: Session, questions: Iterable[str]) -> list[str]:
    """Those that are not on the list, without repeats."""
    known = set(gaps(session))
    return [question for question in dict.fromkeys(questions) if question not in known]


def close_gap(session: Session, question: str) -> bool:
    """Take a question off the list of gaps, because an entry now answers it; was it there?"""
    claim(session)
    with session.begin_nested():
        removed = session.execute(
            sa.delete(gap_questions).where(gap_questions.c.question == question)
        )
        found = bool(getattr(removed, "rowcount", 0))
        if found:
            announce_published(session)
    return found


def gaps(
    session: Session, at: date | None = None, *, spoken: Collection[str] | None = None
) -> tuple[str, ...]:
    """The questions known to have no entry, in a fixed order.

    With a moment, also the wordings of entries that may not be spoken then (drafts, expired
    ones): who asks exactly that is better not given a neighbouring answer. What was drafted since
    the last change that `published_revision` counts waits for the next one.

    Args:
        spoken: the ids of those that may, where they have been read already.
    """
    found = set(session.scalars(sa.select(gap_questions.c.question)))
    if at is not None:
        if spoken is None:
            spoken = {entry.id for entry in published(session, at)}
        extra = _phrasings(session)
        last_step = session.scalar(sa.select(publications.c.step)) or 0
        for entry in ledger.newest_by(session, last_step, without=spoken):
            found.update(replace(entry, phrasings=extra.get(entry.id, ())).wordings)
    return tuple(sorted(found))


def revision(session: Session) -> int:
    """A number that grows with every change of anything on record."""
    return session.scalar(sa.select(revisions.c.number)) or 0


def published_revision(session: Session) -> int:
    """A number that grows with every change of what calls search in and are told.

    Those are steps that decide what is spoken, phrasings, gaps and values of slots; drafts and
    reviews are none. Services compare it each second or two.
    """
    return session.scalar(sa.select(publications.c.number)) or 0


def _phrasings(session: Session) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    rows = session.execute(
        sa.select(phrasings.c.entry_id, phrasings.c.phrasing).order_by(
            phrasings.c.entry_id, phrasings.c.position, phrasings.c.phrasing
        )
    )
    for name, text in rows:
        found.setdefault(name, []).append(text)
    return {name: tuple(texts) for name, texts in found.items()}
