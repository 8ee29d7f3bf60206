"""Two people at one entry: nothing that either of them wrote is lost."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from kb.entry import Entry
from kb.entry_form import values_of
from tests.kb.conftest import make_entry
from voicebot.knowledge_desk.comparing import changes, conflict

SEEN = make_entry("a-1", "社保卡丢了怎么补办", variants=("社保卡不见了",), version=1)
TEXTS = st.text(alphabet="先打电话挂失再补办12", min_size=1, max_size=6)
CHANGED = st.fixed_dictionaries(
    {},
    optional={
        "answer": TEXTS,
        "source": TEXTS,
        "channel": TEXTS,
        "variants": st.lists(TEXTS, max_size=2).map(tuple),
    },
)


def changed(entry: Entry, fields: dict[str, object]) -> Entry:
    return replace(entry, **fields)  # type: ignore[arg-type]


@given(theirs=CHANGED, mine=CHANGED)
def test_what_is_merged_holds_what_each_has_changed(
    theirs: dict[str, object], mine: dict[str, object]
) -> None:
    their_entry, my_entry = changed(SEEN, theirs), changed(SEEN, mine)
    found = conflict(SEEN, their_entry, my_entry, "乙")
    own = {change.field for change in changes(SEEN, my_entry)}
    for name, value in found.merged.items():
        assert value == values_of(my_entry if name in own else their_entry)[name]
    assert set(found.both) == {change.field for change in found.theirs if change.field in own} & {
        change.field for change in changes(their_entry, my_entry)
    }


def test_a_field_that_both_wrote_alike_is_no_conflict() -> None:
    same = changed(SEEN, {"answer": "先挂失。"})
    assert conflict(SEEN, same, same, "乙").both == ()
