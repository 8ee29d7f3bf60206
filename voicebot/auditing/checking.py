"""The audit read from its table or from an exported file, and checked; where anchors are kept."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import takewhile
from pathlib import Path
from typing import Any, get_type_hints

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from voicebot.auditing.chain import GENESIS, Anchor, Fault, Finding, Link, digest, faults
from voicebot.config import Paths
from voicebot.errors import VoicebotError
from voicebot.records.tables import AuditHeadRow, AuditRow
from voicebot.state_folder import make_private

_COLUMNS = tuple(getattr(AuditRow, field.name) for field in fields(Link))
_KINDS = get_type_hints(Link)
_PAGE = 1000


class AuditError(VoicebotError):
    """An audit or an anchor cannot be read."""

    code = "voicebot.audit"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. `head`: the newest row, to be kept as an anchor."""

    rows: int
    head: Anchor
    findings: tuple[Finding, ...]


def links(session: Session, *, after: int = 0) -> Iterator[Link]:
    """All rows with a greater number than `after`, by number, in pages."""
    while True:
        page = session.execute(
            select(*_COLUMNS).where(AuditRow.id > after).order_by(AuditRow.id).limit(_PAGE)
        ).all()
        yield from (Link(*row) for row in page)
        if len(page) < _PAGE:
            return
        after = page[-1].id


def check(session: Session, anchors: Sequence[Anchor] = ()) -> Checked:
    """Check the whole audit of a database, as it is at one moment."""
    row = session.execute(select(AuditHeadRow.last, AuditHeadRow.hash)).first()
    if row is None:
        counted = _Counted(links(session))
        found = [*faults(counted, None, anchors), Finding(counted.last.id, Fault.HEADLESS)]
        return Checked(counted.count, counted.last, tuple(found))
    head = Anchor(row.last, row.hash)
    # What is written while this reads lies behind the head.
    counted = _Counted(takewhile(lambda link: link.id <= head.id, links(session)))
    found = list(faults(counted, head, anchors))
    newest, last = session.execute(
        select(select(func.max(AuditRow.id)).scalar_subquery(), AuditHeadRow.last)
    ).one()
    if newest is not None and newest > last:
        found.append(Finding(newest, Fault.INSERTED))
    return Checked(counted.count, head, tuple(found))


def check_file(file: Path, anchors: Sequence[Anchor] = ()) -> Checked:
    """Check an exported audit. Its end is where the file ends: an anchor proves that.

    Raises:
        AuditError: the file is not an export.
        OSError: it cannot be read.
    """
    with file.open("rb") as lines:
        counted = _Counted(_read(file, lines))
        found = tuple(faults(counted, None, anchors))
    return Checked(counted.count, counted.last, found)


def newest(
    session: Session, *, who: str, action: str, subject: str, refused: bool, limit: int
) -> list[Link]:
    """Rows that fit, the newest first; "" does not choose."""
    query = select(*_COLUMNS).order_by(AuditRow.id.desc()).limit(limit)
    if who:
        query = query.where(AuditRow.principal == who)
    if action:
        query = query.where(AuditRow.action.startswith(action, autoescape=True))
    if subject:
        query = query.where(AuditRow.subject == subject)
    if refused:
        query = query.where(AuditRow.allowed.is_(False))
    return [Link(*row) for row in session.execute(query)]


def as_line(link: Link) -> str:
    """A row of an export: one JSON object."""
    return json.dumps(asdict(link), ensure_ascii=False)


def anchors_file(paths: Paths) -> Path:
    """Where the service and `voicebot audit verify` keep anchors, outside the database: in the
    state folder, or with the secrets that all processes of an installation share.
    """
    return (paths.secrets or paths.state) / "audit-anchors.jsonl"


def read_anchors(file: Path) -> list[Anchor]:
    """The anchors that are kept; none where there is no file.

    Raises:
        AuditError: a line is not an anchor.
    """
    try:
        lines = file.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    try:
        return [Anchor(int(each["id"]), str(each["hash"])) for each in map(json.loads, lines)]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise AuditError(
            f"{file} holds a line that is no anchor; compare it with a copy."
        ) from None


def keep_anchor(file: Path, anchor: Anchor, at: float) -> None:
    """Add an anchor; the file is its owner's alone."""
    make_private(file.parent)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "a", encoding="utf-8") as opened:
        opened.write(json.dumps({**asdict(anchor), "at": at}) + "\n")


class _Counted:
    """Links on their way through, counted."""

    def __init__(self, source: Iterable[Link]) -> None:
        self._source, self.count, self.last = source, 0, Anchor(0, GENESIS)

    def __iter__(self) -> Iterator[Link]:
        for link in self._source:
            self.count, self.last = self.count + 1, Anchor(link.id, link.hash)
            yield link


def _read(file: Path, lines: Iterable[bytes]) -> Iterator[Link]:
    for number, line in enumerate(lines, 1):
        try:
            link = _link(line)
        except (ValueError, TypeError, RecursionError):
            raise AuditError(f"{file}, line {number}, is no row of an exported audit.") from None
        yield link


def _link(line: bytes) -> Link:
    """Raises ValueError, TypeError or RecursionError: the line is no row."""
    values: dict[str, Any] = json.loads(line)
    link = Link(**values)
    for name, kind in _KINDS.items():
        if type(values[name]) not in (kind, int if kind is float else kind):
            raise TypeError(name)
    digest(values)
    return link
