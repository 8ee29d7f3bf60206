"""Where entries are kept: every version with who, when and why; nothing is ever overwritten.

`published` is the one place that decides what may be spoken. It reads the newest decision
(approved or expired) that is in force on a day; drafts and reviews in progress change nothing.
Functions work inside the session given and leave the commit to the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kb.entry import Entry, Status
from kb.errors import UnknownEntry

metadata = sa.MetaData()

_STATUS_VALUES = "'draft', 'in_review', 'approved', 'expired'"

entry_versions = sa.Table(
    "kb_entry_version",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("category", sa.String(200), nullable=False),
    sa.Column("department", sa.String(200), nullable=False),
    sa.Column("region", sa.String(6), nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("variants", sa.JSON, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("keywords", sa.JSON, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("valid_from", sa.Date, nullable=False),
    sa.Column("valid_to", sa.Date, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("recorded_by", sa.String(100), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.CheckConstraint(f"status IN ({_STATUS_VALUES})", name="kb_entry_version_status"),
    sa.CheckConstraint("valid_from <= valid_to", name="kb_entry_version_validity"),
    sa.CheckConstraint("version >= 1", name="kb_entry_version_number"),
)
phrasings = sa.Table(
    "kb_phrasing",
    metadata,
    sa.Column("entry_id", sa.String(64), primary_key=True),
    sa.Column("phrasing", sa.String(200), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("added_by", sa.String(100), nullable=False),
)
gap_questions = sa.Table(
    "kb_gap",
    metadata,
    sa.Column("question", sa.String(200), primary_key=True),
    sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("added_by", sa.String(100), nullable=False),
)
revisions = sa.Table(
    "kb_revision",
    metadata,
    sa.Column("singleton", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.CheckConstraint("singleton = 1", name="kb_revision_singleton"),
)

_CONTENT = (
    "category", "department", "region", "question", "variants", "answer", "keywords", "source",
    "channel", "valid_from", "valid_to", "status",
)  # fmt: skip
_DECIDED = (Status.APPROVED.value, Status.EXPIRED.value)


@dataclass(frozen=True, slots=True)
class Stored:
    """What an import changed, by entry id."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """One step in an entry's history."""

    entry: Entry
    at: datetime
    who: str
    why: str


def published(session: Session, on: date) -> list[Entry]:
    """The entries that may be spoken on the day `on`, with the phrasings to find them by.

    For each id the newest version counts that is approved or expired and whose validity has
    begun; it is given if it is approved and not past its end. So a new wording takes over on its
    first day, the old one never comes back after it, and a draft hides nothing.
    """
    day = on.date() if isinstance(on, datetime) else on
    versions = entry_versions.alias()
    newest = (
        sa.select(versions.c.id, sa.func.max(versions.c.version).label("version"))
        .where(versions.c.status.in_(_DECIDED), versions.c.valid_from <= day)
        .group_by(versions.c.id)
        .subquery()
    )
    rows = session.execute(
        sa.select(entry_versions)
        .join(
            newest,
            sa.and_(
                entry_versions.c.id == newest.c.id, entry_versions.c.version == newest.c.version
            ),
        )
        .where(
            entry_versions.c.status == Status.APPROVED.value,
            entry_versions.c.valid_from <= day,
            entry_versions.c.valid_to >= day,
        )
        .order_by(entry_versions.c.id)
    )
    extra = _phrasings(session)
    return [replace(_entry(row), phrasings=extra.get(row.id, ())) for row in rows]


def import_entries(
    session: Session,
    entries: Iterable[Entry],
    who: str,
    *,
    why: str = "import",
    at: datetime | None = None,
) -> Stored:
    """Store new versions of the entries that differ from their newest one, all or none.

    `version` and `phrasings` of the entries given are ignored.
    """
    added: list[str] = []
    changed: list[str] = []
    unchanged: list[str] = []
    with session.begin_nested():
        newest = _newest(session)
        for entry in by_last(entries):
            known = newest.get(entry.id)
            if known is not None and _content(known) == _content(entry):
                unchanged.append(entry.id)
                continue
            number = known.version + 1 if known else 1
            _insert(session, replace(entry, version=number), who, why, at)
            (changed if known else added).append(entry.id)
        if added or changed:
            _announce(session)
    return Stored(tuple(added), tuple(changed), tuple(unchanged))


def set_status(
    session: Session, name: str, status: Status, who: str, *, why: str, at: datetime | None = None
) -> Entry:
    """Approve, expire or send back: a new version of the newest one with another status.

    Raises:
        UnknownEntry: there is no such entry.
    """
    with session.begin_nested():
        known = _newest(session, name).get(name)
        if known is None:
            raise UnknownEntry(f"There is no entry {name} in the knowledge base.")
        entry = replace(known, version=known.version + 1, status=status)
        _insert(session, entry, who, why, at)
        _announce(session)
    return entry


def history(session: Session, name: str) -> list[Version]:
    """All versions of an entry, oldest first; empty if there is none."""
    rows = session.execute(
        sa.select(entry_versions)
        .where(entry_versions.c.id == name)
        .order_by(entry_versions.c.version)
    )
    return [Version(_entry(row), row.recorded_at, row.recorded_by, row.reason) for row in rows]


def import_phrasings(
    session: Session,
    texts: Mapping[str, Sequence[str]],
    who: str,
    *,
    at: datetime | None = None,
) -> int:
    """Add extra phrasings to entries; how many were new. Ids need not exist yet."""
    known = _phrasings(session)
    rows: list[dict[str, object]] = []
    for name, given in texts.items():
        old = known.get(name, ())
        new = [text for text in dict.fromkeys(given) if text not in old]
        rows += [
            {"entry_id": name, "phrasing": text, "position": position,
             "added_at": at or datetime.now(UTC), "added_by": who}
            for position, text in enumerate(new, len(old))
        ]  # fmt: skip
    if rows:
        with session.begin_nested():
            session.execute(sa.insert(phrasings), rows)
            _announce(session)
    return len(rows)


def import_gaps(
    session: Session, questions: Iterable[str], who: str, *, at: datetime | None = None
) -> int:
    """Add questions known to have no entry (知识缺口); how many were new."""
    known = set(gaps(session))
    rows = [
        {"question": question, "added_at": at or datetime.now(UTC), "added_by": who}
        for question in dict.fromkeys(questions)
        if question not in known
    ]
    if rows:
        with session.begin_nested():
            session.execute(sa.insert(gap_questions), rows)
            _announce(session)
    return len(rows)


def close_gap(session: Session, question: str) -> bool:
    """Take a question off the list of gaps, because an entry now answers it; was it there?"""
    with session.begin_nested():
        removed = session.execute(
            sa.delete(gap_questions).where(gap_questions.c.question == question)
        )
        found = bool(getattr(removed, "rowcount", 0))
        if found:
            _announce(session)
    return found


def gaps(session: Session, on: date | None = None) -> tuple[str, ...]:
    """The questions known to have no entry, in a fixed order.

    With a day, also the wordings of entries that may not be spoken on it (drafts, expired ones):
    who asks exactly that is better not given a neighbouring answer.
    """
    found = set(session.scalars(sa.select(gap_questions.c.question)))
    if on is not None:
        spoken = {entry.id for entry in published(session, on)}
        extra = _phrasings(session)
        for name, entry in _newest(session).items():
            if name not in spoken:
                found.update(replace(entry, phrasings=extra.get(name, ())).wordings)
    return tuple(sorted(found))


def revision(session: Session) -> int:
    """A number that grows with every change; services compare it each second or two."""
    return session.scalar(sa.select(revisions.c.number)) or 0


def by_last(entries: Iterable[Entry]) -> list[Entry]:
    """One entry for each id, the last given."""
    return list({entry.id: entry for entry in entries}.values())


def _announce(session: Session) -> None:
    counted = session.execute(sa.update(revisions).values(number=revisions.c.number + 1))
    if not getattr(counted, "rowcount", 0):
        session.execute(sa.insert(revisions).values(singleton=1, number=1))


def _newest(session: Session, name: str | None = None) -> dict[str, Entry]:
    rows = sa.select(entry_versions).order_by(entry_versions.c.version)
    if name is not None:
        rows = rows.where(entry_versions.c.id == name)
    return {row.id: _entry(row) for row in session.execute(rows)}


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


def _content(entry: Entry) -> tuple[object, ...]:
    return tuple(getattr(entry, name) for name in _CONTENT)


def _insert(session: Session, entry: Entry, who: str, why: str, at: datetime | None) -> None:
    values = {name: getattr(entry, name) for name in ("id", "version", *_CONTENT)}
    values |= {
        "variants": list(entry.variants),
        "keywords": list(entry.keywords),
        "status": entry.status.value,
        "recorded_at": at or datetime.now(UTC),
        "recorded_by": who,
        "reason": why,
    }
    session.execute(sa.insert(entry_versions).values(**values))


def _entry(row: sa.Row[tuple[object, ...]]) -> Entry:
    fields = row._mapping
    values = {name: fields[name] for name in ("id", "version", *_CONTENT)}
    values |= {
        "variants": tuple(fields["variants"]),
        "keywords": tuple(fields["keywords"]),
        "status": Status(fields["status"]),
    }
    return Entry(**values)
