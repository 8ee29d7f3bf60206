"""What is done to a recogniser's raw text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.cleaning import bare, clean, collapse, looping, sign_off


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        (" 懷訪路小遊園。", "怀访路小游园"),
        ("你好 ， 請問", "你好，请问"),
        ("(音乐)我要报警!", "我要报警"),
        ("电话是１３８", "电话是138"),
        ("...", ""),
        ("[♪♪♪]", ""),
        ("要1.5倍", "要1.5倍"),
        ("안녕 하세요", "안녕 하세요"),
    ],
)
def test_text_is_simplified_and_stripped(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


@given(st.text(max_size=40))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("救命救命救命救命救命救命", "救命救命救命"),
        ("快来快来快来快来", "快来快来快来"),
        ("没有没有没有没有", "没有没有没有"),
        ("对对对对", "对对对"),
        ("打打打打打人了", "打打打人了"),
        ("我要报警我要报警我要报警", "我要报警我要报警我要报警"),
        ("厨房着火了，厨房着火了，厨房着火了，", "厨房着火了，厨房着火了，"),
        ("救命，救命，救命，救命，", "救命，救命，救命，"),
    ],
)
def test_a_cry_said_over_and_over_is_kept(said: str, kept: str) -> None:
    assert collapse(said) == kept


@pytest.mark.parametrize(
    "number",
    [
        "一三八零零零零一一一一",
        "幺三八零零零零幺幺幺幺",
        "13800001111",
        "1 1 1 1 1 1",
        "110110110110",
    ],
)
def test_numbers_are_left_as_they_are(number: str) -> None:
    text = f"电话是{number}对"
    assert collapse(text) == text
    assert not looping(text)


@given(
    st.text(alphabet="着火了救命啊，", max_size=6),
    st.text(alphabet="着火了救命啊快来人", min_size=1, max_size=20),
    st.integers(8, 40),
)
def test_a_loop_never_comes_through_whole_and_its_words_do(
    before: str, unit: str, times: int
) -> None:
    text = collapse(before + unit * times)
    assert (unit * 4 not in text) or len(set(unit)) == 1
    assert set(unit) <= set(text)
    assert len(text) <= len(before) + 4 * len(unit) + 30
    assert looping(unit * times)


def test_what_people_say_is_no_loop() -> None:
    for said in ("救命救命救命", "好好好", "我想问一下社保卡怎么补办", "一二三四一二三四一二三四"):
        assert not looping(said)
    assert looping("业额额额额题额额额颜")


def test_subtitle_credits_are_known() -> None:
    assert sign_off("请不吝点赞 订阅 转发")
    assert not sign_off("我想查一下公交卡")


def test_bare_text_ignores_punctuation_and_case() -> None:
    assert bare("要1.5倍, OK") == bare("要1.5倍 ok")
