"""One message as one side's ledger has it, and many of them in order on a disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from types import TracebackType
from typing import Literal

Sender = Literal["12345", "110"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A message in a ledger; the sender and the receiver each have one of it."""

    id: str
    """Idempotency key: the same on both sides."""
    sender: Sender
    kind: str
    """As `Envelope.kind`."""
    subject: str
    """Number of the ticket or the order."""
    sequence: int
    """From 1 for each subject and sender."""
    content_hash: str
    state: str
    """``waiting`` | ``applied`` | ``refused`` | ``conflict`` | ``superseded``: what the receiver
    made of it, or what the sender knows of that."""
    sent_at: float
    """By the sender's clock, so that both sides count it to one day; seconds since the epoch."""
    at: float
    """When it was written, by the clock of whose ledger it is."""

    @property
    def settled(self) -> bool:
        """It has been applied, or need not be any more."""
        return self.state in ("applied", "superseded")

    @property
    def place(self) -> tuple[str, str, int]:
        """No two messages share it."""
        return self.subject, self.sender, self.sequence


_COLUMNS = ", ".join(field.name for field in fields(Entry))
_INSERT = f"INSERT INTO entry VALUES ({', '.join('?' for _ in fields(Entry))})"  # noqa: S608


class SortedLedger:
    """A ledger's entries, kept on a disk so that a day of any size is read in any order.

    Both ledgers are sorted here and not by their databases, whose collations differ. The
    file has no name and is gone with the process.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute(f"CREATE TABLE entry ({_COLUMNS})")
        self._database.execute("BEGIN")
        self._database.executemany(_INSERT, map(astuple, entries))
        self._database.execute("COMMIT")

    def __enter__(self) -> SortedLedger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def __len__(self) -> int:
        count: int = self._database.execute("SELECT count(*) FROM entry").fetchone()[0]
        return count

    def by_id(self) -> Iterator[Entry]:
        return self._ordered("id, at")

    def by_place(self) -> Iterator[Entry]:
        return self._ordered("subject, sender, sequence, at, id")

    def _ordered(self, order: str) -> Iterator[Entry]:
        query = f"SELECT {_COLUMNS} FROM entry ORDER BY {order}"  # noqa: S608
        for row in self._database.execute(query):
            yield Entry(*row)
