"""A dry run says of each entry what an import would do with it."""

from dataclasses import replace

import pytest

from kb.differences import Difference, differences
from kb.entry import Entry, Status
from tests.kb.conftest import make_entry

KNOWN = make_entry("a-1", "怎么办证", version=3, answer="收二十元。", status=Status.PUBLISHED)


def only(*given: Entry, reviewed: bool = False) -> Difference:
    (found,) = differences({"a-1": KNOWN}, given, reviewed=reviewed, publish=False)
    return found


def test_a_new_entry_is_added() -> None:
    found = only(make_entry("a-2", "怎么换证", status=Status.APPROVED))
    assert (found.change, found.status, found.fields) == ("added", "in_review", ())


def test_a_changed_answer_is_shown_before_and_after() -> None:
    found = only(replace(KNOWN, version=0, answer="收三十元。", variants=("办证", "领证")))
    assert found.change == "changed"
    assert found.fields == (("variants", "", "办证|领证"), ("answer", "收二十元。", "收三十元。"))


def test_what_is_published_already_stays_as_it_is() -> None:
    assert only(replace(KNOWN, status=Status.APPROVED), reviewed=True).change == "unchanged"


def test_the_end_of_an_entry_moves_it_on() -> None:
    found = only(replace(KNOWN, status=Status.WITHDRAWN))
    assert (found.change, found.fields) == ("moved", (("status", "published", "withdrawn"),))


@pytest.mark.parametrize(("reviewed", "status"), [(True, "approved"), (False, "in_review")])
def test_a_reviewer_decides_how_far_a_row_goes(reviewed: bool, status: str) -> None:
    new = replace(KNOWN, answer="收三十元。", status=Status.APPROVED)
    assert only(new, reviewed=reviewed).status == status


def test_of_two_rows_of_one_id_the_last_counts() -> None:
    assert only(replace(KNOWN, answer="收三十元。"), KNOWN).change == "unchanged"
