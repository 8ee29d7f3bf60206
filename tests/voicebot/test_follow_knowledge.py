"""A running service hears of a withdrawal at once, whatever the making of the index does (R18)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from kb import lifecycle, store
from kb.entry import Entry, by_id
from tests.kb.conftest import NOON, make_entry
from tests.voicebot.test_knowledge import (
    AUTHOR,
    MINUTE,
    Clock,
    administrator,
    base,
    clock,
    embedder,
    reviewed,
)
from voicebot import knowledge_following
from voicebot.config import Settings
from voicebot.knowledge import Knowledge, KnowledgeBase

__all__ = ["base", "clock", "embedder"]

FIRST, SECOND = make_entry("a-1", "社保卡丢了怎么补办"), make_entry("a-2", "怎么申请公租房")


class Base:
    """A knowledge base whose index is made when the test says so, or cannot be made."""

    def __init__(self, *published: Entry) -> None:
        self.published = by_id(published)
        self.revision, self.opened, self.opens = 2, 1, 0
        self.unreadable, self.index_fails = False, False
        self.made = threading.Event()
        self.making = threading.Event()

    def publish(self, *entries: Entry) -> None:
        self.published, self.revision = by_id(entries), self.revision + 1

    def changed(self) -> dict[str, Entry] | None:
        if self.unreadable:
            raise OSError("The database is locked.")
        return self.published if self.revision != self.opened else None

    def open(self, _: Any) -> Knowledge:
        self.opens += 1
        entries, revision = self.published, self.revision
        self.making.set()
        assert self.made.wait(60)
        if self.index_fails:
            raise OSError("No space left on device.")
        self.opened = revision
        return Knowledge(None, entries, revision)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowledge_following, "KNOWLEDGE_CHECK_S", 0.005)


@asynccontextmanager
async def followed(base: Base) -> AsyncIterator[Any]:
    engines = SimpleNamespace(embedder=None, knowledge=Knowledge(None, by_id([FIRST]), 1))
    following = asyncio.create_task(
        knowledge_following.follow_knowledge(cast(Any, base), cast(Any, engines))
    )
    try:
        yield engines
    finally:
        base.made.set()
        following.cancel()


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not reached():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_withdrawal_is_heard_while_an_index_is_being_made() -> None:
    base = Base(FIRST, SECOND)
    async with followed(base) as engines:
        await until(base.making.is_set)
        assert set(engines.knowledge.entries) == {"a-1", "a-2"}
        base.publish(SECOND)
        await until(lambda: set(engines.knowledge.entries) == {"a-2"})
        assert base.opens == 1


async def test_what_was_withdrawn_meanwhile_stays_so_when_the_index_is_there() -> None:
    base = Base(FIRST, SECOND)
    seen: list[set[str]] = []
    async with followed(base) as engines:
        await until(base.making.is_set)
        base.publish(SECOND)
        await until(lambda: set(engines.knowledge.entries) == {"a-2"})
        base.made.set()

        def reopened() -> bool:
            seen.append(set(engines.knowledge.entries))
            return bool(engines.knowledge.revision == base.revision)

        await until(reopened)
    assert all(entries == {"a-2"} for entries in seen)


async def test_a_withdrawal_is_heard_while_no_index_can_be_made() -> None:
    base = Base(FIRST, SECOND)
    base.index_fails = True
    base.made.set()
    async with followed(base) as engines:
        await until(lambda: base.opens >= 2)
        base.publish(SECOND)
        await until(lambda: set(engines.knowledge.entries) == {"a-2"})


async def test_an_index_that_cannot_be_made_is_tried_more_and_more_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(knowledge_following, "KNOWLEDGE_RETRY_S", 3600.0)
    base = Base(FIRST, SECOND)
    base.index_fails = True
    base.made.set()
    looks = 0
    changed = base.changed

    def counted() -> dict[str, Entry] | None:
        nonlocal looks
        looks += 1
        return changed()

    base.changed = counted  # type: ignore[method-assign]
    with capture_logs() as logs:
        async with followed(base):
            await until(lambda: looks >= 60)
    assert base.opens <= looks // 4
    assert len([line for line in logs if line["event"] == "knowledge_base_not_reloaded"]) == 1


async def test_a_finished_index_waits_until_it_is_known_what_was_withdrawn_since() -> None:
    base = Base(FIRST, SECOND)
    async with followed(base) as engines:
        await until(base.making.is_set)
        base.publish(SECOND)
        await until(lambda: set(engines.knowledge.entries) == {"a-2"})
        base.unreadable = True
        base.made.set()
        await until(lambda: base.opened == 2)
        await asyncio.sleep(0.05)
        assert set(engines.knowledge.entries) == {"a-2"}
        base.unreadable = False
        await until(lambda: engines.knowledge.revision == base.revision)
        assert set(engines.knowledge.entries) == {"a-2"}


def test_what_is_published_is_read_once_until_it_changes_however_long_the_index_takes(
    base: KnowledgeBase,
    settings: Settings,
    embedder: Any,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base.open(embedder)
    reads: list[datetime] = []
    published = store.published

    def counted(session: Session, at: datetime) -> tuple[Entry, ...]:
        reads.append(at)
        return tuple(published(session, at))

    monkeypatch.setattr(store, "published", counted)

    def looks() -> set[str]:
        found = [base.changed() for _ in range(3)]
        assert found[0] is not None
        return set(found[0])

    with administrator(settings) as session:
        reviewed(session, "新的答复。")
        lifecycle.publish(session, "x-1", AUTHOR)
    assert looks() == {"a-1", "x-1"}
    with administrator(settings) as session:
        lifecycle.withdraw(session, "x-1", AUTHOR, effective_at=NOON + MINUTE)
    assert looks() == {"a-1", "x-1"}
    clock.at = NOON + MINUTE
    assert looks() == {"a-1"}
    assert set(base.open(embedder).entries) == {"a-1"}
    assert len(reads) == 3
