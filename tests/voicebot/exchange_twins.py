"""Two platforms with a database each, and a line between them that does what a test wants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import Engine, delete, select, text, update
from sqlalchemy.orm import Session

from tests.voicebot.exchange_messages import AT, status, ticket
from voicebot.exchange.inbox import Handler, receive
from voicebot.exchange.reconciliation import ledger
from voicebot.exchange.reconciliation.days import Days
from voicebot.exchange.reconciliation.entries import Entry
from voicebot.exchange.schema import Envelope, Sender, seal
from voicebot.exchange.sending import enqueue, next_sequence, stored
from voicebot.exchange.tables import EnvelopeRow, InboxRow, LedgerRow
from voicebot.records.database import open_engine
from voicebot.records.tables import Base

NOW = AT.timestamp()
TABLES = (
    "exchange_ledger", "exchange_outbox", "exchange_inbox", "reconciliation",
    "exchange_difference", "outbox", "handoff", "duty_number",
)  # fmt: skip
TODAY = Days.until(AT.date())


def apply(session: Session, envelope: Envelope, at: float) -> None:
    """What a message does: once for each time that it is applied."""
    session.execute(text("INSERT INTO effect VALUES (:id)"), {"id": envelope.id})


HANDLERS: dict[str, Handler] = {"ticket": apply, "status": apply}


class Platform:
    """12345 or 110, in memory."""

    def __init__(self, name: Sender) -> None:
        self.name = name
        self.engine: Engine = open_engine("sqlite://", writes=True)
        Base.metadata.create_all(self.engine, [Base.metadata.tables[name] for name in TABLES])
        with self.engine.begin() as connection:
            connection.execute(text("CREATE TABLE effect (id)"))

    def send(self, subject: str) -> str:
        with Session(self.engine) as session, session.begin():
            sequence = next_sequence(session, subject)
            envelope = seal(
                ticket(subject) if sequence == 1 else status(),
                subject=subject,
                sequence=sequence,
                sender=self.name,
                sent_at=AT,
            )
            enqueue(session, envelope, at=NOW)
            return envelope.id

    def waiting(self) -> list[Envelope]:
        """What is to go out, in the order of its sending."""
        with Session(self.engine) as session:
            rows = session.scalars(
                select(EnvelopeRow)
                .where(EnvelopeRow.state == "waiting")
                .order_by(EnvelopeRow.subject, EnvelopeRow.sequence)
            )
            return [stored(row.envelope) for row in rows]

    def receive(self, envelope: Envelope, *, dies: bool = False) -> str:
        """The state that the sender is told; `dies`: before the transaction is whole."""
        with Session(self.engine) as session:
            state = receive(session, envelope, at=NOW, handlers=HANDLERS).state
            if dies:
                session.rollback()
            else:
                session.commit()
            return state

    def told(self, message_id: str, state: str) -> None:
        """The receiver's answer has come."""
        with Session(self.engine) as session, session.begin():
            delivered = "delivered" if state == "applied" else "waiting"
            session.execute(
                update(EnvelopeRow).where(EnvelopeRow.id == message_id).values(state=delivered)
            )
            session.execute(
                update(LedgerRow)
                .where(LedgerRow.direction == "out", LedgerRow.id == message_id)
                .values(state=state)
            )

    def forget_newest(self) -> None:
        """A disk lied about the newest message that came in."""
        with Session(self.engine) as session, session.begin():
            newest = session.scalars(
                select(InboxRow.id)
                .where(InboxRow.state == "applied")
                .order_by(InboxRow.applied_at.desc(), InboxRow.number.desc())
            ).first()
            if newest is None:
                return
            row = session.scalars(select(InboxRow).where(InboxRow.id == newest)).one()
            later = (InboxRow.subject == row.subject) & (InboxRow.sequence >= row.sequence)
            gone = list(session.scalars(select(InboxRow.id).where(later)))
            session.execute(delete(InboxRow).where(InboxRow.id.in_(gone)))
            session.execute(
                delete(LedgerRow).where(LedgerRow.direction == "in", LedgerRow.id.in_(gone))
            )
            for each in gone:
                session.execute(text("DELETE FROM effect WHERE id = :id"), {"id": each})

    def ledger(self) -> dict[str, tuple[str, str]]:
        with Session(self.engine) as session:
            return {each.id: (each.content_hash, each.state) for each in self._entries(session)}

    def effects(self) -> Counter[str]:
        with self.engine.connect() as connection:
            return Counter(connection.execute(text("SELECT id FROM effect")).scalars())

    # As `voicebot.exchange.reconciliation.running.OtherSide`.

    def entries(self, days: Days) -> Iterator[Entry]:
        with Session(self.engine) as session:
            yield from ledger.entries(session, days)

    def envelope(self, message_id: str) -> Envelope | None:
        with Session(self.engine) as session:
            row = session.scalars(
                select(EnvelopeRow).where(EnvelopeRow.id == message_id)
            ).one_or_none()
            return None if row is None else stored(row.envelope)

    @staticmethod
    def _entries(session: Session) -> Iterator[Entry]:
        return ledger.entries(session, TODAY)
