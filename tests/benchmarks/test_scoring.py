"""The scoring of recognised Mandarin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scoring import character_error_rate, normalise, syllable_error_rate


def test_texts_are_compared_by_their_words() -> None:
    assert normalise("（咳）要1.5倍，OK") == normalise("要一点五倍ok")
    assert normalise("幺幺零") == normalise("110")
    assert normalise("懷疑") == "怀疑"


def test_errors_are_counted_by_the_characters_of_the_references() -> None:
    assert character_error_rate(["今天下雨", "好"], ["今天下鱼", "好"]) == pytest.approx(0.2)
    assert character_error_rate(["今天"], [""]) == 1.0


def test_a_homophone_is_no_syllable_error() -> None:
    assert syllable_error_rate(["今天下雨"], ["今天下鱼"]) == 0.0
    assert syllable_error_rate(["今天下雨"], [("jin1", "tian1", "xia4", "yi3")]) == 0.25


@pytest.mark.parametrize("rate", [character_error_rate, syllable_error_rate])
def test_without_a_reference_there_is_no_rate(rate: object) -> None:
    with pytest.raises(ValueError, match="no reference"):
        rate(["（咳）"], ["好"])  # type: ignore[operator]


@given(st.text(max_size=30))
def test_a_text_scored_against_itself_has_no_errors(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
    if normalise(text):
        assert character_error_rate([text], [text]) == 0.0
