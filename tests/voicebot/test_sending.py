"""An envelope is in outbox and ledger once, and in the place that its subject has next."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.voicebot.exchange_messages import AT, message, status, ticket
from voicebot.exchange.errors import OtherContent, OutOfOrder
from voicebot.exchange.sending import enqueue, next_sequence, send, stored
from voicebot.exchange.tables import EnvelopeRow, LedgerRow
from voicebot.records.database import migrate, open_engine

NOW = AT.timestamp()


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    migrate(database_url)
    engine = open_engine(database_url, writes=True)
    with Session(engine) as opened, opened.begin():
        yield opened
    engine.dispose()


def test_what_is_sent_stands_in_outbox_and_ledger(session: Session) -> None:
    sent = send(session, ticket("W1"), subject="W1", at=NOW)
    (row,) = session.scalars(select(EnvelopeRow))
    (line,) = session.scalars(select(LedgerRow))
    assert stored(json.loads(json.dumps(row.envelope))) == sent
    assert (line.direction, line.id, line.sequence, line.state) == ("out", sent.id, 1, "waiting")
    assert (line.content_hash, line.sent_at, line.at) == (sent.content_hash, NOW, NOW)


def test_each_subject_counts_by_itself(session: Session) -> None:
    send(session, ticket("W1"), subject="W1", at=NOW)
    assert send(session, status(), subject="W1", at=NOW).sequence == 2
    assert send(session, ticket("W2"), subject="W2", at=NOW).sequence == 1
    assert next_sequence(session, "W1") == 3


def test_what_is_put_in_twice_is_there_once(session: Session) -> None:
    envelope = message("W1", 1, sender="12345")
    assert enqueue(session, envelope, at=NOW)
    assert not enqueue(session, envelope, at=NOW + 1)
    assert len(session.scalars(select(EnvelopeRow)).all()) == 1


def test_a_key_that_was_used_gives_what_was_sent_then(session: Session) -> None:
    first = send(session, ticket("W1"), subject="W1", at=NOW, id="act-7")
    assert send(session, ticket("W1"), subject="W1", at=NOW + 1, id="act-7") == first


def test_other_content_under_a_used_id_is_an_error(session: Session) -> None:
    enqueue(session, message("W1", 1, sender="12345"), at=NOW)
    with pytest.raises(OtherContent, match="as a new message"):
        enqueue(session, message("W1", 1, ticket("W1", "水管爆了"), sender="12345"), at=NOW)


def test_a_gap_is_an_error(session: Session) -> None:
    with pytest.raises(OutOfOrder, match="whose sequence is 1"):
        enqueue(session, message("W1", 2, sender="12345"), at=NOW)
