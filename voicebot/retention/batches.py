"""How a run reads what is due, and the short transactions in which it deletes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, Engine, SQLColumnExpression, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from voicebot.retention.removing import COUNT_ONLY

N = TypeVar("N", int, str)
"""Of what a batch is named by."""

BATCH = 200
"""Calls or tickets in one transaction: other writers wait meanwhile."""
PAGE = 5000
"""Names that are read at once: each page looks through the whole table."""
LEAST_PAUSE_S, MOST_PAUSE_S = 0.1, 1.0
SHARE = 3.0
"""The pause after a transaction, in times of how long that took: the calls' records, which wait
for no more than 30 ms, find the database free most of the time."""


@dataclass(frozen=True)
class Batches:
    """Reads hold no writer up; blocking.

    Parameters:
        reader: made by `open_engine(url)`.
        writer: made by `open_engine(url, writes=True)`.
        dry: count, and begin no transaction that writes.
        go_on: called before each batch; what it raises ends the run.
        pause: waits so many seconds.
    """

    reader: Engine
    writer: Engine
    dry: bool
    go_on: Callable[[], None]
    pause: Callable[[float], None]

    def due(
        self,
        name: InstrumentedAttribute[N],
        when: SQLColumnExpression[float],
        due: ColumnElement[bool],
    ) -> Iterator[list[N]]:
        """Names that are due, the oldest first, `BATCH` at a time."""
        after: tuple[float, N] | None = None
        while True:
            query = select(when, name).where(due).order_by(when, name).limit(PAGE)
            if after is not None:
                at, last = after
                query = query.where(or_(when > at, and_(when == at, name > last)))
            with Session(self.reader) as session:
                rows = [(row[0], row[1]) for row in session.execute(query)]
            for start in range(0, len(rows), BATCH):
                self.go_on()
                yield [name for _, name in rows[start : start + BATCH]]
            if len(rows) < PAGE:
                return
            after = rows[-1]

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A transaction of its own, and the pause after it. If `dry`, one that only reads."""
        if self.dry:
            with Session(self.reader, autoflush=False, info={COUNT_ONLY: True}) as session:
                yield session
                session.rollback()
            return
        began = time.monotonic()
        with Session(self.writer) as session, session.begin():
            yield session
        took = time.monotonic() - began
        self.pause(min(MOST_PAUSE_S, max(LEAST_PAUSE_S, SHARE * took)))
