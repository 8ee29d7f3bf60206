"""Word times carried from one writing of what was said to another."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.hypothesis import Word
from asr.timing import later, letter_times, retimed

SPOKEN = (Word("我", 0.5, 0.7), Word("住", 0.7, 1.0), Word("三零一", 1.4, 2.0))


def test_each_hanzi_and_each_run_of_figures_is_a_word() -> None:
    words = retimed(SPOKEN, "我住301，A.B座")
    assert [word.text for word in words] == ["我", "住", "301", "A.B", "座"]


def test_what_both_writings_share_keeps_its_time() -> None:
    assert retimed(SPOKEN, "我，住三零一。")[:2] == SPOKEN[:2]


def test_another_writing_shares_the_time_of_what_it_replaces() -> None:
    assert retimed(SPOKEN, "我住301")[2] == Word("301", 1.4, 2.0)
    homophones = retimed(SPOKEN, "我猪三零一")
    assert homophones[1] == Word("猪", 0.7, 1.0)


def test_what_nobody_timed_stands_in_the_gap() -> None:
    inserted = retimed(SPOKEN, "我住在三零一")[2]
    assert (inserted.text, inserted.start, inserted.end) == ("在", 1.0, 1.4)


def test_words_of_several_letters_share_their_time_evenly() -> None:
    times = letter_times(SPOKEN, "我住三零一")
    assert times[2] == pytest.approx((1.4, 1.6))
    assert times[4] == pytest.approx((1.8, 2.0))


def test_without_times_nothing_is_known() -> None:
    assert retimed((), "我住三零一") == ()
    assert retimed(SPOKEN, "。！ ") == ()


def test_times_are_moved_together() -> None:
    assert later(SPOKEN[:1], 2.0) == (Word("我", 2.5, 2.7),)


texts = st.text(st.sampled_from("我住三零一猪在着火了aB1. ，'é٣_-") | st.characters(), max_size=40)
times = st.lists(st.floats(0, 100), min_size=2, max_size=20).map(sorted)


@given(text=texts, other=texts, edges=times)
def test_words_make_up_the_text_in_order_and_in_time(text: str, other: str, edges: list) -> None:
    spoken = [
        Word(text[i : i + 3], start, end)
        for i, (start, end) in zip(range(0, len(text), 3), pairwise(edges), strict=False)
    ]
    words = retimed(spoken, other)
    assert bool(words) == any(
        word.text and any(map(str.isalnum, word.text)) for word in spoken
    ) * any(map(str.isalnum, other))
    if not words:
        return
    letters = [c for word in words for c in word.text if c.isalnum()]
    assert letters == [c for c in other if c.isalnum()]
    at = 0
    for word in words:
        assert word.text in other[at:]
        at = other.index(word.text, at) + len(word.text)
        assert word.start <= word.end
    for before, after in pairwise(words):
        assert before.end <= after.start + 1e-9
    assert spoken[0].start <= words[0].start
    assert words[-1].end <= spoken[-1].end
