"""What a text sounds like place by place, and two sequences of syllables side by side."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.alignment import side_by_side
from asr.phonetics import to_syllables
from asr.spoken import Spoken, spoken


def test_a_hanzi_is_spoken_for_by_its_syllable() -> None:
    assert spoken("去银行") == (
        Spoken("qu4", 0, 1), Spoken("yin2", 1, 2), Spoken("hang2", 2, 3),
    )  # fmt: skip


def test_the_syllables_of_a_figure_share_its_place() -> None:
    assert [(each.syllable, each.start, each.end) for each in spoken("第30条")] == [
        ("di4", 0, 1), ("san1", 1, 3), ("shi2", 1, 3), ("tiao2", 3, 4),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "，。!", "hello", "\u4dbf"])
def test_what_has_no_sound_is_left_out(text: str) -> None:
    assert spoken(text) == ()


def test_a_hanzi_without_a_sound_shifts_no_place() -> None:
    assert [(each.syllable, each.start) for each in spoken("我\u4dbf在")] == [
        ("wo3", 0),
        ("zai4", 2),
    ]


@given(st.text(alphabet="我在儋州银行长乐嗯〇110. 年a，𠀀", max_size=12))
def test_places_lie_within_the_text_in_order(text: str) -> None:
    places = [(each.start, each.end) for each in spoken(text)]
    assert places == sorted(places)
    assert all(0 <= start < end <= len(text) for start, end in places)


@given(st.text(alphabet="我在儋州银行楼上着火了", max_size=12))
def test_a_text_of_hanzi_sounds_as_it_does_as_a_whole(text: str) -> None:
    assert tuple(each.syllable for each in spoken(text)) == to_syllables(text)


def test_like_syllables_are_pairs_and_what_one_has_alone_is_beside_none() -> None:
    assert side_by_side(["wo", "zai", "zhe"], ["wo", "cai", "kan", "zhe"]) == [
        (0, 0), (1, 1), (None, 2), (2, 3),
    ]  # fmt: skip


def test_syllables_that_have_nothing_in_common_are_no_pair() -> None:
    assert (0, 0) not in side_by_side(["shuang"], ["ma"])


SYLLABLES = st.lists(st.sampled_from(["wo", "zai", "cai", "zhe", "ma", "shuang"]), max_size=8)


@given(SYLLABLES, SYLLABLES)
def test_every_syllable_of_both_is_there_once_and_in_order(a: list[str], b: list[str]) -> None:
    pairs = side_by_side(a, b)
    assert [i for i, _ in pairs if i is not None] == list(range(len(a)))
    assert [j for _, j in pairs if j is not None] == list(range(len(b)))
    assert all(pair != (None, None) for pair in pairs)


@given(SYLLABLES)
def test_a_sequence_is_its_own_pair(a: list[str]) -> None:
    assert side_by_side(a, a) == [(i, i) for i in range(len(a))]
