"""Messages of 110's, applied by several processes that share a database."""

import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.voicebot.exchange_messages import AT, message, status
from tests.voicebot.exchange_sides import until
from tests.voicebot.ticket_desk import AGENT, MONDAY, opened
from voicebot.exchange.inbox import apply_ready, receive
from voicebot.exchange.schema import Envelope
from voicebot.records.database import open_engine
from voicebot.tickets.acts import perform
from voicebot.tickets.life import Request
from voicebot.tickets.reminding import remind
from voicebot.tickets.states import Act

NOW = AT.timestamp()


@pytest.fixture
def engine(postgresql_url: str) -> Iterator[Engine]:
    opened = open_engine(postgresql_url, writes=True, patience_s=30)
    yield opened
    opened.dispose()


class Process(threading.Thread):
    """Work in a transaction of its own, with what came of it."""

    def __init__(self, engine: Engine, work: Callable[[Session], object]) -> None:
        super().__init__(daemon=True)
        self._engine, self._work = engine, work
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            with Session(self._engine) as session, session.begin():
                self._work(session)
        except BaseException as error:
            self.error = error

    def done(self) -> None:
        self.join(60)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error


async def waits(process: Process, engine: Engine) -> None:
    """Until it waits for a lock, or is over without one."""

    def waits_or_is_over() -> bool:
        with engine.connect() as connection:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            return not process.is_alive() or connection.execute(text(waiting)).scalar_one() > 0

    await until(waits_or_is_over, 30)


async def test_a_message_that_two_processes_apply_at_once_is_applied_once(engine: Engine) -> None:
    applied: list[str] = []
    held, go_on = threading.Event(), threading.Event()

    def handler(session: Session, envelope: Envelope, at: float) -> None:
        applied.append(envelope.id)
        held.set()
        go_on.wait(30)

    with Session(engine) as session, session.begin():
        receive(session, message("F1", 1, status()), at=NOW, handlers={"status": _fails})
    handlers = {"status": handler}
    first = Process(engine, lambda session: apply_ready(session, "F1", at=NOW, handlers=handlers))
    held.wait(30)
    second = Process(engine, lambda session: apply_ready(session, "F1", at=NOW, handlers=handlers))
    await waits(second, engine)
    go_on.set()
    first.done()
    second.done()
    assert applied == ["110:status:F1:1"]


def _fails(session: Session, envelope: Envelope, at: float) -> None:
    raise RuntimeError


async def test_what_110_says_and_what_people_do_wait_for_each_other_in_one_order(
    engine: Engine,
) -> None:
    """An act has the ticket, news comes in, and the act goes on to tell 110."""
    with Session(engine) as session, session.begin():
        opened(session, "F1", channel="110", at=MONDAY)
    with Session(engine) as session, session.begin():
        news = Process(engine, lambda inner: receive(inner, message("F1", 1, status()), at=MONDAY))
        session.execute(text("SELECT id FROM ticket WHERE id = 'F1' FOR UPDATE"))
        await waits(news, engine)
        perform(session, "F1", Request(Act.WITHDRAW, MONDAY, "原因"), AGENT)
    news.done()


async def test_a_reminder_and_what_110_says_wait_for_each_other_in_one_order(
    engine: Engine,
) -> None:
    with Session(engine) as session, session.begin():
        row = opened(session, "F1", channel="110", at=MONDAY)
        session.flush()
        assert row.remind_at is not None
        due_at = row.remind_at
    with Session(engine) as session, session.begin():
        session.execute(text("SELECT id FROM ticket WHERE id = 'F1' FOR UPDATE"))
        news = Process(engine, lambda inner: receive(inner, message("F1", 1, status()), at=MONDAY))
        await waits(news, engine)
        assert remind(session, due_at) == 1
    news.done()


async def test_two_tickets_that_are_linked_to_each_other_wait_in_one_order(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        for name in ("A", "B"):
            opened(session, name)

    def link(ticket: str, main: str) -> Callable[[Session], object]:
        return lambda session: perform(
            session, ticket, Request(Act.LINK, MONDAY, "同一件事", main=main), AGENT
        )

    with Session(engine) as session, session.begin():
        session.execute(text("SELECT id FROM ticket WHERE id = 'A' FOR UPDATE"))
        other = Process(engine, link("B", "A"))
        await waits(other, engine)
        link("A", "B")(session)
    with pytest.raises(Exception, match="A is merged into B"):
        other.done()
