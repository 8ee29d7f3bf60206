"""What is done to a recogniser's raw text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.cleaning import bare, clean, repeats, sign_off


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


def test_going_round_in_circles_is_noticed_and_figures_are_not() -> None:
    assert repeats("我想问我想问我想问我想问")
    assert repeats("哈哈哈哈哈")
    assert not repeats("电话一三八零零零零一一一一"[:6] + "0000")
    assert not repeats("13800001111")
    assert not repeats("救命救命救命")


def test_subtitle_credits_are_known() -> None:
    assert sign_off("请不吝点赞 订阅 转发")
    assert not sign_off("我想查一下公交卡")


def test_bare_text_ignores_punctuation_and_case() -> None:
    assert bare("要1.5倍, OK") == bare("要1.5倍 ok")
