"""Files of entries at the desk: read and compared first, put on record once somebody says so."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from kb import ledger, store
from kb.differences import Difference, differences
from kb.entry import Entry
from kb.errors import KbError
from kb.headings import RowError
from kb.importer import Imported, read_entries
from kb.importing import Stored
from voicebot.records.tables import AuditRow

if TYPE_CHECKING:
    from voicebot.records.store import Records

KEPT = 4
"""Files that are held at a time, the last ones; each is some megabytes."""
KEPT_S = 3600.0
SHOWN = 200
"""Rows of each kind that are told one by one; the rest is counted."""


class PreviewGone(KbError):
    """The file has to be chosen again."""

    code = "kb.preview_gone"


class PreviewOutdated(KbError):
    """The knowledge base has changed, so that the file would change something else by now."""

    code = "kb.preview_outdated"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file holds, and what it would change; `counts` by kind of change."""

    id: str
    name: str
    who: str
    made_at: float
    revision: int
    entries: tuple[Entry, ...]
    errors: tuple[RowError, ...]
    warnings: tuple[RowError, ...]
    differences: tuple[Difference, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """Goes through all differences, of which there may be 100,000."""
        return Counter(each.change for each in self.differences)

    @property
    def changed(self) -> list[Difference]:
        """Those that change something."""
        return [each for each in self.differences if each.change != "unchanged"]

    def as_dict(self) -> dict[str, Any]:
        counts = self.counts
        return {
            "id": self.id,
            "name": self.name,
            "read": len(self.entries),
            "added": counts["added"],
            "changed": counts["changed"] + counts["moved"],
            "unchanged": counts["unchanged"],
            "left_out": len(self.errors),
            "errors": rows(self.errors),
            "warnings": rows(self.warnings),
            "differences": [
                {"question": each.question, **each.as_dict()} for each in self.changed[:SHOWN]
            ],
        }


def rows(faults: Sequence[RowError]) -> list[dict[str, object]]:
    """The first of them, with line, column and reason."""
    return [{"line": f.line, "column": f.column, "reason": f.reason} for f in faults[:SHOWN]]


class Imports:
    """The previews of this process. Belongs to one event loop.

    Args:
        executor: reads files.
        clock: seconds, for what is held too long.
    """

    def __init__(
        self, records: Records, executor: Executor, clock: Callable[[], float] = time.time
    ) -> None:
        self._records, self._executor, self._clock = records, executor, clock
        self._known: OrderedDict[str, Preview] = OrderedDict()

    def get(self, name: str, who: str) -> Preview:
        """A preview of this person's.

        Raises:
            PreviewGone: there is none, or no longer.
        """
        self._forget_old()
        found = self._known.get(name)
        if found is None or found.who != who:
            raise PreviewGone("That file is not held any more; choose it again.")
        return found

    async def preview(
        self, data: bytes, name: str, who: str, mapping: Mapping[str, str] | None = None
    ) -> Preview:
        """Read a file and compare it; nothing is put on record.

        Args:
            mapping: headings of the file's own → fields.

        Raises:
            FileNotReadable: `mapping` names a field that there is not.
        """
        loop = asyncio.get_running_loop()
        read = await loop.run_in_executor(self._executor, read_entries, data, mapping)
        return await self._keep(read, name, who)

    async def confirm(self, name: str, who: str, login: str, audit: AuditRow) -> Stored:
        """Put a preview's good rows on record, in one transaction; rows that say that they are
        approved go into review.

        Raises:
            PreviewGone: there is none, or no longer.
            PreviewOutdated: it would change something else by now; the new preview has its id.
        """
        held = self.get(name, who)
        try:
            stored = await self._records.transact(
                partial(_store, preview=held, login=login, audit=audit)
            )
        except PreviewOutdated:
            read = Imported(held.entries, held.errors, held.warnings)
            await self._keep(read, held.name, who, held.id)
            raise
        self._known.pop(name, None)
        return stored

    async def _keep(self, read: Imported, name: str, who: str, known_as: str = "") -> Preview:
        revision, found = await self._records.read(_compared, read.entries)
        made = Preview(
            known_as or secrets.token_hex(8),
            name,
            who,
            self._clock(),
            revision,
            read.entries,
            read.errors,
            read.warnings,
            tuple(found),
        )
        self._known[made.id] = made
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return made

    def _forget_old(self) -> None:
        since = self._clock() - KEPT_S
        for name in [name for name, each in self._known.items() if each.made_at < since]:
            del self._known[name]


def _compared(session: Session, given: Sequence[Entry]) -> tuple[int, list[Difference]]:
    known = ledger.newest_of(session, {entry.id for entry in given})
    found = differences(known, given, reviewed=False, publish=False)
    return store.revision(session), found


def _store(session: Session, preview: Preview, login: str, audit: AuditRow) -> Stored:
    ledger.claim(session)
    if store.revision(session) != preview.revision:
        raise PreviewOutdated(
            "The knowledge base has changed since the file was compared; look at the changes again."
        )
    why = f"import {preview.name}"
    stored = store.import_entries(session, preview.entries, preview.who, why=why, login=login)
    session.add(audit)
    return stored
