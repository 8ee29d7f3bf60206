"""Lists of entries: every entry in one short row, and pages that go on where the last one ended."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from kb import ledger, lifecycle, store, summary
from kb.entry import Status
from kb.errors import StepRefused
from kb.ledger import Act
from kb.summary import Wanted
from tests.kb.conftest import NOON, make_entry, publish_all

AUTHOR, REVIEWER = Act("甲", at=NOON), Act("乙", at=NOON)


def ids(page: summary.Page) -> list[str]:
    return [entry.id for entry in page.entries]


def all_pages(session: Session, wanted: Wanted, **how: Any) -> list[str]:
    found: list[str] = []
    after = ""
    while True:
        page = summary.page(session, wanted, after=after, **how)
        found += ids(page)
        if page.next is None:
            return found
        after = page.next


@pytest.fixture
def many(session: Session) -> Session:
    publish_all(
        session,
        [
            make_entry(
                f"e-{number:02}",
                f"第{number}件事怎么办",
                department="公安厅" if number % 3 else "人社厅",
                region="460100" if number % 2 else "",
                valid_to=date(2026, 12, 1 + number % 5),
            )
            for number in range(23)
        ],
    )
    return session


def test_the_entry_that_was_changed_last_comes_first(many: Session) -> None:
    lifecycle.edit(many, "e-07", {"answer": "新的答复。"}, AUTHOR)
    page = summary.page(many, Wanted(), limit=2)
    assert ids(page) == ["e-07", "e-22"]
    assert (page.entries[0].version, page.entries[0].status) == (2, Status.DRAFT)


@pytest.mark.parametrize("limit", [1, 4, 22, 23, 50])
@pytest.mark.parametrize("order", ["recent", "ending"])
def test_pages_hold_every_entry_once(many: Session, order: Any, limit: int) -> None:
    found = all_pages(many, Wanted(), order=order, limit=limit)
    assert sorted(found) == [f"e-{number:02}" for number in range(23)]


def test_what_ends_first_comes_first(many: Session) -> None:
    page = summary.page(many, Wanted(), order="ending", limit=23)
    days = [entry.valid_to for entry in page.entries]
    assert days == sorted(days)


def test_a_list_is_narrowed_by_department_region_state_words_and_end(many: Session) -> None:
    lifecycle.edit(many, "e-06", {"answer": "新的答复。"}, AUTHOR)
    assert all_pages(many, Wanted(status=Status.DRAFT)) == ["e-06"]
    assert "e-07" not in all_pages(many, Wanted(department="人社厅"))
    assert len(all_pages(many, Wanted(department="人社厅"))) == 8
    assert all_pages(many, Wanted(region="", department="人社厅", text="第1")) == ["e-18", "e-12"]
    assert all_pages(many, Wanted(text="e-1", region="460100")) == [
        f"e-{number}" for number in (19, 17, 15, 13, 11)
    ]
    ending = Wanted(ends_from=date(2026, 12, 2), ends_to=date(2026, 12, 2))
    assert all_pages(many, ending, order="ending") == ["e-01", "e-06", "e-11", "e-16", "e-21"]


@pytest.mark.parametrize("text", ["%", "_", "\\", "'"])
def test_signs_of_the_database_are_looked_for_as_they_are(many: Session, text: str) -> None:
    assert all_pages(many, Wanted(text=text)) == []


def test_nothing_is_counted_beyond_what_people_look_at(many: Session) -> None:
    assert summary.count(many, Wanted()) == 23
    assert summary.count(many, Wanted(), most=5) == 6


def test_departments_and_regions_are_named_once(many: Session) -> None:
    assert summary.departments(many) == ["人社厅", "公安厅"]
    assert summary.regions(many) == ["", "460100"]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["e-1", "e-2", "e-3"]),
        st.sampled_from(["edit", "submit", "approve", "reject", "publish", "withdraw", "rollback"]),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(taken=STEPS)
def test_the_short_rows_say_what_the_record_says(taken: list[tuple[str, str]]) -> None:
    engine = sa.create_engine("sqlite://")
    store.metadata.create_all(engine)
    with Session(engine) as session:
        for name in ("e-1", "e-2", "e-3"):
            lifecycle.add(session, make_entry(name, f"{name}怎么办"), AUTHOR)
        for number, (name, what) in enumerate(taken):
            try:
                _take(session, name, what, number)
            except StepRefused:
                continue
        newest = ledger.newest(session)
        rows = summary.page(session, Wanted()).entries
        assert {row.id: (row.version, row.status, row.question) for row in rows} == {
            entry.id: (entry.version, entry.status, entry.question) for entry in newest.values()
        }
    engine.dispose()


def _take(session: Session, name: str, what: str, number: int) -> None:
    if what == "edit":
        lifecycle.edit(session, name, {"answer": f"答复{number}。"}, AUTHOR)
    elif what == "rollback":
        lifecycle.rollback(session, name, 1, AUTHOR)
    elif what == "reject":
        lifecycle.reject(session, name, Act("乙", "再改改", at=NOON))
    else:
        getattr(lifecycle, what)(session, name, REVIEWER if what == "approve" else AUTHOR)
