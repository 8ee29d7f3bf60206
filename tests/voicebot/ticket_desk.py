"""Tickets for tests: opened as a call opens them, acted on as people do.

`desk` is a session on SQLite and on PostgreSQL; what a test writes is taken back after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from tests.voicebot.postgres import Postgres
from voicebot.exchange.tables import EnvelopeRow
from voicebot.records.database import migrate, open_engine
from voicebot.records.tables import TicketRow
from voicebot.tickets import acts, opening
from voicebot.tickets.history import Actor
from voicebot.tickets.life import Request
from voicebot.tickets.states import Act
from voicebot.tickets.tables import TicketStepRow

MONDAY = 1_795_395_600.0
"""2026-11-23 09:00 in Beijing."""
DAY = 86_400.0
AGENT = Actor("王座席", "agent")
SUPERVISOR = Actor("李督办", "supervisor")
WORDS = {"call_id": "C1", "matter": "路灯坏了", "place": "和平大道", "number": "13800138000"}
USUAL: dict[str, Any] = {"why": "原因", "department": "市水务局", "answer": "已修复。", "days": 5}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ticket_engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres_server")
        name = server.lend()
        url = server.url(name)
    else:
        url = f"sqlite:///{tmp_path_factory.mktemp('tickets') / 'voicebot.db'}"
        migrate(url)
    engine = open_engine(url, writes=True)
    yield engine
    engine.dispose()
    if request.param == "postgresql":
        server.give_back(name)


@pytest.fixture
def desk(ticket_engine: Engine) -> Iterator[Session]:
    with Session(ticket_engine) as session:
        yield session
        session.rollback()


def opened(session: Session, ticket: str = "C1-t1", at: float = MONDAY, **values: Any) -> TicketRow:
    words = {**WORDS, "region": "460106", **values}
    return opening.save(session, ticket=ticket, at=at, **words)


def act(
    session: Session,
    kind: Act,
    ticket: str = "C1-t1",
    at: float = MONDAY,
    by: Actor = AGENT,
    version: int | None = None,
    **values: Any,
) -> TicketRow:
    """An act that lacks nothing."""
    request = Request(kind, at, **{**USUAL, **values})
    return acts.perform(session, ticket, request, by, version=version)


def steps(session: Session, ticket: str = "C1-t1") -> list[TicketStepRow]:
    found = select(TicketStepRow).where(TicketStepRow.ticket == ticket)
    return list(session.scalars(found.order_by(TicketStepRow.version)))


def sent(session: Session, subject: str) -> list[dict[str, Any]]:
    """What was put out about a ticket or an order."""
    found = select(EnvelopeRow).where(EnvelopeRow.subject == subject)
    return [row.envelope for row in session.scalars(found.order_by(EnvelopeRow.sequence))]
