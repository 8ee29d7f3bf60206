"""What is not published, valid and meant for this caller is not read, whatever is tried."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from kb import lifecycle, store
from kb.entry import Entry, Status
from kb.index_file import open_index
from kb.ledger import Act, step_row, version_row
from kb.reading import may_read
from kb.search import Searcher
from kb.tables import steps, versions
from tests.kb.conftest import NOON, LetterEmbedder, make_entry, publish_all

ENTRY = make_entry("x-1", "怎么办居住证")
ACT = Act("甲", at=NOON)


def draft(session: Session) -> None:
    lifecycle.add(session, ENTRY, ACT)


def in_review(session: Session) -> None:
    lifecycle.add(session, ENTRY, ACT, submit=True)


def approved_only(session: Session) -> None:
    in_review(session)
    lifecycle.approve(session, "x-1", Act("乙", at=NOON))


def imported_as_published(session: Session) -> None:
    store.import_entries(session, [ENTRY], "甲", at=NOON, publish=True)


def published_behind_the_stores_back(session: Session) -> None:
    entry = replace(ENTRY, version=1)
    session.execute(sa.insert(versions), [version_row(entry, ACT, None)])
    session.execute(sa.insert(steps), [step_row(entry, Status.PUBLISHED, ACT, NOON)])


def withdrawn(session: Session) -> None:
    publish_all(session, [ENTRY])
    lifecycle.withdraw(session, "x-1", ACT)


def expired(session: Session) -> None:
    publish_all(session, [replace(ENTRY, valid_to=date(2026, 11, 23))])


def published_in_a_minute(session: Session) -> None:
    approved_only(session)
    lifecycle.publish(session, "x-1", ACT, effective_at=NOON + timedelta(minutes=1))


def valid_from_tomorrow(session: Session) -> None:
    publish_all(session, [replace(ENTRY, valid_from=date(2026, 11, 25))])


def for_another_line(session: Session) -> None:
    publish_all(session, [replace(ENTRY, lines=("12333", "96377"))])


def for_another_audience(session: Session) -> None:
    publish_all(session, [replace(ENTRY, audience="企业")])


def for_another_region(session: Session) -> None:
    publish_all(session, [replace(ENTRY, region="460200")])


WAYS = [
    draft, in_review, approved_only, imported_as_published, published_behind_the_stores_back,
    withdrawn, expired, published_in_a_minute, valid_from_tomorrow, for_another_line,
    for_another_audience, for_another_region,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_no_way_around(
    session: Session, embedder: LetterEmbedder, way: Callable[[Session], None]
) -> None:
    publish_all(session, [make_entry("a-1", "社保卡丢了怎么补办")])
    way(session)
    searcher = Searcher.of(store.published(session, NOON), embedder)
    found = searcher.search("怎么办居住证", region="460100", line="12345", on=NOON)
    assert "x-1" not in {candidate.id for candidate in found.candidates}


def test_the_same_entry_published_is_found(session: Session, embedder: LetterEmbedder) -> None:
    publish_all(session, [make_entry("a-1", "社保卡丢了怎么补办"), ENTRY])
    searcher = Searcher.of(store.published(session, NOON), embedder)
    found = searcher.search("怎么办居住证", region="460100", line="12345", on=NOON)
    assert found.candidates[0].id == "x-1"


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.PUBLISHED])
def test_an_index_made_of_what_is_not_published_answers_nothing(
    embedder: LetterEmbedder, status: Status
) -> None:
    searcher = Searcher.of([replace(ENTRY, status=status)], embedder)
    assert searcher.search("怎么办居住证", on=NOON).candidates == ()


def test_an_index_file_of_yesterday_gives_back_nothing_that_was_withdrawn(
    session: Session, embedder: LetterEmbedder, tmp_path: Path
) -> None:
    other = make_entry("a-1", "社保卡丢了怎么补办")
    publish_all(session, [ENTRY, other])
    open_index(store.published(session, NOON), embedder, tmp_path)
    lifecycle.withdraw(session, "x-1", ACT)
    index = open_index(store.published(session, NOON), embedder, tmp_path)
    found = Searcher(index, embedder).search("怎么办居住证", on=NOON)
    assert "x-1" not in {candidate.id for candidate in found.candidates}


def test_an_index_in_memory_falls_silent_at_the_planned_minute_and_at_midnight(
    session: Session, embedder: LetterEmbedder
) -> None:
    minute = NOON + timedelta(minutes=1)
    publish_all(session, [ENTRY, replace(ENTRY, id="x-2", valid_to=date(2026, 11, 24))])
    lifecycle.withdraw(session, "x-1", ACT, effective_at=minute)
    searcher = Searcher.of(store.published(session, NOON), embedder)

    def found(at: datetime) -> set[str]:
        return {found.id for found in searcher.search("怎么办居住证", on=at).candidates}

    assert found(minute - timedelta(seconds=1)) == {"x-1", "x-2"}
    assert found(minute) == {"x-2"}
    midnight = NOON + timedelta(hours=12)
    assert found(midnight - timedelta(seconds=1)) == {"x-2"}
    assert found(midnight) == set()


PUBLISHED = replace(ENTRY, version=1)


@pytest.mark.parametrize(
    ("entry", "region", "line", "audience", "allowed"),
    [
        (PUBLISHED, None, None, None, True),
        (PUBLISHED, "460100", "12345", "企业", True),
        (replace(PUBLISHED, region="460100"), "460106", None, None, True),
        (replace(PUBLISHED, region="460100"), "460200", None, None, False),
        (replace(PUBLISHED, region="460100"), None, None, None, True),
        (replace(PUBLISHED, lines=("12333",)), None, "12333", None, True),
        (replace(PUBLISHED, lines=("12333",)), None, "12345", None, False),
        (replace(PUBLISHED, lines=("12333",)), None, None, None, False),
        (replace(PUBLISHED, lines=("12333",)), None, "", None, False),
        (replace(PUBLISHED, audience="企业"), None, None, "企业", True),
        (replace(PUBLISHED, audience="企业"), None, None, "个人", False),
        (replace(PUBLISHED, audience="企业"), None, None, None, False),
    ],
)
def test_an_entry_is_for_its_region_line_and_audience(
    entry: Entry, region: str | None, line: str | None, audience: str | None, allowed: bool
) -> None:
    assert may_read(entry, NOON, region=region, line=line, audience=audience) is allowed
