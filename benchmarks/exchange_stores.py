"""What both stores of the trial say, and how they are reconciled."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from voicebot.clock import today
from voicebot.config import Settings
from voicebot.exchange.platform import Platform
from voicebot.exchange.reconciliation.comparing import Limits
from voicebot.exchange.reconciliation.days import Days
from voicebot.exchange.reconciliation.other_side import PlatformLedger
from voicebot.exchange.reconciliation.running import Outcome, Reconciliation
from voicebot.exchange.reconciliation.tables import DifferenceRow
from voicebot.exchange.tables import EnvelopeRow, InboxRow, LedgerRow
from voicebot.records.database import open_engine
from voicebot.records.tables import OutboxRow


class Stores:
    """Ours in its database, 110's over its interface. Every method blocks."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._url = settings, settings.database_url

    def waiting(self) -> int:
        """Messages of ours that 110 has not confirmed."""
        with self._session() as session:
            return sum(
                session.scalars(
                    select(func.count()).select_from(row).where(row.state == "waiting")
                ).one()
                for row in (EnvelopeRow, OutboxRow)
            )

    def effects(self) -> Counter[str]:
        """How often each message of 110's was applied here."""
        with self._session() as session:
            return Counter(session.execute(text("SELECT id FROM trial_effect")).scalars())

    def forget(self, count: int) -> set[str]:
        """Take `count` matters of 110's out of our store, with all that was said of them and
        done; ids of the messages."""
        with self._session(writes=True) as session:
            first = select(InboxRow.subject).where(InboxRow.sequence == 1)
            subjects = session.scalars(first.order_by(InboxRow.number).limit(count)).all()
            about = InboxRow.subject.in_(subjects)
            ids = set(session.scalars(select(InboxRow.id).where(about)))
            came_in = (LedgerRow.direction == "in") & LedgerRow.id.in_(ids)
            session.execute(delete(InboxRow).where(about))
            session.execute(delete(LedgerRow).where(came_in))
            for each in ids:
                session.execute(text("DELETE FROM trial_effect WHERE id = :id"), {"id": each})
        return ids

    def differences(self) -> set[str]:
        """Ids of all messages about which reconciliations have found anything."""
        with self._session() as session:
            return set(session.scalars(select(DifferenceRow.id)))

    def sent_by_110(self) -> set[str]:
        with PlatformLedger(Platform(self._settings.exchange)) as theirs:
            return {each.id for each in theirs.entries(_days()) if each.sender == "110"}

    def reconcile(self) -> Outcome:
        writer, reader = open_engine(self._url, writes=True, patience_s=30), open_engine(self._url)
        try:
            with PlatformLedger(Platform(self._settings.exchange)) as other:
                run = Reconciliation(
                    reader, writer, other, principal="trial", limits=Limits(grace_s=0.0)
                )
                return run.run(_days(), repair=True)
        finally:
            reader.dispose()
            writer.dispose()

    @contextlib.contextmanager
    def _session(self, *, writes: bool = False) -> Iterator[Session]:
        engine = open_engine(self._url, writes=writes, patience_s=30)
        try:
            with Session(engine) as session, session.begin():
                yield session
        finally:
            engine.dispose()


def _days() -> Days:
    """Those to which clocks that jump by a day may have put a message."""
    return Days.until(today() + timedelta(days=2), 5)


@contextlib.contextmanager
def database(store: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if store == "sqlite":
        yield f"sqlite:///{folder / '12345' / 'state' / 'voicebot.db'}"
        return
    from tests.voicebot.postgres import Postgres, programs

    found = programs()
    if found is None:
        sys.exit("PostgreSQL is not installed. Run `scripts/setup.sh --all`.")
    server = Postgres(found)
    try:
        server.initialise()
        server.start()
        yield server.url(server.create())
    finally:
        server.remove()
