"""Lists of the knowledge desk and what is spoken of each entry, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from kb import store
from kb.entry import Status
from kb.entry_form import values_of
from kb.ledger import Act
from kb.summary import Wanted
from tests.kb.conftest import NOON, make_entry
from voicebot.knowledge_desk import entries
from voicebot.records.store import Records

pytestmark = pytest.mark.usefixtures("database_url")


def _written(session: Session) -> None:
    given = [make_entry("a-1", "社保卡丢了怎么补办"), make_entry("a-2", "怎么申请公租房")]
    store.import_entries(session, given, "甲", at=NOON, reviewed_by="乙", publish=True)
    values = values_of(given[0])
    act = Act("丙", at=NOON)
    entries.change(session, "a-1", values | {"answer": "新的。"}, act, seen=1, submit=True)
    entries.take(session, "a-2", "withdraw", Act("乙", at=NOON), at=NOON + timedelta(hours=1))


async def test_a_list_tells_the_newest_version_and_the_one_that_is_spoken(
    records: Records,
) -> None:
    await records.transact(_written)
    now = await records.read(entries.listed, Wanted(), NOON)
    assert [(each.summary.id, each.summary.version, each.spoken) for each in now.entries] == [
        ("a-2", 1, 1),
        ("a-1", 2, 1),
    ]
    later = await records.read(entries.listed, Wanted(), NOON + timedelta(hours=2))
    assert [each.spoken for each in later.entries] == [None, 1]
    waiting = await records.read(entries.listed, Wanted(status=Status.IN_REVIEW), NOON)
    assert [each.summary.id for each in waiting.entries] == ["a-1"]


async def test_pages_by_their_end_go_on_where_the_one_before_ended(records: Records) -> None:
    await records.transact(_written)
    first = await records.read(entries.listed, Wanted(), NOON, order="ending", limit=1)
    assert first.next is not None
    second = await records.read(entries.listed, Wanted(), NOON, order="ending", after=first.next)
    assert [p.entries[0].summary.id for p in (first, second)] == ["a-1", "a-2"]
