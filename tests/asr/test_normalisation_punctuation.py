"""Transcripts get the marks that a reader would set, and no wrong ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.hypothesis import Word
from asr.normalisation import Rewrite, Utterance, punctuated
from asr.normalisation.punctuation import asks

HALVES = {
    half: Path(__file__).with_name(f"punctuation_{half}.txt")
    for half in ("development", "held_out")
}
MARKS = "，。？"


def text(*utterances: Utterance) -> str:
    return "".join(result.text for result in punctuated(utterances))


def one(spoken: str) -> str:
    return text(Utterance(spoken))


def _lines(half: str) -> list[str]:
    return HALVES[half].read_text(encoding="utf-8").split()


def _bare(line: str) -> str:
    return re.sub(f"[{MARKS}]", "", line)


def _commas(line: str) -> set[int]:
    """How many characters stand before each comma."""
    return {len(_bare(line[:place])) for place, mark in enumerate(line) if mark == "，"}


@pytest.mark.parametrize("half", HALVES)
def test_a_question_is_known_by_its_words(half: str) -> None:
    lines = _lines(half)
    wrong = [line for line in lines if one(_bare(line))[-1] != line[-1]]
    assert len(wrong) <= 0.1 * len(lines), wrong


@pytest.mark.parametrize("half", HALVES)
def test_a_comma_without_a_pause_is_hardly_ever_wrong(half: str) -> None:
    wanted = [_commas(line) for line in _lines(half)]
    places = [
        {rewrite.start for rewrite in punctuated([Utterance(_bare(line))])[0].rewrites
         if rewrite.text == "，"}
        for line in _lines(half)
    ]  # fmt: skip
    wrong = sum(len(had - want) for had, want in zip(places, wanted, strict=True))
    assert wrong <= 1


@pytest.mark.parametrize(
    "clause",
    ["你们周末上班吗", "能不能快一点", "怎么办", "要多少钱", "几点下班", "你们到底管不管", "那我呢",
     "是谁干的", "交了没有"],
)  # fmt: skip
def test_questions(clause: str) -> None:
    assert asks(clause)


@pytest.mark.parametrize(
    "clause",
    ["谁都不管", "没什么事", "我不知道怎么办", "好几天了", "他还没来呢", "怎么说都不听",
     "多少年了都没人管", "我问他要不要报警", "这里没有"],
)  # fmt: skip
def test_statements_with_the_words_of_a_question(clause: str) -> None:
    assert not asks(clause)


def test_a_long_silence_ends_the_sentence_and_a_short_one_does_not() -> None:
    heard = [
        Utterance("路灯坏了", 0.0, 1.0),
        Utterance("晚上看不见路", 1.4, 2.6),
        Utterance("什么时候修", 4.5, 5.5),
    ]
    assert text(*heard) == "路灯坏了，晚上看不见路。什么时候修？"


def test_a_pause_between_words_is_a_comma_but_not_within_a_number() -> None:
    words = (
        Word("我的电话", 0.0, 0.8),
        Word("一三八", 1.3, 1.9),
        Word("零零零零一一一一", 2.5, 3.9),
        Word("你记一下", 4.4, 5.0),
    )
    spoken = "".join(word.text for word in words)
    (result,) = punctuated([Utterance(spoken, 0.0, 5.0, words)])
    assert result.text == "我的电话，13800001111，你记一下。"
    assert result.raw == spoken
    assert result.raw_range(5, 16) == (4, 15)
    assert Rewrite(4, 4, "，") in result.rewrites


def test_words_that_are_not_the_text_give_no_commas() -> None:
    words = (Word("路灯", 0.0, 0.4), Word("坏", 2.0, 2.4))
    assert text(Utterance("路灯坏了", 0.0, 2.4, words)) == "路灯坏了。"


def test_marks_that_are_there_are_left_alone() -> None:
    assert one("路灯坏了，但是没人修！") == "路灯坏了，但是没人修！"


@pytest.mark.parametrize("spoken", ["", "안녕 하세요", "hello"])
def test_what_is_not_chinese_gets_no_marks(spoken: str) -> None:
    assert one(spoken) == spoken


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            Utterance,
            st.one_of(
                st.text(max_size=12),
                st.text("喂你好但是因为吗呢三点半一二零五，。？ ", max_size=12),
            ),
            st.floats(0, 60),
            st.floats(0, 60),
        ),
        max_size=4,
    )
)
def test_any_text_goes_through_and_twice_is_once(utterances: list[Utterance]) -> None:
    results = punctuated(utterances)
    assert [result.raw for result in results] == [utterance.text for utterance in utterances]
    again = [
        Utterance(result.text, utterance.start, utterance.end)
        for result, utterance in zip(results, utterances, strict=True)
    ]
    assert text(*again) == text(*utterances)


@settings(deadline=None)
@given(st.text("喂你好但是因为吗呢三点半一二零五几个", max_size=16), st.data())
def test_places_lead_back_through_marks_too(spoken: str, data: st.DataObject) -> None:
    (result,) = punctuated([Utterance(spoken)])
    start = data.draw(st.integers(0, len(spoken)))
    end = data.draw(st.integers(start, len(spoken)))
    shown = result.text_range(start, end)
    if start < end:
        back = result.raw_range(*shown)
        assert back[0] <= start
        assert end <= back[1]
