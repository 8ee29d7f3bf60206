"""Words of the domain are found by sound."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.domain import NO_WORDS, DomainWords, Likeness
from asr.phonetics import distance, to_syllables, without_tone

WORDS = DomainWords(("儋州", "陵水", "石碌镇", "龙华区", "110", "湾", "一" * 13))


def toneless(text: str) -> list[str]:
    return [without_tone(syllable) for syllable in to_syllables(text)]


def test_a_word_is_found_where_something_sounds_like_it() -> None:
    assert list(WORDS.like(toneless("我在单周"), max_cost=0.0)) == [Likeness("儋州", 2, 0.0)]


def test_a_word_is_found_at_every_place() -> None:
    found = WORDS.like(toneless("单周到单周"), max_cost=0.0)
    assert [each.start for each in found] == [0, 3]


def test_of_words_that_sound_the_same_the_first_counts() -> None:
    words = DomainWords(("琼州", "穷舟"))
    assert {each.word for each in words.like(["qiong", "zhou"], max_cost=0.1)} == {"琼州"}


def test_what_is_not_two_to_twelve_hanzi_is_no_word() -> None:
    assert WORDS.known == {"儋州", "陵水", "石碌镇", "龙华区"}


@pytest.mark.parametrize(
    ("text", "share"), [("我在陵水", 0.5), ("石碌镇", 1.0), ("我在单周", 0.0), ("", 0.0)]
)
def test_the_share_of_a_text_that_is_written_with_the_words(text: str, share: float) -> None:
    assert WORDS.share(text) == share


def test_without_words_nothing_is_found() -> None:
    assert not NO_WORDS
    assert list(NO_WORDS.like(["dan", "zhou"], max_cost=1.0)) == []
    assert NO_WORDS.share("儋州") == 0.0


@given(st.lists(st.sampled_from(toneless("单周石路镇龙华其凌水的")), max_size=8))
def test_costs_are_the_mean_distance_of_the_syllables(syllables: list[str]) -> None:
    for word, start, cost in WORDS.like(syllables, max_cost=0.5):
        wanted = toneless(word)
        heard = syllables[start : start + len(wanted)]
        assert cost <= 0.5
        assert np.isclose(cost, np.mean(list(map(distance, wanted, heard))))
