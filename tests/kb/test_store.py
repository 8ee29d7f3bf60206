from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kb.entry import Entry, Status
from kb.errors import UnknownEntry
from kb.store import (
    close_gap,
    entry_versions,
    gaps,
    history,
    import_entries,
    import_gaps,
    import_phrasings,
    published,
    revision,
    set_status,
)
from tests.kb.conftest import TODAY, make_entry

ENTRY = make_entry("x-1", "怎么办证")


def ids(session: Session, on: date = TODAY) -> list[str]:
    return [entry.id for entry in published(session, on)]


def test_an_approved_valid_entry_comes_back_as_it_was_with_its_version(session: Session) -> None:
    import_entries(session, [ENTRY], "管理员")
    assert published(session, TODAY) == [replace(ENTRY, version=1)]


def test_an_unchanged_row_makes_no_version_and_no_revision(session: Session) -> None:
    import_entries(session, [ENTRY], "甲")
    before = revision(session)
    stored = import_entries(session, [ENTRY], "乙")
    assert stored.unchanged == ("x-1",)
    assert revision(session) == before
    assert len(history(session, "x-1")) == 1


def test_a_change_is_a_new_version_with_who_when_and_why(session: Session) -> None:
    at = datetime(2026, 11, 24, 8, tzinfo=UTC)
    import_entries(session, [ENTRY], "甲", at=at)
    stored = import_entries(
        session, [replace(ENTRY, answer="新的答复。")], "乙", why="政策变了", at=at
    )
    assert stored.changed == ("x-1",)
    first, second = history(session, "x-1")
    assert (first.entry.version, second.entry.version) == (1, 2)
    assert (second.who, second.why) == ("乙", "政策变了")
    assert published(session, TODAY)[0].answer == "新的答复。"


@pytest.mark.parametrize("status", [Status.DRAFT, Status.IN_REVIEW, Status.EXPIRED])
def test_nothing_but_approved_is_published(session: Session, status: Status) -> None:
    import_entries(session, [replace(ENTRY, status=status)], "甲")
    assert ids(session) == []


@pytest.mark.parametrize(
    ("day", "spoken"),
    [
        (date(2025, 12, 31), False),
        (date(2026, 1, 1), True),
        (date(2026, 12, 31), True),
        (date(2027, 1, 1), False),
    ],
)
def test_validity_includes_both_its_ends(session: Session, day: date, spoken: bool) -> None:
    import_entries(session, [ENTRY], "甲")
    assert bool(ids(session, day)) is spoken


def test_a_moment_of_the_day_counts_as_the_day(session: Session) -> None:
    import_entries(session, [ENTRY], "甲")
    assert ids(session, datetime(2026, 12, 31, 23, 59)) == ["x-1"]


def test_a_draft_does_not_hide_the_approved_version(session: Session) -> None:
    import_entries(session, [ENTRY], "甲")
    import_entries(session, [replace(ENTRY, answer="还没审。", status=Status.DRAFT)], "甲")
    assert [e.version for e in published(session, TODAY)] == [1]
    set_status(session, "x-1", Status.APPROVED, "主任", why="审核通过")
    assert published(session, TODAY)[0].answer == "还没审。"


def test_an_expired_entry_stays_silent_although_older_versions_were_approved(
    session: Session,
) -> None:
    import_entries(session, [ENTRY], "甲")
    set_status(session, "x-1", Status.EXPIRED, "主任", why="作废")
    import_entries(session, [replace(ENTRY, answer="改写中。", status=Status.DRAFT)], "甲")
    assert ids(session) == []


def test_a_shortened_validity_does_not_bring_the_older_version_back(session: Session) -> None:
    import_entries(session, [ENTRY], "甲")
    import_entries(session, [replace(ENTRY, valid_to=TODAY - timedelta(days=1))], "甲")
    assert ids(session) == []


def test_new_wording_takes_over_on_its_first_day(session: Session) -> None:
    tomorrow = TODAY + timedelta(days=1)
    import_entries(session, [ENTRY], "甲")
    import_entries(session, [replace(ENTRY, answer="明天起。", valid_from=tomorrow)], "甲")
    assert [e.version for e in published(session, TODAY)] == [1]
    assert [e.version for e in published(session, tomorrow)] == [2]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "Approved"},
        {"status": "approved "},
        {"status": ""},
        {"valid_to": date(2020, 1, 1)},
        {"version": 0},
        {"valid_to": None},
    ],
)
def test_the_database_itself_refuses_what_could_slip_through(
    session: Session, changes: dict[str, object]
) -> None:
    import_entries(session, [ENTRY], "甲")
    row = dict(session.execute(sa.select(entry_versions)).mappings().one())
    with pytest.raises(IntegrityError):
        session.execute(sa.insert(entry_versions).values(**(row | {"version": 2} | changes)))


def test_an_import_that_fails_leaves_nothing_behind(session: Session) -> None:
    broken = replace(make_entry("x-2", "另一个"), valid_from=date(2027, 1, 1))
    with pytest.raises(IntegrityError):
        import_entries(session, [ENTRY, broken], "甲")
    assert ids(session) == []
    assert revision(session) == 0


def test_phrasings_come_with_the_entry_and_survive_a_new_version(session: Session) -> None:
    import_phrasings(session, {"x-1": ("乙问法", "甲问法")}, "甲")
    import_entries(session, [ENTRY], "甲")
    assert import_phrasings(session, {"x-1": ("甲问法", "丙问法", "丙问法")}, "甲") == 1
    import_entries(session, [replace(ENTRY, answer="新的。")], "甲")
    assert published(session, TODAY)[0].phrasings == ("乙问法", "甲问法", "丙问法")


def test_every_change_moves_the_revision_on(session: Session) -> None:
    seen = [revision(session)]
    import_entries(session, [ENTRY], "甲")
    seen.append(revision(session))
    import_phrasings(session, {"x-1": ("问法",)}, "甲")
    seen.append(revision(session))
    import_gaps(session, ["没有的问题"], "甲")
    seen.append(revision(session))
    set_status(session, "x-1", Status.EXPIRED, "甲", why="作废")
    seen.append(revision(session))
    assert seen == sorted(set(seen))
    assert gaps(session) == ("没有的问题",)
    assert close_gap(session, "没有的问题")
    assert not close_gap(session, "没有的问题")
    assert gaps(session) == ()
    assert revision(session) == seen[-1] + 1


def test_an_unknown_entry_is_named(session: Session) -> None:
    with pytest.raises(UnknownEntry, match="x-9"):
        set_status(session, "x-9", Status.APPROVED, "甲", why="")


def test_an_entry_given_twice_counts_once_and_the_last_wins(session: Session) -> None:
    twice: list[Entry] = [ENTRY, replace(ENTRY, answer="后一个。")]
    import_entries(session, twice, "甲")
    assert published(session, TODAY)[0].answer == "后一个。"


def test_what_a_withheld_entry_asks_counts_as_a_gap_but_its_answer_is_nowhere(
    session: Session,
) -> None:
    import_phrasings(session, {"x-2": ("另一种问法",)}, "甲")
    import_entries(session, [ENTRY, make_entry("x-2", "还没审的问题", status=Status.DRAFT)], "甲")
    assert gaps(session, TODAY) == ("另一种问法", "还没审的问题")
    set_status(session, "x-2", Status.APPROVED, "主任", why="审核通过")
    assert gaps(session, TODAY) == ()
