"""A running service makes its index anew for what is published, and for nothing else on record."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from kb import ledger, lifecycle, store
from kb.entry import Status
from kb.ledger import Act
from kb.slot_store import import_slots
from tests.kb.conftest import NOON, make_entry, publish_all
from tests.voicebot.conftest import Voicebot
from tests.voicebot.test_accounts_migration import to_revision
from tests.voicebot.test_knowledge import (
    AUTHOR,
    MINUTE,
    REVIEWER,
    Clock,
    administrator,
    base,
    clock,
    embedder,
    reviewed,
    taken_up,
    value,
)
from voicebot.config import Settings
from voicebot.knowledge import KnowledgeBase
from voicebot.records.database import open_engine

__all__ = ["base", "clock", "embedder"]

pytestmark = pytest.mark.usefixtures("database_url")

NEW = make_entry("x-2", "怎么申请公租房", variants=("低收入家庭租房",), status=Status.DRAFT)
SENT_BACK = Act("乙", "答复里没有电话", at=NOON)


def draft_of_what_is_spoken(session: Session) -> None:
    lifecycle.edit(session, "x-1", {"answer": "新的答复。"}, AUTHOR)


def draft_of_a_new_entry(session: Session) -> None:
    lifecycle.add(session, NEW, AUTHOR)


def rejected(session: Session) -> None:
    lifecycle.edit(session, "x-1", {"answer": "新的答复。"}, AUTHOR, submit=True)
    lifecycle.reject(session, "x-1", SENT_BACK)


def approved(session: Session) -> None:
    reviewed(session, "新的答复。")


def file_of_drafts(session: Session) -> None:
    store.import_entries(session, [NEW], "甲", at=NOON)


QUIET = [draft_of_what_is_spoken, draft_of_a_new_entry, rejected, approved, file_of_drafts]


def published(session: Session) -> None:
    reviewed(session, "新的答复。")
    lifecycle.publish(session, "x-1", AUTHOR)


def published_for_later(session: Session) -> None:
    reviewed(session, "新的答复。")
    lifecycle.publish(session, "x-1", AUTHOR, effective_at=NOON + MINUTE)


def withdrawn(session: Session) -> None:
    lifecycle.withdraw(session, "x-1", AUTHOR)


def expired_by_a_file(session: Session) -> None:
    ended = make_entry("x-1", "怎么办居住证", answer="旧的答复。", status=Status.EXPIRED)
    store.import_entries(session, [ended], "甲", at=NOON)


def rolled_back(session: Session) -> None:
    published(session)
    lifecycle.rollback(session, "x-1", 1, AUTHOR)


def phrasing(session: Session) -> None:
    store.import_phrasings(session, {"x-1": ["居住证在哪办"]}, "甲")


def gap(session: Session) -> None:
    store.import_gaps(session, ["怎么养骆驼"], "甲")


def slot(session: Session) -> None:
    import_slots(session, [value("", "一二三")], AUTHOR, REVIEWER.who)


HEARD = [
    published,
    published_for_later,
    withdrawn,
    expired_by_a_file,
    rolled_back,
    phrasing,
    gap,
    slot,
]


@pytest.mark.parametrize("work", QUIET)
def test_what_is_not_published_costs_a_running_service_nothing(
    base: KnowledgeBase, settings: Settings, embedder: Any, work: Callable[[Session], None]
) -> None:
    base.open(embedder)
    with administrator(settings) as session:
        before = store.revision(session)
        work(session)
        assert store.revision(session) > before
    assert base.changed() is None


@pytest.mark.parametrize("work", HEARD)
def test_what_calls_search_in_or_are_told_is_taken_up_once(
    base: KnowledgeBase, settings: Settings, embedder: Any, work: Callable[[Session], None]
) -> None:
    before = base.open(embedder)
    with administrator(settings) as session:
        work(session)
    fresh = taken_up(base, embedder)
    assert fresh is not None
    assert fresh.revision > before.revision
    assert base.changed() is None


def test_a_gap_that_is_closed_is_taken_up(
    base: KnowledgeBase, settings: Settings, embedder: Any
) -> None:
    with administrator(settings) as session:
        gap(session)
    base.open(embedder)
    with administrator(settings) as session:
        assert store.close_gap(session, "怎么养骆驼")
    assert taken_up(base, embedder) is not None
    with administrator(settings) as session:
        assert not store.close_gap(session, "怎么养骆驼")
    assert base.changed() is None


def test_the_minute_of_a_planned_step_is_taken_up_whatever_was_drafted_meanwhile(
    base: KnowledgeBase, settings: Settings, embedder: Any, clock: Clock
) -> None:
    with administrator(settings) as session:
        published_for_later(session)
    base.open(embedder)
    with administrator(settings) as session:
        lifecycle.edit(session, "x-1", {"answer": "再改。"}, AUTHOR)
    assert base.changed() is None
    clock.at = NOON + MINUTE
    fresh = taken_up(base, embedder)
    assert fresh is not None
    assert fresh.entries["x-1"].answer == "新的答复。"


def test_services_that_start_before_and_after_a_draft_search_in_the_same(
    base: KnowledgeBase, settings: Settings, embedder: Any
) -> None:
    running = base.open(embedder)
    with administrator(settings) as session:
        draft_of_a_new_entry(session)
    later = KnowledgeBase(settings)
    embedder.embedded.clear()
    started = later.open(embedder)
    later.close()
    assert started.revision == running.revision
    assert embedder.embedded == []


def test_what_was_drafted_is_known_not_to_be_answered_from_the_next_publication_on(
    base: KnowledgeBase, settings: Settings
) -> None:
    def gaps() -> tuple[str, ...]:
        with administrator(settings) as session:
            return store.gaps(session, NOON)

    with administrator(settings) as session:
        draft_of_a_new_entry(session)
    assert gaps() == ()
    with administrator(settings) as session:
        published(session)
    assert gaps() == ("低收入家庭租房", "怎么申请公租房")
    with administrator(settings) as session:
        publish_all(session, [make_entry("x-2", NEW.question, variants=NEW.variants)])
    assert gaps() == ()


def test_a_draft_and_a_withdrawal_at_the_command_line_are_told_apart(
    base: KnowledgeBase, settings: Settings, embedder: Any, clock: Clock, voicebot: Voicebot
) -> None:
    def kb(*arguments: str) -> None:
        done = voicebot(
            "kb", *arguments, "--as", "甲", "--why", "因", "--json",
            VOICEBOT_DATABASE__URL=settings.database_url,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)

    with administrator(settings) as session:
        publish_all(session, [make_entry("x-2", "怎么办护照")])
    base.open(embedder)
    kb("edit", "x-2", "--set", "answer=新的答复。")
    assert base.changed() is None
    kb("withdraw", "x-2")
    assert base.changed() is not None


def test_a_knowledge_base_of_before_keeps_its_number_and_all_that_is_on_record(
    empty_database_url: str,
) -> None:
    to_revision(empty_database_url, "0022")
    engine = open_engine(empty_database_url, writes=True)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO kb_revision (singleton, number) VALUES (1, 7)"))
    to_revision(empty_database_url, "0025")
    with Session(engine) as session, session.begin():
        assert store.published_revision(session) == 7
        publish_all(session, [make_entry("x-1", "怎么办居住证")])
        session.info.pop(ledger.DECIDED)  # there was nowhere to tell it
        assert store.published_revision(session) == 8
    to_revision(empty_database_url, "0022", down=True)
    with Session(engine) as session:
        assert store.revision(session) == 8
    engine.dispose()
