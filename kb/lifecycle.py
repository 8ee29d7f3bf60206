"""The life-cycle of an entry: draft, in review, approved, published, expired or withdrawn.

Each step is taken here, whoever calls: it follows only from the states in `kb.rules.FOLLOWS`, and
nobody approves what he wrote himself (two-person rule). Functions work inside the session given
and leave the commit to the caller; each raises before anything is changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from kb import ledger
from kb.entry import Entry, Status
from kb.errors import Outdated, SamePerson, StepRefused
from kb.ledger import Act, Version
from kb.reading import HAINAN, day_of
from kb.rules import DECIDES, FOLLOWS, authors, effective_from, not_past, person

_STANDING = (Status.IN_REVIEW, Status.APPROVED, Status.PUBLISHED)


def add(session: Session, entry: Entry, act: Act, *, submit: bool = False) -> Entry:
    """Put the first version of an entry on record, as a draft or for review.

    Raises:
        StepRefused: there is an entry of that id.
    """
    ledger.claim(session)
    if ledger.newest(session, entry.id):
        raise StepRefused(f"There is an entry {entry.id} already: `voicebot kb edit {entry.id}`.")
    return _write(session, ledger.renumbered(entry, 1), act, None, submit=submit)


def edit(
    session: Session,
    name: str,
    changes: Mapping[str, Any],
    act: Act,
    *,
    seen: int | None = None,
    submit: bool = False,
) -> Entry:
    """Write a new version: the newest one with some fields changed.

    Args:
        seen: the version that the author had before him.

    Raises:
        UnknownEntry: there is no such entry.
        Outdated: somebody wrote another version meanwhile.
        StepRefused: nothing is changed.
    """
    last = _versions(session, name)[-1].entry
    if seen is not None and seen != last.version:
        raise Outdated(
            f"{name} has version {last.version} by now, and you changed version {seen}; "
            f"look at it with `voicebot kb diff {name}` and edit again."
        )
    entry = ledger.renumbered(replace(last, id=name, **changes), last.version + 1)
    if ledger.content(entry) == ledger.content(last):
        raise StepRefused(f"Nothing is changed: that is version {last.version} of {name}.")
    return _write(session, entry, act, last.version, submit=submit)


def submit(session: Session, name: str, act: Act) -> Entry:
    """Hand the newest version in for review."""
    return _take(session, _versions(session, name)[-1], Status.IN_REVIEW, act)


def approve(session: Session, name: str, act: Act, *, version: int | None = None) -> Entry:
    """Let a version pass that somebody else wrote: the newest, or the one that was read.

    Raises:
        SamePerson: the reviewer wrote a part of it.
    """
    known = _versions(session, name)
    chosen = ledger.chosen(known, version)
    if person(act.who) in authors(known, chosen.entry.version):
        raise SamePerson(
            f"{act.who} wrote version {chosen.entry.version} of {name} or a part of it: "
            "somebody else has to review it."
        )
    return _take(session, chosen, Status.APPROVED, act)


def reject(session: Session, name: str, act: Act, *, version: int | None = None) -> Entry:
    """Send a version back to its author; `act.why` tells him what is wrong."""
    if not act.why.strip():
        raise StepRefused("A version is sent back with a reason: its author has to mend it.")
    chosen = ledger.chosen(_versions(session, name), version)
    return _take(session, chosen, Status.DRAFT, act)


def publish(
    session: Session,
    name: str,
    act: Act,
    *,
    version: int | None = None,
    effective_at: datetime | None = None,
) -> Entry:
    """Let the approved version be spoken from a minute on: now, or the start of its validity."""
    known = _versions(session, name)
    waiting = [v for v in known if v.entry.status is Status.APPROVED]
    spoken = max((v.entry.version for v in known if _decided(v)), default=0)
    if version is None and waiting and waiting[-1].entry.version > spoken:
        version = waiting[-1].entry.version
    chosen = ledger.chosen(known, version)
    moment = effective_from(chosen.entry, act.at, effective_at)
    return _take(session, chosen, Status.PUBLISHED, act, moment)


def withdraw(
    session: Session, name: str, act: Act, *, effective_at: datetime | None = None
) -> Entry:
    """Take an entry out of use from a minute on; one person is enough, and it can be at once."""
    known = _versions(session, name)
    last = max((v for v in known if _decided(v)), key=_last_step, default=known[-1])
    planned = last.steps[-1].effective_at
    over = last.entry.status is Status.WITHDRAWN and planned is not None and planned <= act.at
    if over:
        raise StepRefused(f"{name} is withdrawn already.")
    moment = not_past(act.at, effective_at)
    if last.entry.status is Status.WITHDRAWN and planned is not None and moment > planned:
        raise StepRefused(
            f"{name} is withdrawn from {planned.astimezone(HAINAN):%Y-%m-%d %H:%M} on, which can "
            f"be brought forward only. To speak it longer, `voicebot kb rollback {name} "
            f"{last.entry.version}`, then withdraw it anew."
        )
    return _take(session, last, Status.WITHDRAWN, act, moment)


def rollback(
    session: Session,
    name: str,
    version: int,
    act: Act,
    *,
    effective_at: datetime | None = None,
) -> Entry:
    """Write the content of an old version as a new one.

    If the old one was approved, that holds, and the new one is published; else it is in review.
    """
    known = _versions(session, name)
    old = ledger.chosen(known, version)
    entry = ledger.renumbered(old.entry, known[-1].entry.version + 1)
    last = known[-1].entry
    if ledger.content(entry) == ledger.content(last) and last.status in _STANDING:
        raise StepRefused(
            f"{name} has the content of version {version} already: "
            f"version {last.version} is {last.status}."
        )
    why = f"content of version {version}" + (f": {act.why}" if act.why else "")
    act = replace(act, why=why)
    if not old.approved:
        return _write(session, entry, act, version, submit=True)
    if entry.valid_to < day_of(act.at):
        raise StepRefused(
            f"Version {version} of {name} was valid until {entry.valid_to} only. "
            f"Edit it with a new valid_to, which is reviewed again."
        )
    reviewer = next(s.who for s in old.steps if s.status is Status.APPROVED)
    approval = replace(act, why=f"version {version} was approved by {reviewer}")
    moment = effective_from(entry, act.at, effective_at)
    ledger.append(
        session,
        [ledger.version_row(entry, act, version)],
        [
            ledger.step_row(entry, Status.APPROVED, approval),
            ledger.step_row(entry, Status.PUBLISHED, act, moment),
        ],
    )
    return replace(entry, status=Status.PUBLISHED)


def _decided(version: Version) -> bool:
    return any(step.status in DECIDES for step in version.steps)


def _last_step(version: Version) -> int:
    return version.steps[-1].number


def _versions(session: Session, name: str) -> list[Version]:
    ledger.claim(session)
    return ledger.versions_of(session, name)


def _write(
    session: Session, entry: Entry, act: Act, based_on: int | None, *, submit: bool
) -> Entry:
    person(act.who)
    status = Status.IN_REVIEW if submit else Status.DRAFT
    ledger.append(
        session,
        [ledger.version_row(entry, act, based_on)],
        [ledger.step_row(entry, status, act)],
    )
    return replace(entry, status=status)


def _take(
    session: Session,
    version: Version,
    status: Status,
    act: Act,
    effective_at: datetime | None = None,
) -> Entry:
    person(act.who)
    entry = version.entry
    if entry.status not in FOLLOWS[status]:
        wanted = " or ".join(FOLLOWS[status])
        raise StepRefused(
            f"Version {entry.version} of {entry.id} is {entry.status}; "
            f"only what is {wanted} can become {status}."
        )
    ledger.append(session, [], [ledger.step_row(entry, status, act, effective_at)])
    return replace(entry, status=status)
