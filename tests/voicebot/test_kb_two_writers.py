"""Two people change the knowledge base at one moment: neither overwrites the other unseen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from kb import lifecycle, store
from kb.entry import Entry
from kb.errors import Outdated, StepRefused
from kb.ledger import Act
from tests.kb.conftest import NOON, TODAY, make_entry, publish_all
from voicebot.records.database import migrate, open_engine

AUTHOR = Act("甲", at=NOON)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    migrate(database_url)
    opened = open_engine(database_url, writes=True, patience_s=30.0)
    yield opened
    opened.dispose()


def together(
    engine: Engine, *acts: Callable[[Session], Entry]
) -> tuple[list[Entry], list[BaseException]]:
    """Each in a transaction of its own; the second begins while the first is not committed."""
    first_has_written, second_is_done = threading.Event(), threading.Event()

    def first() -> Entry:
        with Session(engine) as session, session.begin():
            done = acts[0](session)
            first_has_written.set()
            # It has to wait for us, so this is how long it may do what it must not.
            second_is_done.wait(0.5)
            return done

    def second() -> Entry:
        assert first_has_written.wait(30)
        try:
            with Session(engine) as session, session.begin():
                return acts[1](session)
        finally:
            second_is_done.set()

    with ThreadPoolExecutor(2) as pool:
        futures: list[Future[Entry]] = [pool.submit(first), pool.submit(second)]
        faults = [fault for each in futures if (fault := each.exception()) is not None]
        return [each.result() for each in futures if each.exception() is None], faults


def test_of_two_authors_of_one_version_the_later_is_told(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        lifecycle.add(session, make_entry("x-1", "社保卡丢了怎么补办"), AUTHOR)

    def edit(answer: str) -> Callable[[Session], Entry]:
        return lambda session: lifecycle.edit(session, "x-1", {"answer": answer}, AUTHOR, seen=1)

    done, faults = together(engine, edit("一"), edit("二"))
    assert [entry.answer for entry in done] == ["一"]
    assert [type(fault) for fault in faults] == [Outdated]


def test_of_two_first_entries_of_one_id_one_is_refused(engine: Engine) -> None:
    """In an empty knowledge base, too."""
    entry = make_entry("x-1", "社保卡丢了怎么补办")
    done, faults = together(engine, *[lambda session: lifecycle.add(session, entry, AUTHOR)] * 2)
    assert len(done) == 1
    assert [type(fault) for fault in faults] == [StepRefused]


def test_what_was_published_is_spoken(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        publish_all(session, [make_entry("x-1", "社保卡丢了怎么补办")])
        (entry,) = store.published(session, TODAY)
        assert entry.question == "社保卡丢了怎么补办"
