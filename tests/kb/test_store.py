from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kb import lifecycle
from kb.entry import Entry, Safety, Status
from kb.errors import SamePerson
from kb.ledger import Act
from kb.slot_store import import_slots
from kb.slots import Slot
from kb.store import (
    close_gap,
    gaps,
    history,
    import_entries,
    import_gaps,
    import_phrasings,
    newest,
    next_step,
    published,
    revision,
)
from kb.tables import versions
from tests.kb.conftest import NOON, TODAY, make_entry, publish_all

ENTRY = make_entry("x-1", "怎么办证")
TOMORROW = TODAY + timedelta(days=1)


def ids(session: Session, at: date = TODAY) -> list[str]:
    return [entry.id for entry in published(session, at)]


def spoken(session: Session, at: date = TODAY) -> list[int]:
    return [entry.version for entry in published(session, at)]


def test_a_published_valid_entry_comes_back_as_it_was_with_its_version(session: Session) -> None:
    entry = replace(ENTRY, lines=("12333",), audience="企业", safety=Safety.ASK)
    publish_all(session, [entry])
    assert published(session, TODAY) == [replace(entry, version=1)]


def test_an_unchanged_row_makes_no_version_and_no_revision(session: Session) -> None:
    publish_all(session, [ENTRY])
    before = revision(session)
    stored = import_entries(session, [ENTRY], "丙")
    assert stored.unchanged == ("x-1",)
    assert revision(session) == before
    assert len(history(session, "x-1")) == 1


def test_a_change_is_a_new_version_with_who_when_and_why(session: Session) -> None:
    import_entries(session, [ENTRY], "甲", at=NOON)
    stored = import_entries(
        session, [replace(ENTRY, answer="新的答复。")], "丙", why="政策变了", login="pc7", at=NOON
    )
    assert stored.changed == ("x-1",)
    first, second = history(session, "x-1")
    assert (first.entry.version, second.entry.version, second.based_on) == (1, 2, 1)
    assert (second.who, second.login, second.why, second.at) == ("丙", "pc7", "政策变了", NOON)


@pytest.mark.parametrize("status", list(Status))
def test_whatever_a_file_says_nothing_is_spoken_that_nobody_has_reviewed(
    session: Session, status: Status
) -> None:
    import_entries(session, [replace(ENTRY, status=status)], "甲", publish=True, at=NOON)
    assert ids(session) == []


@pytest.mark.parametrize(
    ("status", "reached"),
    [
        (Status.DRAFT, [Status.DRAFT]),
        (Status.IN_REVIEW, [Status.IN_REVIEW]),
        (Status.APPROVED, [Status.IN_REVIEW, Status.APPROVED]),
        (Status.PUBLISHED, [Status.IN_REVIEW, Status.APPROVED]),
        (Status.EXPIRED, [Status.EXPIRED]),
        (Status.WITHDRAWN, [Status.WITHDRAWN]),
    ],
)
def test_a_reviewed_file_takes_each_row_as_far_as_it_says(
    session: Session, status: Status, reached: list[Status]
) -> None:
    import_entries(session, [replace(ENTRY, status=status)], "甲", reviewed_by="乙")
    assert [step.status for step in history(session, "x-1")[0].steps] == reached
    assert ids(session) == []


def test_the_reviewer_of_a_file_is_not_its_importer(session: Session) -> None:
    with pytest.raises(SamePerson, match="甲"):
        import_entries(session, [ENTRY], "甲", reviewed_by=" 甲 ", publish=True)
    assert history(session, "x-1") == []


def test_nor_did_the_reviewer_write_the_draft_that_a_row_builds_upon(session: Session) -> None:
    import_entries(session, [replace(ENTRY, status=Status.DRAFT)], "乙")
    with pytest.raises(SamePerson, match="乙"):
        publish_all(session, [replace(ENTRY, keywords=("证",))])


def test_a_second_import_that_names_a_reviewer_takes_the_same_rows_on(session: Session) -> None:
    import_entries(session, [ENTRY], "甲", at=NOON)
    assert publish_all(session, [ENTRY]).changed == ("x-1",)
    assert spoken(session) == [1]


@pytest.mark.parametrize(
    ("day", "is_spoken"),
    [
        (date(2025, 12, 31), False),
        (date(2026, 1, 1), True),
        (date(2026, 12, 31), True),
        (date(2027, 1, 1), False),
    ],
)
def test_validity_includes_both_its_ends(session: Session, day: date, is_spoken: bool) -> None:
    publish_all(session, [ENTRY], at=datetime(2025, 6, 1, tzinfo=UTC))
    assert bool(ids(session, day)) is is_spoken


def test_days_begin_and_end_in_hainan(session: Session) -> None:
    publish_all(session, [ENTRY])
    last_second = datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC)
    assert ids(session, last_second) == ["x-1"]
    assert ids(session, last_second + timedelta(seconds=1)) == []
    assert ids(session, datetime(2026, 12, 31, 23, 59)) == ["x-1"]  # a naive moment is Hainan's


def test_nothing_is_spoken_before_it_was_published(session: Session) -> None:
    publish_all(session, [ENTRY])
    assert ids(session, NOON - timedelta(seconds=1)) == []
    assert ids(session, NOON) == ["x-1"]


def test_a_draft_does_not_hide_what_is_published(session: Session) -> None:
    publish_all(session, [ENTRY])
    import_entries(session, [replace(ENTRY, answer="还没审。", status=Status.DRAFT)], "甲")
    assert spoken(session) == [1]
    publish_all(session, [replace(ENTRY, answer="还没审。")])
    assert published(session, TODAY)[0].answer == "还没审。"


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.WITHDRAWN])
def test_what_a_file_ends_stays_silent_although_older_versions_were_published(
    session: Session, status: Status
) -> None:
    publish_all(session, [ENTRY])
    import_entries(session, [replace(ENTRY, status=status)], "甲", at=NOON)
    import_entries(session, [replace(ENTRY, answer="改写中。", status=Status.DRAFT)], "甲")
    assert ids(session) == []


def test_what_was_ended_comes_back_only_through_review(session: Session) -> None:
    publish_all(session, [ENTRY])
    import_entries(session, [replace(ENTRY, status=Status.EXPIRED)], "甲", at=NOON)
    import_entries(session, [ENTRY], "甲", at=NOON)
    assert ids(session) == []
    publish_all(session, [ENTRY])
    assert spoken(session) == [2]


def test_a_shortened_validity_does_not_bring_the_older_version_back(session: Session) -> None:
    publish_all(session, [ENTRY])
    publish_all(session, [replace(ENTRY, valid_to=TODAY - timedelta(days=1))])
    assert ids(session) == []


def test_new_wording_takes_over_on_its_first_day(session: Session) -> None:
    publish_all(session, [ENTRY])
    publish_all(session, [replace(ENTRY, answer="明天起。", valid_from=TOMORROW)])
    assert spoken(session) == [1]
    assert spoken(session, TOMORROW) == [2]
    midnight = datetime(2026, 11, 24, 16, tzinfo=UTC)
    assert published(session, NOON)[0].until == midnight
    assert next_step(session, NOON) == midnight
    assert next_step(session, midnight) is None


@pytest.mark.parametrize(
    "changes",
    [{"safety": "perhaps"}, {"valid_to": date(2020, 1, 1)}, {"version": 0}, {"valid_to": None}],
)
def test_the_database_itself_refuses_what_could_slip_through(
    session: Session, changes: dict[str, object]
) -> None:
    import_entries(session, [ENTRY], "甲")
    row = dict(session.execute(sa.select(versions)).mappings().one())
    with pytest.raises(IntegrityError):
        session.execute(sa.insert(versions).values(**(row | {"version": 2} | changes)))


def test_an_import_that_fails_leaves_nothing_behind(session: Session) -> None:
    broken = replace(make_entry("x-2", "另一个"), valid_from=date(2027, 1, 1))
    with pytest.raises(IntegrityError):
        publish_all(session, [ENTRY, broken])
    assert ids(session) == []
    assert revision(session) == 0


def test_phrasings_come_with_the_entry_and_survive_a_new_version(session: Session) -> None:
    import_phrasings(session, {"x-1": ("乙问法", "甲问法")}, "甲")
    publish_all(session, [ENTRY])
    assert import_phrasings(session, {"x-1": ("甲问法", "丙问法", "丙问法")}, "甲") == 1
    publish_all(session, [replace(ENTRY, answer="新的。")])
    assert published(session, TODAY)[0].phrasings == ("乙问法", "甲问法", "丙问法")


def test_the_newest_versions_come_with_their_phrasings_and_the_values_of_their_slots(
    session: Session,
) -> None:
    publish_all(session, [make_entry("x-1", "怎么办证", answer="请打{电话}。")])
    import_phrasings(session, {"x-1": ["证在哪办"]}, "甲")
    phone = Slot("电话", "", "12345", "", date(2026, 1, 1), date(2026, 12, 31))
    import_slots(session, [phone], Act("甲"), "乙")
    (entry,) = newest(session)
    assert entry.wordings == ("怎么办证", "证在哪办")
    assert entry.slots == (phone,)


def test_every_change_moves_the_revision_on(session: Session) -> None:
    seen = [revision(session)]
    publish_all(session, [ENTRY])
    seen.append(revision(session))
    import_phrasings(session, {"x-1": ("问法",)}, "甲")
    seen.append(revision(session))
    import_gaps(session, ["没有的问题"], "甲")
    seen.append(revision(session))
    lifecycle.withdraw(session, "x-1", Act("甲", "作废"))
    seen.append(revision(session))
    assert seen == sorted(set(seen))
    assert gaps(session) == ("没有的问题",)
    assert close_gap(session, "没有的问题")
    assert not close_gap(session, "没有的问题")
    assert gaps(session) == ()
    assert revision(session) == seen[-1] + 1


def test_an_entry_given_twice_counts_once_and_the_last_wins(session: Session) -> None:
    twice: list[Entry] = [ENTRY, replace(ENTRY, answer="后一个。")]
    publish_all(session, twice)
    assert published(session, TODAY)[0].answer == "后一个。"


def test_what_a_withheld_entry_asks_counts_as_a_gap_but_its_answer_is_nowhere(
    session: Session,
) -> None:
    import_phrasings(session, {"x-2": ("另一种问法",)}, "甲")
    withheld = make_entry("x-2", "还没审的问题", status=Status.DRAFT)
    publish_all(session, [ENTRY, withheld])
    assert gaps(session, TODAY) == ("另一种问法", "还没审的问题")
    publish_all(session, [replace(withheld, status=Status.PUBLISHED)])
    assert gaps(session, TODAY) == ()
