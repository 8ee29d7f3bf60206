"""What one text became, by words and characters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kb.word_diff import Piece, list_diff, word_diff

ANSWERS = st.text(alphabet="社保卡丢了先打电话挂失再去网点补办，。0189 abc", max_size=40)


def changed(before: str, after: str) -> list[tuple[str, str]]:
    return [(p.kind, p.text) for p in word_diff(before, after) if p.kind != "same"]


@given(before=ANSWERS, after=ANSWERS)
def test_the_pieces_make_up_both_texts(before: str, after: str) -> None:
    pieces = word_diff(before, after)
    assert "".join(p.text for p in pieces if p.kind != "added") == before
    assert "".join(p.text for p in pieces if p.kind != "removed") == after


@given(text=ANSWERS)
def test_a_text_that_stayed_has_no_change(text: str) -> None:
    assert changed(text, text) == []


def test_a_number_is_one_word() -> None:
    assert changed("请拨打12345咨询", "请拨打12333咨询") == [
        ("removed", "12345"),
        ("added", "12333"),
    ]
    assert changed("收费10.5元", "收费10.8元") == [("removed", "10.5"), ("added", "10.8")]


def test_one_character_between_two_changes_is_no_island() -> None:
    assert changed("带身份证去窗口", "凭户口证到窗口") == [
        ("removed", "带身份证去"),
        ("added", "凭户口证到"),
    ]


def test_texts_of_a_list_are_compared_whole() -> None:
    pieces = list_diff(["社保卡丢了", "卡不见了"], ["社保卡丢了", "医保卡不见了"])
    assert pieces == (
        Piece("same", "社保卡丢了"),
        Piece("removed", "卡不见了"),
        Piece("added", "医保卡不见了"),
    )
