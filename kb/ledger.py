"""The record itself: versions and steps are appended and read here, and never changed.

Which step may follow which is `kb.lifecycle`'s; what may be spoken is `kb.store`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kb import summary
from kb.entry import Entry, Safety, Status
from kb.errors import UnknownEntry
from kb.latest import last_steps, last_versions, same_version
from kb.reading import moment
from kb.tables import publications, revisions, steps, versions

CONTENT = (
    "category", "department", "region", "lines", "audience", "safety", "question", "variants",
    "answer", "keywords", "source", "channel", "valid_from", "valid_to",
)  # fmt: skip
"""What somebody writes; the rest of an entry is what becomes of it."""
_LISTS = ("lines", "variants", "keywords")
DECIDED = "kb decided"
"""Key of ``session.info``: the rows of `steps` that this transaction has taken and that decide what
is spoken, for whoever tells others of them as it commits."""
_WRITERS = 12345_001
"""PostgreSQL's advisory lock of who writes the knowledge base."""


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something, why and when.

    `login` is the account at the machine, which may be several people's; `who` is the person.
    """

    who: str
    why: str = ""
    login: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Step:
    """What was done with a version; `effective_at` is set where it decides what is spoken.

    `number` is its place in the order of all steps of all entries.
    """

    number: int
    status: Status
    effective_at: datetime | None
    at: datetime
    who: str
    login: str
    why: str


@dataclass(frozen=True, slots=True)
class Version:
    """One version, who wrote it, and the steps it has taken since, oldest first.

    `entry.status` is that of the last step; `based_on` the version it was made from.
    """

    entry: Entry
    at: datetime
    who: str
    login: str
    why: str
    based_on: int | None
    steps: tuple[Step, ...]

    @property
    def approved(self) -> bool:
        """Whether a second person has approved it at any time."""
        return any(step.status is Status.APPROVED for step in self.steps)


def content(entry: Entry) -> tuple[object, ...]:
    """What two versions are compared by."""
    return tuple(getattr(entry, name) for name in CONTENT)


def is_empty(session: Session) -> bool:
    """Whether no version of any entry was ever put on record."""
    return session.scalar(sa.select(versions.c.id).limit(1)) is None


def newest(session: Session, name: str | None = None) -> dict[str, Entry]:
    """The last version of every entry, or of one, with the status of its last step."""
    return _newest(session, None if name is None else [name])


def newest_of(session: Session, names: Collection[str]) -> dict[str, Entry]:
    """The same of those entries that are named, however many."""
    found: dict[str, Entry] = {}
    for some in summary.portions(sorted(names)):
        found |= _newest(session, some)
    return found


def newest_by(session: Session, number: int, without: Collection[str] = ()) -> list[Entry]:
    """The version of every entry that was its newest when the step of that number was taken.

    Of many entries those `without` are left out before they are read.
    """
    taken = steps.c.number <= number
    known = set(session.scalars(sa.select(steps.c.id).where(taken).distinct()))
    found: list[Entry] = []
    for names in summary.portions(sorted(known.difference(without))):
        last = sa.select(steps.c.id, sa.func.max(steps.c.version).label("version"))
        last_version = last.where(taken, steps.c.id.in_(names)).group_by(steps.c.id).subquery()
        rows = session.execute(
            _with_status(names).join(last_version, same_version(versions, last_version))
        )
        found += [as_entry(row, Status(row.status)) for row in rows]
    return found


def standing(session: Session, status: Status) -> list[Entry]:
    """All versions whose last step is this one, in the order of ids and versions."""
    rows = session.execute(_with_status().where(steps.c.status == status.value))
    return [as_entry(row, status) for row in rows]


def history(session: Session, name: str) -> list[Version]:
    """All versions of an entry, oldest first; empty if there is none."""
    taken: dict[int, list[Step]] = {}
    for row in session.execute(sa.select(steps).where(steps.c.id == name).order_by(steps.c.number)):
        taken.setdefault(row.version, []).append(_step(row))
    return [
        Version(
            as_entry(row, taken[row.version][-1].status),
            aware(row.recorded_at),
            row.recorded_by,
            row.login,
            row.reason,
            row.based_on,
            tuple(taken[row.version]),
        )
        for row in session.execute(
            sa.select(versions).where(versions.c.id == name).order_by(versions.c.version)
        )
    ]


def versions_of(session: Session, name: str) -> list[Version]:
    """All versions of an entry, oldest first.

    Raises:
        UnknownEntry: there is none.
    """
    found = history(session, name)
    if not found:
        raise UnknownEntry(f"There is no entry {name} in the knowledge base.")
    return found


def chosen(known: Sequence[Version], number: int | None) -> Version:
    """One of an entry's versions; None: the newest.

    Raises:
        UnknownEntry: there is no version of that number.
    """
    for version in reversed(known):
        if number is None or version.entry.version == number:
            return version
    last = known[-1].entry
    raise UnknownEntry(f"{last.id} has the versions 1 to {last.version}, no {number}.")


def version_row(entry: Entry, act: Act, based_on: int | None) -> dict[str, object]:
    """A row of `kb.tables.versions`."""
    values: dict[str, object] = {name: getattr(entry, name) for name in ("id", "version", *CONTENT)}
    values |= {name: list(getattr(entry, name)) for name in _LISTS}
    return values | {"safety": entry.safety.value, "based_on": based_on} | _signed(act)


def step_row(
    entry: Entry, status: Status, act: Act, effective_at: datetime | None = None
) -> dict[str, object]:
    """A row of `kb.tables.steps`."""
    return {
        "id": entry.id,
        "version": entry.version,
        "status": status.value,
        "effective_at": as_utc(effective_at) if effective_at else None,
    } | _signed(act)


def append(
    session: Session,
    written: Sequence[dict[str, object]],
    taken: Sequence[dict[str, object]],
) -> None:
    """Put versions and steps on record, in their order, and count them.

    Running services hear of the steps that decide what is spoken, and of no other.
    """
    if written:
        session.execute(sa.insert(versions), written)
    if taken:
        session.execute(sa.insert(steps), taken)
    if written or taken:
        summary.renew(session, {str(row["id"]) for row in (*written, *taken)})
        decided = [row for row in taken if row["effective_at"] is not None]
        if decided:
            announce_published(session)
            session.info.setdefault(DECIDED, []).extend(decided)
        else:
            announce(session)


def announce_published(session: Session) -> None:
    """Let services know that what they search in has changed: they look each second.

    Only who has claimed the record may (`claim`), so that `step` never goes back.
    """
    announce(session)
    last = sa.select(sa.func.coalesce(sa.func.max(steps.c.number), 0)).scalar_subquery()
    moved = sa.update(publications).values(number=publications.c.number + 1, step=last)
    if not getattr(session.execute(moved), "rowcount", 0):
        session.execute(sa.insert(publications).values(singleton=1, number=1, step=last))


def announce(session: Session) -> None:
    """Move the revision on."""
    counted = session.execute(sa.update(revisions).values(number=revisions.c.number + 1))
    if not getattr(counted, "rowcount", 0):
        session.execute(sa.insert(revisions).values(singleton=1, number=1))


def claim(session: Session) -> None:
    """Wait until no other writer is at work; SQLite's write transactions do so by themselves.

    Not by the row of `revisions`: before the first publication there is none.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITERS)))


def as_entry(row: sa.Row[Any], status: Status, until: datetime | None = None) -> Entry:
    """The entry of a row that has the columns of `kb.tables.versions`."""
    fields = row._mapping
    values = {name: fields[name] for name in ("id", "version", *CONTENT)}
    values |= {name: tuple(fields[name]) for name in _LISTS}
    values |= {"safety": Safety(fields["safety"]), "status": status}
    return Entry(**values, until=aware(until) if until else None)


def renumbered(entry: Entry, version: int) -> Entry:
    """`entry` as it goes on record: without what belongs to the id or comes from steps."""
    return replace(entry, version=version, phrasings=(), until=None)


def as_utc(at: datetime) -> datetime:
    """For a column: SQLite keeps no time zone, so that all moments in it are UTC."""
    return moment(at).astimezone(UTC)


def aware(at: datetime) -> datetime:
    """A moment from a column."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _signed(act: Act) -> dict[str, object]:
    return {
        "recorded_at": as_utc(act.at),
        "recorded_by": act.who,
        "login": act.login,
        "reason": act.why,
    }


def _step(row: sa.Row[Any]) -> Step:
    return Step(
        row.number,
        Status(row.status),
        aware(row.effective_at) if row.effective_at else None,
        aware(row.recorded_at),
        row.recorded_by,
        row.login,
        row.reason,
    )


def _newest(session: Session, names: Collection[str] | None) -> dict[str, Entry]:
    last = last_versions(names)
    rows = session.execute(_with_status(names).join(last, same_version(versions, last)))
    return {row.id: as_entry(row, Status(row.status)) for row in rows}


def _with_status(names: Collection[str] | None = None) -> sa.Select[Any]:
    """Every version, or those of some entries, with the status of its last step."""
    last = last_steps(names)
    return (
        sa.select(versions, steps.c.status)
        .join(last, same_version(versions, last))
        .join(steps, steps.c.number == last.c.number)
        .order_by(versions.c.id, versions.c.version)
    )
