"""Entries read and changed at the desk; each function works in the session given.

Which step may follow which, and who may take it, `kb.lifecycle` decides as it does for the
command line.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kb import ledger, lifecycle, summary
from kb.entry import Entry, Status
from kb.entry_form import Values, entry_of, values_of
from kb.errors import UnknownEntry
from kb.ledger import CONTENT, Act, Step, Version, as_utc
from kb.rules import DECIDES
from kb.tables import steps
from voicebot.clock import today
from voicebot.knowledge_desk.comparing import Conflict, FieldChange, changes, conflict

ActName = Literal["submit", "approve", "reject", "withdraw", "rollback"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of a list: the newest version, and the one that is spoken, if any."""

    summary: summary.Summary
    spoken: int | None

    def as_dict(self) -> dict[str, Any]:
        entry = self.summary
        return {
            "id": entry.id,
            "version": entry.version,
            "status": entry.status.value,
            "spoken_version": self.spoken,
            "question": entry.question,
            "department": entry.department,
            "region": entry.region,
            "valid_from": entry.valid_from.isoformat(),
            "valid_to": entry.valid_to.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of a list; `next` is where the one after it goes on."""

    entries: tuple[Listed, ...]
    next: str | None


def listed(
    session: Session,
    wanted: summary.Wanted,
    at: datetime,
    *,
    order: summary.Order = "recent",
    after: str = "",
    limit: int = summary.SHOWN,
) -> ListPage:
    """A page of entries with what is spoken of each at that moment.

    Raises:
        ValueError: `after` is no `next` of this order.
    """
    found = summary.page(session, wanted, order=order, after=after, limit=limit)
    spoken = spoken_versions(session, [each.id for each in found.entries], at)
    return ListPage(tuple(Listed(e, spoken.get(e.id)) for e in found.entries), found.next)


def spoken_versions(session: Session, names: Collection[str], at: datetime) -> dict[str, int]:
    """Of these entries, the version whose publication counts at that moment; see `kb.rules`."""
    last = (
        sa.select(sa.func.max(steps.c.number))
        .where(
            steps.c.id.in_(names),
            steps.c.status.in_([status.value for status in DECIDES]),
            steps.c.effective_at <= as_utc(at),
        )
        .group_by(steps.c.id)
    )
    rows = session.execute(
        sa.select(steps.c.id, steps.c.version).where(
            steps.c.number.in_(last), steps.c.status == Status.PUBLISHED.value
        )
    )
    return {row.id: row.version for row in rows}


def with_spoken(session: Session, name: str, at: datetime) -> tuple[list[Version], int | None]:
    """All versions of an entry, oldest first, and which of them is spoken at that moment.

    Raises:
        UnknownEntry: there is none.
    """
    known = ledger.versions_of(session, name)
    return known, spoken_versions(session, [name], at).get(name)


def as_dict(version: Version, *, logins: bool = False) -> dict[str, Any]:
    """A version as JSON has it; `logins`: with the accounts at the machine."""

    def signed(by: Version | Step) -> dict[str, str]:
        login = {"login": by.login} if logins else {}
        return {"at": by.at.isoformat(), "who": by.who, **login, "why": by.why}

    entry = version.entry
    return {
        "id": entry.id,
        "version": entry.version,
        "status": entry.status.value,
        **values_of(entry),
        **signed(version),
        "based_on": version.based_on,
        "steps": [
            {
                "status": step.status.value,
                "effective_at": step.effective_at.isoformat() if step.effective_at else None,
                **signed(step),
            }
            for step in version.steps
        ],
    }


def compared(session: Session, name: str, old: int, new: int) -> tuple[FieldChange, ...]:
    """What version `new` of an entry has made of version `old`.

    Raises:
        UnknownEntry: one of them is not there.
    """
    known = ledger.versions_of(session, name)
    return changes(ledger.chosen(known, old).entry, ledger.chosen(known, new).entry)


def new_name(session: Session) -> str:
    """An id that no entry has: the day, and four letters or figures."""
    while True:
        name = f"q{today():%y%m%d}-{secrets.token_hex(2)}"
        if not ledger.newest(session, name):
            return name


def add(session: Session, name: str, values: Values, act: Act, *, submit: bool) -> Entry:
    """Write a new entry; without a name it gets one.

    Raises:
        FormRefused: a field cannot be used.
        StepRefused: there is an entry of that id.
    """
    written = entry_of(name or new_name(session), values)
    return lifecycle.add(session, written, act, submit=submit)


def change(
    session: Session, name: str, values: Values, act: Act, *, seen: int, submit: bool
) -> Entry:
    """Write a new version of an entry of which the author had version `seen` before him.

    Raises:
        FormRefused: a field cannot be used.
        Outdated: somebody else wrote a version meanwhile; `conflict_with` says what.
        UnknownEntry, StepRefused: as `kb.lifecycle.edit`.
    """
    written = entry_of(name, values)
    fields: Mapping[str, Any] = {field: getattr(written, field) for field in CONTENT}
    return lifecycle.edit(session, name, fields, act, seen=seen, submit=submit)


def conflict_with(session: Session, name: str, values: Values, seen: int) -> Conflict:
    """What others have written since version `seen`, beside what was to be written."""
    known = ledger.versions_of(session, name)
    last = known[-1]
    before = ledger.chosen(known, seen).entry
    return conflict(before, last.entry, entry_of(name, values), last.who)


def take(
    session: Session,
    name: str,
    what: ActName,
    act: Act,
    *,
    version: int | None = None,
    at: datetime | None = None,
) -> Entry:
    """Take a step with an entry; publications are apart (`voicebot.knowledge_desk.publishing`).

    Args:
        version: the one that was read (approve, reject), or that is to come back (rollback).
        at: from which minute on (withdraw, rollback).

    Raises:
        KbError: as `kb.lifecycle` does.
    """
    if what == "submit":
        return lifecycle.submit(session, name, act)
    if what == "approve":
        return lifecycle.approve(session, name, act, version=version)
    if what == "reject":
        return lifecycle.reject(session, name, act, version=version)
    if what == "withdraw":
        return lifecycle.withdraw(session, name, act, effective_at=at)
    if version is None:
        raise UnknownEntry(f"Say which version of {name} is to come back.")
    return lifecycle.rollback(session, name, version, act, effective_at=at)
